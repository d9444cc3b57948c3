"""What the one public record becomes, and what it still becomes when Azure writes it otherwise."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from acrwatch.core.model import Message
from ingest.fast_columns import Horizon
from ingest.normalise import Normalised, Normaliser
from ingest.rows import RAW_COLUMNS, TEXT_LIMIT
from ingest.tolerant import read_record
from ingest.wire import Properties, WireReader, WireRecord, decode_record
from storage.schema import ARROW_SCHEMA

Record = dict[str, Any]


def test_the_public_record_becomes_the_event_it_is(pull: Callable[..., Record], event: Callable[..., Record]) -> None:
    got = event(pull())
    assert got["event_time"] == datetime(2025, 1, 30, 14, 19, 15, 193173, tzinfo=UTC)
    assert got["event_date"] == date(2025, 1, 30)
    assert (got["registry"], got["operation"], got["status_code"], got["succeeded"]) == ("example", "pull", 404, False)
    assert (got["identity"], got["identity_kind"]) == ("user@example.com", "user")
    assert (got["caller_ip"], got["ip_key"]) == ("203.0.113.18", bytes(10) + b"\xff\xff\xcb\x00\x71\x12")
    assert (got["digest"], got["media_type"], got["size"], got["jwt_id"]) == (None, None, None, None)
    assert (got["duration_ms"], got["region"], got["extra"]) == (38.212784, "westeurope", '{"RegionStamp":"weu-3"}')
    assert got["resource_id"] == pull()["resourceId"]


def test_an_event_carries_where_its_message_came_from(
    pull: Callable[..., Record], event: Callable[..., Record]
) -> None:
    got = event(pull())
    now = datetime(2025, 1, 31, tzinfo=UTC)
    assert (got["source"], got["partition_id"], got["sequence_number"]) == ("eventhub/ns/hub/0/1", "0", 7)
    assert (got["enqueued_time"], got["ingested_at"]) == (now, now)


def test_events_of_several_messages_keep_their_own_position(pull: Callable[..., Record]) -> None:
    body = json.dumps({"records": [pull(), pull()]}).encode()
    messages = [Message("a", 1, body), Message("b", 2, json.dumps(pull(new=1)).encode()), Message("c", 3, b"[]")]
    table = Normaliser().batch(messages, now=datetime(2025, 1, 31, tzinfo=UTC)).events
    assert table.schema == ARROW_SCHEMA
    assert table.select(["source", "sequence_number"]).to_pylist() == [
        {"source": "a", "sequence_number": 1},
        {"source": "a", "sequence_number": 1},
        {"source": "b", "sequence_number": 2},
    ]


def test_no_messages_give_an_empty_table_of_the_schema() -> None:
    assert Normaliser().batch([], now=datetime(2025, 1, 31, tzinfo=UTC)).events.schema == ARROW_SCHEMA


def test_the_structs_name_every_wire_member_of_the_column_table() -> None:
    members = {*WireRecord.__struct_fields__, *Properties.__struct_fields__} - {"properties", "RegionStamp"}
    assert members == {column.wire for column in RAW_COLUMNS}


VARIANTS: list[Record] = [
    {},
    {"digest": "sha256:" + "0" * 64, "resultDescription": "200", "size": 528},
    {
        "identity": None,
        "RegionStamp": None,
        "callerIpAddress": "",
        "correlationId": "null",
        "tag": "null",
        "durationMs": "<nil>",
    },
    {"identity": "", "RegionStamp": "", "operationName": "importImage", "tag": "None", "tenantId": "None"},
    {"time": "2025-01-30T23:59:59.9999999Z", "userAgent": "docker/27 (\\(linux\\)) \u00e9\U0001f600"},
    {"durationMs": "1e3", "resultDescription": "OK", "callerIpAddress": "[2001:db8::1]:443"},
]


@pytest.mark.parametrize("changes", VARIANTS)
def test_both_paths_make_the_same_row(changes: Record, pull: Callable[..., Record]) -> None:
    raw = json.dumps(pull(**changes)).encode()
    struct = decode_record(raw)
    assert struct is not None
    reader = WireReader(Normaliser()._derivations.resources)
    columns = reader.columns([struct], Horizon(0, 2**62))
    assert columns is not None
    assert tuple(column[0] for column in columns) == read_record(raw)


@pytest.mark.parametrize("stamp", ["\u00e9" * (TEXT_LIMIT - 10), "\x01" * (TEXT_LIMIT // 6), "a" * TEXT_LIMIT])
def test_a_long_stamp_is_judged_alike_whatever_stands_beside_it(
    stamp: str, pull: Callable[..., Record], decode: Callable[..., Normalised]
) -> None:
    alone, odd = pull(RegionStamp=stamp), pull(time="2025-01-30T14:19:15Z")
    whole, beside = decode({"records": [alone]}), decode({"records": [alone, odd]})
    assert [reject.reason for reject in whole.rejects] == [reject.reason for reject in beside.rejects]
    assert whole.events["extra"].to_pylist() == beside.events["extra"].to_pylist()[: whole.events.num_rows]


@pytest.mark.parametrize(
    "spelling",
    [str.lower, str.upper, lambda name: name[0].upper() + name[1:]],
    ids=["lower", "upper", "pascal"],
)
def test_members_are_found_in_any_case(
    spelling: Callable[[str], str], pull: Callable[..., Record], event: Callable[..., Record]
) -> None:
    record = pull()
    inner = {spelling(name): value for name, value in record.pop("properties").items()}
    stamp = record.pop("RegionStamp")
    changed = {spelling(name): value for name, value in record.items()} | {"properties": inner, "RegionStamp": stamp}
    assert event(changed) == event(pull())


def test_members_are_found_at_top_level_or_in_properties(
    pull: Callable[..., Record], event: Callable[..., Record]
) -> None:
    record = pull()
    flat = {**record, **record["properties"]}
    del flat["properties"]
    required = {"time", "category", "resourceId", "operationName", "properties", "RegionStamp"}
    nested = {k: v for k, v in record.items() if k in required}
    nested["properties"] |= {k: v for k, v in record.items() if k not in required}
    assert event(flat) == event(nested) == event(pull())


def test_properties_win_over_top_level_and_the_loser_is_kept(
    pull: Callable[..., Record], event: Callable[..., Record]
) -> None:
    got = event({**pull(repository="inner"), "repository": "outer"})
    assert got["repository"] == "inner"
    assert json.loads(got["extra"]) == {"RegionStamp": "weu-3", "repository": "outer"}


def test_an_absent_value_in_properties_lets_top_level_speak(
    pull: Callable[..., Record], event: Callable[..., Record]
) -> None:
    assert event({**pull(digest="<nil>"), "digest": "sha256:1"})["digest"] == "sha256:1"


def test_properties_written_as_text_are_read(pull: Callable[..., Record], event: Callable[..., Record]) -> None:
    record = pull()
    assert event({**record, "properties": json.dumps(record["properties"])}) == event(record)


@pytest.mark.parametrize(("status", "text"), [("200", "200"), (200, "200"), (200.0, "200"), (True, "true")])
def test_a_status_may_be_text_or_number(
    status: object, text: str, pull: Callable[..., Record], event: Callable[..., Record]
) -> None:
    got = event(pull(resultDescription=status))
    assert (got["result_description"], got["succeeded"]) == (text, text == "200")


@pytest.mark.parametrize(
    ("status", "succeeded"), [("199", False), ("200", True), ("202", True), ("299", True), ("300", False)]
)
def test_any_2xx_is_success(
    status: str, succeeded: bool, pull: Callable[..., Record], event: Callable[..., Record]
) -> None:
    assert event(pull(resultDescription=status))["succeeded"] is succeeded


@pytest.mark.parametrize("status", ["Forbidden", "", None])
def test_an_outcome_that_is_no_number_is_not_success(
    status: str | None, pull: Callable[..., Record], event: Callable[..., Record]
) -> None:
    got = event(pull(resultDescription=status))
    assert (got["status_code"], got["succeeded"]) == (None, False)


@pytest.mark.parametrize("value", [38.5, "38.5"])
def test_a_duration_may_be_number_or_text(
    value: object, pull: Callable[..., Record], event: Callable[..., Record]
) -> None:
    assert event(pull(durationMs=value))["duration_ms"] == 38.5


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [("size", "size", -1), ("size", "size", 10**30), ("size", "size", "big"), ("durationMs", "duration_ms", "fast")],
)
def test_a_number_that_cannot_be_one_is_null_and_kept_in_extra(
    name: str, column: str, value: object, pull: Callable[..., Record], event: Callable[..., Record]
) -> None:
    got = event(pull(**{name: value}))
    extra = json.loads(got["extra"])
    assert got[column] is None
    assert extra.get(name, extra.get("properties", {}).get(name)) in {value, str(value)}


def test_unknown_members_are_kept_in_a_stable_order(pull: Callable[..., Record], event: Callable[..., Record]) -> None:
    record = {"zulu": [1, {"b": 1, "a": 2}], **pull(), "alpha": None}
    record["properties"]["scope"] = "pull"
    shuffled = dict(reversed(record.items()))
    text = event(record)["extra"]
    assert text == event(shuffled)["extra"]
    assert json.loads(text) == {
        "RegionStamp": "weu-3",
        "properties": {"scope": "pull"},
        "zulu": [1, {"a": 2, "b": 1}],
    }


def test_an_identity_object_gives_its_principal_and_stays_in_extra(
    pull: Callable[..., Record], event: Callable[..., Record]
) -> None:
    claims = {"claims": {"upn": "user@example.com", "appid": "x"}}
    got = event(pull(identity=claims))
    assert (got["identity"], got["identity_kind"]) == ("user@example.com", "user")
    assert json.loads(got["extra"])["identity"] == claims


def test_an_identity_object_that_names_nobody_is_unknown_not_anonymous(
    pull: Callable[..., Record], event: Callable[..., Record]
) -> None:
    assert event(pull(identity={"authorization": {}}))["identity_kind"] == "unknown"


def test_admin_names_are_known_per_registry_in_any_case(
    pull: Callable[..., Record], event: Callable[..., Record]
) -> None:
    admins = {"EXAMPLE": ["BreakGlass"], "other": ["ci"]}
    kinds = [event(pull(identity=i), admin_usernames=admins)["identity_kind"] for i in ("Example", "breakglass", "ci")]
    assert kinds == ["admin", "admin", "token"]


def test_admin_names_of_every_registry_count_in_each(pull: Callable[..., Record], event: Callable[..., Record]) -> None:
    assert event(pull(identity="root"), admin_usernames={"*": ["Root"]})["identity_kind"] == "admin"


@pytest.mark.parametrize("identity", ["", None, "<nil>"])
def test_no_identity_is_anonymous(
    identity: str | None, pull: Callable[..., Record], event: Callable[..., Record]
) -> None:
    assert event(pull(identity=identity))["identity_kind"] == "anonymous"


@pytest.mark.parametrize("address", ["unix socket", "192.0.2.300"])
def test_an_unusable_address_is_null_and_its_text_kept(
    address: str, pull: Callable[..., Record], event: Callable[..., Record]
) -> None:
    got = event(pull(callerIpAddress=address))
    assert (got["caller_ip"], got["ip_key"], got["caller_ip_address"]) == (None, None, address)


@pytest.mark.parametrize("word", ["null", "None"])
def test_words_for_nothing_count_only_where_a_guid_belongs(
    word: str, pull: Callable[..., Record], row: Callable[..., Record], event: Callable[..., Record]
) -> None:
    wire = event(pull(tag=word, correlationId=word, tenantId=word))
    exported = event(row(Tag=word, CorrelationId=word, UserTenantId=word, JwtId=word))
    for got in (wire, exported):
        assert (got["tag"], got["correlation_id"], got["user_tenant_id"], got["jwt_id"]) == (word, None, None, None)


def test_the_workspace_id_of_a_log_analytics_row_is_not_the_callers_tenant(
    row: Callable[..., Record], event: Callable[..., Record]
) -> None:
    got = event(row())
    assert got["user_tenant_id"] == "00000000-0000-0000-0000-000000000011"
    assert json.loads(got["extra"])["TenantId"] == "00000000-0000-0000-0000-0000000000aa"
    without = row()
    del without["UserTenantId"]
    assert event(without)["user_tenant_id"] is None


def test_a_log_analytics_row_without_category_is_filed_by_its_table(
    row: Callable[..., Record], event: Callable[..., Record]
) -> None:
    record = row()
    del record["Category"]
    assert event(record)["category"] == "ContainerRegistryRepositoryEvents"
