"""`acrwatch suppressions add|list|end|preview`, and what the list of alerts says of what is hidden."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from storage.state.database import Database
from tests.cli.test_alerts_command import ALERT, another, stored

Call = Callable[..., Any]
DRILL = ("--identity", "contoso", "--reason", "Drill until noon", "--by", "ana")


def test_a_suppression_is_made_and_says_what_it_would_have_hidden(call: Call, database: Database) -> None:
    stored(database, another(1), another(2, status="closed", close_reason="true_positive.suspicious_activity"))
    outcome = call("suppressions", "add", *DRILL, "--expires", "8h", "--json")
    made = outcome.json
    assert (made["owner"], made["starts_at"], made["expires_at"]) == (
        "ana",
        "2026-11-22T03:00:00Z",
        "2026-11-22T11:00:00Z",
    )
    assert "it would have hidden 2 alerts (2 of admin-user-login). CAREFUL: 1 of them was closed as" in outcome.stderr


def test_the_list_says_what_each_hides_how_long_and_why(call: Call, database: Database) -> None:
    call("suppressions", "add", *DRILL)
    stored(database, another(1, status="suppressed", suppressed_by=1))
    heading, row = call("suppressions", "list").stdout.splitlines()
    assert heading.split() == ["ID", "STATE", "FROM", "UNTIL", "OWNER", "HIDDEN", "WHAT", "REASON"]
    for words in ("active", "2026-12-22 03:00:00Z", "1 alert, 12 events", "any rule, identity contoso", "Drill until"):
        assert words in row


def test_one_that_is_ended_stays_on_record(call: Call, database: Database) -> None:
    call("suppressions", "add", *DRILL, "--start", "2026-11-22T00:00:00Z")
    assert "holds for events before 2026-11-22 03:00:00Z" in call("suppressions", "end", "1").stderr
    assert "No suppression is in force" in call("suppressions", "list").stderr
    (one,) = call("suppressions", "list", "--all", "--json").json
    assert (one["state"], one["ended_at"]) == ("ended", "2026-11-22T03:00:00Z")
    again = call("suppressions", "end", "1")
    assert (again.exit_code, again.stderr.splitlines()) == (
        1,
        [
            "Error: suppression 1 is over since 2026-11-22 03:00:00Z",
            "`acrwatch suppressions list --all` shows what it has hidden",
        ],
    )
    assert call("suppressions", "end", "2").exit_code == 3


def test_a_preview_lists_what_would_have_been_hidden_and_changes_nothing(call: Call, database: Database) -> None:
    mixed = (*ALERT.evidence_rows, (("2026-11-22T02:41:00+00:00", "cd" * 16), {"identity": "other"}))
    old = ALERT.last_seen - timedelta(days=8)
    stored(database, another(1), another(2, evidence_rows=mixed), another(3, last_seen=old, first_seen=old))
    outcome = call("suppressions", "preview", "--identity", "contoso", "--days", "7", "--json")
    assert [one["id"] for one in outcome.json] == [another(1).id]
    assert "and a part of 1 more, which would still have been told" in outcome.stderr
    assert call("suppressions", "list", "--all", "--json").json == []


def test_what_is_suppressed_is_hidden_from_the_list_and_counted(call: Call, database: Database) -> None:
    stored(database, another(1), another(2, status="suppressed", suppressed_by=1))
    outcome = call("alerts", "list", "--json")
    assert [one["id"] for one in outcome.json] == [another(1).id]
    assert "Suppressed within the last 24 hours: 1 alert." in outcome.stderr
    assert [one["id"] for one in call("alerts", "list", "--suppressed", "--json").json] == [another(2).id]


def test_one_day_is_said_as_one(call: Call, database: Database) -> None:
    said = call("suppressions", "preview", "--identity", "contoso", "--days", "1").stderr
    assert "Of the last day it would have hidden 0 alerts" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "would blind acrwatch"),
        (("--ip", "203.0.113"), "'203.0.113' is no address and no range"),
        (("--registry", "contoso", "--expires", "400d"), "Let it end at most 366 days after its start"),
        (
            ("--registry", "contoso", "--start", "2026-11-23T00:00:00Z", "--expires", "2026-11-22T09:00:00Z"),
            "would end at 2026-11-22 09:00:00Z, which is not after its start at 2026-11-23 00:00:00Z\nLet it end after",
        ),
        (("--registry", "contoso", "--expires", "soon"), "or a span such as 8h or 30d"),
        (("--rule", "registry-silent"), "registry-silent is what acrwatch says of itself: it cannot be"),
        (("--rule", "mas-delete"), "there is no rule 'mas-delete'"),
    ],
)
def test_a_suppression_that_makes_no_sense_is_refused(
    call: Call, database: Database, arguments: tuple[str, ...], said: str
) -> None:
    outcome = call("suppressions", "add", "--reason", "because", *arguments)
    assert outcome.exit_code in (2, 3)
    assert said in outcome.stderr


def test_alerts_about_risk_can_be_suppressed(call: Call, database: Database) -> None:
    stored(database, another(1), another(2, rule="entity-risk"))
    outcome = call("suppressions", "preview", "--rule", "entity-risk", "--identity", "contoso", "--json")
    assert [one["id"] for one in outcome.json] == [another(2).id]
