"""`acrwatch check --live`: what it says of stored traffic, and what it must not say."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]

RESOURCE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/contoso"


def record(number: int, operation: str = "Pull", **members: Any) -> dict[str, Any]:
    return {
        "time": f"2026-11-22T02:00:{number:02d}Z",
        "category": "ContainerRegistryRepositoryEvents",
        "operationName": operation,
        "resourceId": RESOURCE,
        "callerIpAddress": "203.0.113.9",
        "resultDescription": "200",
        "identity": "alice@example.com",
        **members,
    }


@pytest.fixture
def live(call: Call) -> Callable[..., Any]:
    """Import records and return the report about them."""

    def reported(*records: dict[str, Any], configuration: str = "") -> Any:
        Path("acrwatch.toml").write_text(configuration)
        Path("in.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
        assert call("import", "in.jsonl").exit_code == 0
        return call("check", "--live", "--json").json

    return reported


def test_an_operation_that_no_rule_knows_stands_out(live: Callable[..., Any]) -> None:
    report = live(record(1), record(2), record(3, "Quarantine"))
    assert [(row["operation_name"], row["taken_for"], row["events"]) for row in report["operations"]] == [
        ("Pull", "pull", 2),
        ("Quarantine", "other", 1),
    ]


def test_one_of_a_kind_is_said_in_the_singular(live: Callable[..., Any]) -> None:
    report = live(record(1, tag="sha256:" + "ab" * 32, digest="sha256:" + "ab" * 32), record(2, "Import"))
    answers = {one["question"]: one["answer"] for one in report["questions"]}
    assert answers["Do imports write records?"] == "1 import"
    assert answers["Does a pull by digest have the digest as its tag?"] == "1 successful pull does"
    assert answers["Are there pulls without any tag?"] == "not seen yet"


def test_identities_are_told_by_kind_and_shape(live: Callable[..., Any]) -> None:
    expected = {
        "alice@example.com": ("user", "name@domain"),
        "0f0e0d0c-0b0a-4909-8807-060504030201": ("object_id", "guid"),
        "contoso": ("admin", "name of the registry"),
        "build-token42": ("token", "a-a9"),
        None: ("anonymous", "absent"),
    }
    report = live(*(record(number, identity=identity) for number, identity in enumerate(expected)))
    assert {(row["kind"], row["shape"], row["events"]) for row in report["identities"]} == {
        (*told, 1) for told in expected.values()
    }


def test_no_identity_address_or_repository_is_shown(live: Callable[..., Any], call: Call) -> None:
    live(record(1, identity="Zanzibar-Quux", repository="hush/hush", userAgent="curl/8"))
    said = call("check", "--live").stdout + call("check", "--live", "--json").stdout
    for secret in ("zanzibar", "quux", "hush", "203.0.113.9", "curl/8"):
        assert secret not in said.casefold()


def test_members_that_no_column_knows_are_counted_by_name(live: Callable[..., Any]) -> None:
    report = live(record(1, newThing="x"), record(2, newThing="y"), record(3))
    assert [(row["member"], row["events"]) for row in report["unknown_members"]] == [("newThing", 2)]


def test_columns_are_told_by_the_share_of_events_that_lack_them(live: Callable[..., Any]) -> None:
    report = live(record(1, tag="v1"), record(2), record(3), record(4))
    absent = {row["column"]: row["absent"] for row in report["absent"]}
    assert (absent["tag"], absent["digest"], "identity" in absent) == ("75.0%", "100.0%", False)


def test_addresses_are_told_by_kind(live: Callable[..., Any]) -> None:
    public = ["203.0.113.9:443", "100.128.0.1", "2001:db8::1"]
    private = ["10.1.2.3", "172.31.0.1", "100.64.0.1", "fd00::1"]
    given = [*public, *private, "somewhere", None]
    report = live(*(record(number, callerIpAddress=address) for number, address in enumerate(given)))
    assert {row["address"]: row["events"] for row in report["addresses"]} == {
        "v4, public": 2,
        "v6, public": 1,
        "v4, private": 3,
        "v6, private": 1,
        "unusable": 1,
        "absent": 1,
    }


def test_a_detection_that_could_never_fire_says_why(live: Callable[..., Any]) -> None:
    detections = {one["slug"]: one for one in live(record(1, callerIpAddress=None))["detections"]}
    assert detections["pull-outside-allowed-ranges"]["obstacles"] == [
        "caller_ip is absent from every event",
        "ip_key is absent from every event",
        "no registry has allowed_ranges configured",
    ]
    assert detections["mass-delete"]["obstacles"] == ["no event is classified as delete or purge or untag"]
    assert detections["anomalous-source-ip"]["could_fire"] is False


def test_an_admin_user_who_does_something_else_is_an_admin_user(live: Callable[..., Any]) -> None:
    def told(*records: dict[str, Any]) -> Any:
        (found,) = [one for one in live(*records)["detections"] if one["slug"] == "admin-push-or-delete"]
        return found["obstacles"]

    assert told(record(1, "Push")) == ["no event's identity is taken for an admin user (see admin_usernames)"]
    assert told(record(2, identity="contoso")) == []


def test_a_rule_with_several_ways_to_match_needs_a_list_for_one_of_them(live: Callable[..., Any]) -> None:
    def told(configuration: str) -> Any:
        report = live(record(1, "Push", tag="v1", digest="sha256:0"), configuration=configuration)
        found = {one["slug"]: one["obstacles"] for one in report["detections"]}
        return found["push-outside-pipeline"], found["watched-entity-seen"]

    assert told("") == (
        ["no registry has push_identities or push_ranges configured"],
        ["no registry has watched_digests, watched_identities or watched_ips configured"],
    )
    assert told('[registries.contoso]\npush_ranges = ["192.0.2.0/24"]\nwatched_digests = ["sha256:1"]\n') == ([], [])


def test_a_detection_that_could_fire_says_how_many_events_meet_its_condition(live: Callable[..., Any]) -> None:
    ranges = '[registries.contoso]\nallowed_ranges = ["192.0.2.0/24"]\n'
    report = live(record(1), record(2, identity="contoso"), record(3, "Delete"), configuration=ranges)
    told = {one["slug"]: (one["could_fire"], one["matching"]) for one in report["detections"]}
    assert (
        told
        | {
            "admin-user-login": (True, 1),
            "anomalous-source-ip": (True, None),
            "mass-delete": (True, 1),
            "pull-outside-allowed-ranges": (True, 2),
        }
        == told
    )


def test_open_questions_are_answered_by_what_was_seen(live: Callable[..., Any]) -> None:
    report = live(record(1, "Untag"), record(2))
    answers = {one["question"]: one["answer"] for one in report["questions"]}
    assert answers["How are delete, untag and purge spelt?"] == "1 removal; see operations"
    assert answers["How do tokens appear?"] == "not seen yet"


def test_only_the_time_asked_for_is_reported(live: Callable[..., Any], call: Call) -> None:
    assert live(record(1), record(2, time="2026-11-20T00:00:00Z"))["events"] == 1
    assert call("check", "--live", "--since", "30d", "--json").json["events"] == 2


def test_refused_records_are_counted_by_reason(live: Callable[..., Any]) -> None:
    report = live(record(1), {"category": "ContainerRegistryLoginEvents"})
    assert [row["records"] for row in report["rejects"]] == [1]


def test_without_events_it_ends_with_3(call: Call) -> None:
    assert call("check", "--live").exit_code == 3


def test_records_of_the_control_plane_are_counted_and_their_rules_told(live: Callable[..., Any]) -> None:
    written: dict[str, Any] = {
        "category": "Administrative",
        "operationName": "MICROSOFT.CONTAINERREGISTRY/REGISTRIES/WRITE",
        "resultType": "Start",
        "properties": {"requestbody": '{"properties": {"adminUserEnabled": true}}'},
    }
    report = live(record(1), record(2, **written), record(3, **written | {"resultType": "Success", "properties": {}}))
    assert report["events"] == 1
    assert [(one["operation"], one["result"], one["with_request"]) for one in report["control_plane"]] == [
        ("registries/write", "start", 1),
        ("registries/write", "success", 0),
    ]
    (told,) = [one for one in report["detections"] if one["slug"] == "admin-user-enabled"]
    assert (told["could_fire"], told["matching"]) == (True, 0)


def test_a_rule_on_the_control_plane_is_blind_without_the_activity_log(live: Callable[..., Any]) -> None:
    (told,) = [one for one in live(record(1))["detections"] if one["slug"] == "admin-user-enabled"]
    assert told["obstacles"] == ["no record of the Activity Log about a registry is stored"]
