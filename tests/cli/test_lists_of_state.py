"""`acrwatch rejects list`, `acrwatch deliveries ...`, `acrwatch db migrate`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from acrwatch.core.model import Reject
from storage.state import outbox, rejects
from storage.state.database import Database

Call = Callable[..., Any]
THEN = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


def dead_delivery(database: Database) -> str:
    with database.begin() as connection:
        outbox.enqueue(
            connection, destinations=["siem"], alert_id="a1", type="alert.created", revision=1, body="{}", now=THEN
        )
        (claimed,) = outbox.claim(connection, "siem", owner="me", lease=timedelta(seconds=9), limit=1, now=THEN)
        outbox.dead(connection, claimed, outbox.Attempt(THEN, 0.1, "dead", status_code=410, detail="Gone"))
    return claimed.id


def test_deliveries_list_tells_what_came_of_the_last_attempt(call: Call, database: Database) -> None:
    name = dead_delivery(database)
    heading, row = call("deliveries", "list").stdout.splitlines()
    assert heading.split() == ["TIME", "DESTINATION", "TYPE", "STATUS", "TRIES", "AGE", "ID", "LAST", "ATTEMPT"]
    for word in ("siem", "alert.created", "dead", "410 Gone", "1 h ago", name):
        assert word in row


def test_deliveries_list_chooses_by_status_and_destination(call: Call, database: Database) -> None:
    dead_delivery(database)
    assert call("deliveries", "list", "--status", "sent", "--json").json == []
    assert call("deliveries", "list", "--destination", "other", "--json").json == []
    assert len(call("deliveries", "list", "--destination", "siem", "--status", "dead", "--json").json) == 1


def test_deliveries_retry_makes_a_dead_one_due(call: Call, database: Database) -> None:
    dead_delivery(database)
    assert call("deliveries", "retry", "siem", "--json").json == {"retried": 1}
    assert [item["status"] for item in call("deliveries", "list", "--json").json] == ["pending"]


def test_deliveries_retry_of_an_unknown_name_ends_with_3(call: Call, database: Database) -> None:
    assert call("deliveries", "retry", "nobody").exit_code == 3


def test_rejects_list_shows_reason_position_and_bytes(call: Call, database: Database) -> None:
    reject = Reject("eventhub/ns/hub/0/0", 7, 1, "missing_member", "no time", b'{"a":\xff}', 7)
    with database.begin() as connection:
        rejects.store(connection, [reject], now=THEN)
    assert "eventhub/ns/hub/0/0 7 1" in call("rejects", "list").stdout
    (item,) = call("rejects", "list", "--json").json
    assert (item["reason"], item["body"], item["whole"]) == ("missing_member", '{"a":\\xff}', True)
    assert call("rejects", "list", "--reason", "invalid_json", "--json").json == []


def test_rejects_list_pending_leaves_out_replayed_ones(call: Call, database: Database) -> None:
    with database.begin() as connection:
        rejects.store(connection, [Reject("files/x", 0, 0, "missing_member", "no time", b"{}", 2)], now=THEN)
        rejects.mark_replayed(connection, [("files/x", 0, 0)], now=THEN)
    assert call("rejects", "list", "--pending", "--json").json == []
    assert len(call("rejects", "list", "--json").json) == 1


def test_rejects_replay_makes_events_of_what_can_be_read_by_now(call: Call, database: Database) -> None:
    record = call("simulate", "--days", "0.1", "--events-per-day", "300").stdout.splitlines()[0].encode()
    found = [
        Reject("files/x", 0, 0, "missing_member", "was a defect", record, len(record)),
        Reject("files/x", 1, 0, "invalid_json", "no JSON", b"{", 1),
        Reject("files/x", 2, 0, "too_long", "cut", b"{", 100),
    ]
    with database.begin() as connection:
        rejects.store(connection, found, now=THEN)
    expected = {"replayed": 1, "still_rejected": 1, "cut": 1, "events": 1, "duplicates": 0}
    assert call("rejects", "replay", "--json").json == expected
    pending = [item["reason"] for item in call("rejects", "list", "--pending", "--json").json]
    assert sorted(pending) == ["invalid_json", "too_long"]
    assert call("detect", "--once", "--json").json["new_events"] == 1


def test_one_reject_that_is_replayed_is_said_in_the_singular(call: Call, database: Database) -> None:
    record = call("simulate", "--days", "0.1", "--events-per-day", "300").stdout.splitlines()[0].encode()
    with database.begin() as connection:
        rejects.store(connection, [Reject("files/x", 0, 0, "missing_member", "x", record, len(record))], now=THEN)
    assert call("rejects", "replay").stderr == "1 of 1 reject can be read now: 1 new event.\n"
    with database.begin() as connection:
        rejects.store(connection, [Reject("files/x", 2, 0, "too_long", "cut", b"{", 100)], now=THEN)
    assert "1 was too long to be kept whole" in call("rejects", "replay").stderr


def test_db_migrate_creates_the_database(call: Call, tmp_path: Path) -> None:
    assert call("db", "migrate", "--json").json["migrated"] is True
    assert (tmp_path / "data/state.db").exists()
    assert call("rejects", "list", "--json").json == []


@pytest.mark.parametrize("what", ["rejects", "deliveries"])
def test_an_empty_list_says_that_it_is_empty(call: Call, database: Database, what: str) -> None:
    done = call(what, "list")
    assert (done.stdout, done.stderr) == ("", f"No {what}.\n")
