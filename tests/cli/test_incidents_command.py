"""`acrwatch incidents`, and what the lists of alerts say of them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from detections.blindness import Watch
from detections.notices import Publishing
from storage.lake import Lake
from storage.state import incidents, leases
from storage.state.database import Database

Call = Callable[..., Any]
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GAP = "gap/eventhub/ns/hub/0/0/17"


def opened(database: Database, key: str, kind: str, at: datetime = NOW - HOUR, remedy: str = "Backfill it") -> None:
    with database.begin() as connection:
        incidents.open(connection, key, kind=kind, message=f"{kind} happened", remedy=remedy, now=at)


def test_an_open_incident_is_listed_with_its_end(call: Call, database: Database) -> None:
    opened(database, GAP, "gap")
    (row,) = call("incidents", "list").stdout.splitlines()[1:]
    for words in (
        "2026-11-22 02:00:00Z  1 h ago",
        GAP,
        "gap happened. Backfill it. It ends when a person acknowledges it, or it is 7 days old.",
    ):
        assert words in row


def test_json_has_what_a_script_needs(call: Call, database: Database) -> None:
    opened(database, GAP, "gap")
    (item,) = call("incidents", "list", "--json").json
    assert (item["key"], item["kind"], item["since"], item["over_at"]) == (GAP, "gap", "2026-11-22T02:00:00Z", None)


def test_ack_puts_a_gap_away_and_keeps_it_on_record(call: Call, database: Database) -> None:
    opened(database, GAP, "gap")
    assert "1 incident acknowledged" in call("incidents", "ack", GAP).stderr
    assert "No incidents are open." in call("incidents", "list").stderr
    assert "Health:" not in call("alerts", "list").stderr
    (item,) = call("incidents", "list", "--all", "--json").json
    assert (item["key"], item["over_at"]) == (GAP, "2026-11-22T03:00:00Z")


def test_ack_closes_the_alert_of_the_gap(call: Call, database: Database) -> None:
    opened(database, GAP, "gap")
    Watch(Lake.open("data/lake"), database, (), Publishing()).look(now=NOW)
    assert [alert["status"] for alert in call("alerts", "list", "--json").json] == ["new"]
    call("incidents", "ack", GAP)
    (alert,) = call("alerts", "list", "--json").json
    assert (alert["rule"], alert["status"], alert["close_reason"]) == ("ingest-gap", "closed", "acknowledged")


def test_a_gap_of_a_week_ago_is_on_record_and_in_no_banner(call: Call, database: Database) -> None:
    opened(database, GAP, "gap", NOW - 7 * DAY)
    assert "Health:" not in call("alerts", "list").stderr
    assert call("incidents", "list", "--json").json == []
    (item,) = call("incidents", "list", "--all", "--json").json
    assert item["over_at"] == "2026-11-22T03:00:00Z"


def test_what_ends_by_itself_cannot_be_acknowledged(call: Call, database: Database) -> None:
    opened(database, GAP, "gap")
    opened(database, "registry-silent/x", "registry-silent")
    done = call("incidents", "ack", GAP, "registry-silent/x")
    assert done.exit_code == 2
    assert "it ends by itself when the registry speaks again" in done.stderr
    assert len(call("incidents", "list", "--json").json) == 2  # neither of them


def test_ack_of_an_unknown_key_ends_with_3(call: Call, database: Database) -> None:
    done = call("incidents", "ack", "nonsense")
    assert (done.exit_code, "acrwatch incidents list --all" in done.stderr) == (3, True)


def test_what_a_destination_that_is_gone_left_can_be_put_away(call: Call, database: Database) -> None:
    opened(database, "dead_letter/old-siem", "dead_letter", remedy="")
    call("incidents", "ack", "dead_letter/old-siem")
    assert "Health:" not in call("alerts", "list").stderr


def test_lag_of_the_hub_is_said_where_alerts_are_listed(call: Call, database: Database) -> None:
    opened(database, "hub_lag/eventhub/ns/hub/0/0", "hub_lag", remedy="Look at the load")
    said = call("alerts", "list").stderr
    assert "Health: 1 incident open; alerts may be missing. See `acrwatch incidents list`." in said
    assert "hub_lag happened. Look at the load" in said


@pytest.mark.parametrize(("lasts", "said"), [(timedelta(hours=1), False), (timedelta(0), True)])
def test_that_nobody_watches_any_more_is_said_where_alerts_are_listed(
    call: Call, database: Database, lasts: timedelta, said: bool
) -> None:
    with database.begin() as connection:
        leases.acquire(connection, "watch", "host:1", lasts)
    assert ("Health: no `acrwatch run` has looked" in call("alerts", "list").stderr) is said
    assert ("watch" in {item["name"] for item in call("check", "--quick", "--json").json}) is said


@pytest.mark.parametrize(("asked", "hint"), [("mass-deletes", "Did you mean mass-delete?"), ("zzz", "Known are ")])
def test_alerts_of_an_unknown_rule_are_not_none_but_a_mistake(
    call: Call, database: Database, asked: str, hint: str
) -> None:
    done = call("alerts", "list", "--rule", asked)
    assert (done.exit_code, done.stdout) == (3, "")
    assert f"there is no rule {asked!r}" in done.stderr
    assert hint in done.stderr


@pytest.mark.parametrize("asked", ["mass-delete", "ingest-gap", "detection-failed"])
def test_alerts_of_a_rule_that_has_none_are_none(call: Call, database: Database, asked: str) -> None:
    done = call("alerts", "list", "--rule", asked)
    assert (done.exit_code, "No alerts." in done.stderr) == (0, True)
