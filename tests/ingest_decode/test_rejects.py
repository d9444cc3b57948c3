import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ingest.normalise import Normalised
from ingest.rows import TEXT_LIMIT
from ingest.tally import COUNTER_LIMIT, OTHER_CATEGORIES, REJECT_LIMIT

Record = dict[str, Any]
Decode = Callable[..., Normalised]


@pytest.mark.parametrize(
    ("changes", "reason", "named"),
    [
        ({"time": None}, "missing_member", "time"),
        ({"time": ""}, "missing_member", "time"),
        ({"time": 1738246755}, "wrong_type", "1738246755"),
        ({"time": "soon"}, "invalid_time", "'soon'"),
        ({"time": "2025-02-01T00:00:00.0000010Z"}, "time_in_future", "2025-02-01"),
        ({"category": None}, "missing_member", "category"),
        ({"category": 7}, "wrong_type", "category is 7"),
        ({"operationName": "<nil>"}, "missing_member", "operationName"),
        ({"resourceId": None}, "missing_member", "resourceId"),
        ({"resourceId": "/subscriptions/s"}, "not_a_registry", "'/subscriptions/s'"),
        ({"tag": "a\0b"}, "null_character", "U+0000"),
        ({"newMember": {"a\0": 1}}, "null_character", "U+0000"),
        ({"tag": "\ud800"}, "lone_surrogate", "surrogate"),
        ({"newMember": ["\udfff"]}, "lone_surrogate", "surrogate"),
        ({"tag": "x" * (TEXT_LIMIT + 1)}, "text_too_long", "tag"),
        ({"newMember": "x" * TEXT_LIMIT}, "text_too_long", "unknown members"),
        ({"tag": {"a": 1}}, "wrong_type", "tag is a JSON object"),
        ({"repository": ["a"]}, "wrong_type", "repository is a JSON array"),
        ({"newMember": "x" * 1_048_576}, "record_too_long", "bytes"),
    ],
)
def test_a_record_that_cannot_be_an_event_is_rejected_alone(
    changes: Record, reason: str, named: str, pull: Callable[..., Record], decode: Decode
) -> None:
    bad = pull(**changes)
    result = decode({"records": [pull(), bad, pull(tag="v2")]})
    (reject,) = result.rejects
    assert (reject.ordinal, reject.reason) == (1, reason)
    assert named in reject.detail
    assert len(reject.detail) < 250
    assert reject.detail.isascii()
    assert reject.detail.isprintable()
    assert reject.body == json.dumps(bad).encode()
    assert reject.body_length == len(reject.body)
    assert (reject.stream, reject.sequence_number) == ("eventhub/ns/hub/0/1", 7)
    assert sorted(result.events["tag"].to_pylist()) == sorted([pull()["properties"]["tag"], "v2"])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"oops", "invalid_json"),
        (b"5", "wrong_type"),
        (b"null", "wrong_type"),
        (b'"text"', "wrong_type"),
        (b"[[[[]]]]", "wrong_type"),
        (b'{"time": NaN}', "invalid_json"),
        (b'{"time": -Infinity}', "invalid_json"),
        (b'{"time" "x"}', "invalid_json"),
        (b'{"tag":"\xc3\x28"}', "invalid_utf8"),
        (b'{"a":' * 2000 + b"1" + b"}" * 2000, "too_deep"),
        (b"{}", "missing_member"),
    ],
)
def test_bytes_that_are_no_record_are_rejected_alone(
    bad: bytes, reason: str, pull: Callable[..., Record], decode: Decode
) -> None:
    good = json.dumps(pull()).encode()
    result = decode(b'{"records":[%s,%s,%s]}' % (good, bad, good))
    assert [(r.ordinal, r.reason, r.body) for r in result.rejects] == [(1, reason, bad)]
    assert result.events.num_rows == 2


@pytest.mark.parametrize("body", [b"", b"\x00\x01", b'{"records":', b"<html>"])
def test_a_message_without_any_record_is_one_reject(body: bytes, decode: Decode) -> None:
    result = decode(body)
    assert [(r.ordinal, r.body) for r in result.rejects] == [(-1, body)]
    assert result.events.num_rows == 0


def test_the_same_bytes_twice_give_the_same_rejects(pull: Callable[..., Record], decode: Decode) -> None:
    body = {"records": [5, pull(time=None), pull()]}
    assert decode(body).rejects == decode(body).rejects


def test_duplicate_members_let_the_last_speak(pull: Callable[..., Record], decode: Decode) -> None:
    text = json.dumps(pull()).replace('"identity": "user@example.com"', '"identity": "a", "identity": "b"')
    assert decode(text.encode()).events["identity"].to_pylist() == ["b"]


def test_huge_numbers_in_unknown_members_are_kept_as_text(pull: Callable[..., Record], decode: Decode) -> None:
    text = json.dumps(pull()).replace('"RegionStamp"', f'"big": {"9" * 5000}, "wide": 1e999, "RegionStamp"')
    (extra,) = decode(text.encode()).events["extra"].to_pylist()
    assert json.loads(extra)["big"] == "9" * 5000
    assert json.loads(extra)["wide"] == "1e999"


def test_records_of_other_categories_and_metrics_are_counted_and_skipped(
    pull: Callable[..., Record], decode: Decode
) -> None:
    metric = {"metricName": "TotalPullCount", "timeGrain": "PT1M", "total": 3}
    other = {"category": "AuditEvent", "anything": [1]}
    result = decode({"records": [metric, other, pull(), pull(category="AuditEvent"), metric]})
    assert result.skipped == {"metric": 2, "category:AuditEvent": 2}
    assert (result.events.num_rows, result.rejects) == (1, ())


def test_the_number_of_counters_is_capped(decode: Decode) -> None:
    result = decode([{"category": f"c{n}"} for n in range(COUNTER_LIMIT + 50)])
    assert len(result.skipped) == COUNTER_LIMIT + 1
    assert result.skipped[OTHER_CATEGORIES] == 50


def test_events_older_than_the_retention_are_counted_not_rejected(pull: Callable[..., Record], decode: Decode) -> None:
    records = [pull(time="2025-01-29T23:59:59.9999999Z"), pull(time="2025-01-30T00:00:00.0000000Z"), pull(new=1)]
    result = decode({"records": records}, retention=timedelta(days=1))
    assert (result.events.num_rows, result.rejects, result.skipped) == (2, (), {"expired": 1})


def test_a_retention_longer_than_time_itself_keeps_all(pull: Callable[..., Record], decode: Decode) -> None:
    assert decode(pull(), retention=timedelta(days=365_000)).events.num_rows == 1


def test_a_flood_of_rejects_becomes_one_that_holds_the_message(pull: Callable[..., Record], decode: Decode) -> None:
    body = {"records": [*range(REJECT_LIMIT + 5), pull()]}
    result = decode(body)
    assert len(result.rejects) == REJECT_LIMIT + 1
    last = result.rejects[-1]
    assert (last.ordinal, last.reason, last.body) == (-1, "too_many_rejects", json.dumps(body).encode())
    assert last.detail.startswith("5 more")
    assert result.events.num_rows == 1
