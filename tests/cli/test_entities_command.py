"""`acrwatch entities risk`, and the page of an alert about an entity's risk."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from storage.state.alerts import record
from storage.state.database import Database
from tests.cli.conftest import NOW
from tests.cli.test_alerts_command import ALERT, another, stored

Call = Callable[..., Any]
OTHER = ({"type": "identity", "value": "ana@example.com"},)


def test_entities_are_listed_by_what_their_alerts_are_worth_together(call: Call, database: Database) -> None:
    day_old = NOW - timedelta(days=2)
    stored(
        database,
        another(1),
        another(2, rule="mass-delete", severity="low", first_seen=day_old, last_seen=day_old),
        another(3, rule="mass-delete", entities=OTHER, severity="medium"),
        another(4, entities=OTHER, close_reason="false_positive.incorrect_logic", status="closed"),
    )
    first, second = call("entities", "risk", "--json").json
    assert (first["type"], first["value"], first["score"], first["level"]) == (
        "identity",
        "contoso/contoso",
        27,
        "high",
    )
    assert [(part["rule"], part["points"]) for part in first["alerts"]] == [
        ("mass-delete", 2),
        ("admin-user-login", 25),
    ]
    assert (second["value"], second["score"]) == ("ana@example.com", 10)
    assert len(call("entities", "risk", "--limit", "1").stdout.splitlines()) == 2


def test_a_score_just_below_a_level_is_not_shown_as_if_it_reached_it(call: Call, database: Database) -> None:
    a_day_and_minutes = NOW - timedelta(days=1, minutes=20)
    stored(database, another(1, severity="low", first_seen=a_day_and_minutes, last_seen=a_day_and_minutes))
    (found,) = call("entities", "risk", "--json").json
    assert (found["score"], found["alerts"][0]["points"], found["level"]) == (3.9, 3.9, "informational")
    assert call("entities", "risk").stdout.splitlines()[1].split()[:2] == ["3.9", "informational"]


def test_nobody_at_risk_is_said(call: Call, database: Database) -> None:
    assert "No alert of the last 4 days counts" in call("entities", "risk").stderr


def test_the_page_of_an_alert_about_risk_lists_what_it_is_made_of(call: Call, database: Database) -> None:
    part = {"id": "0193aa", "rule": "mass-delete", "severity": "low", "first_seen": "2026-11-22T02:40:00+00:00"}
    stored(database, replace(ALERT, rule="entity-risk", facts={"notes": {"parts": [part]}}))
    told = call("alerts", "show", ALERT.id).stdout.splitlines()
    row = told[told.index("Made of these alerts") + 2]
    assert row.split() == ["2026-11-22", "02:40:00Z", "low", "mass-delete", "0193aa"]
    assert "Read the alerts that it is made of" in "\n".join(told)


def test_a_count_that_its_parts_do_not_tell_exactly_is_shown_as_the_least(call: Call, database: Database) -> None:
    part = {"id": "0193aa", "rule": "mass-delete", "severity": "low", "first_seen": "2026-11-22T02:40:00+00:00"}
    notes = {"parts": [part], "count_is_minimum": True}
    stored(database, replace(ALERT, rule="entity-risk", count=1200, facts={"notes": notes}))
    with database.begin() as connection:
        for change in ("created", "extended"):
            detail = {"count": 1200, "count_is_minimum": True}
            record(connection, ALERT.id, change, detail, actor="engine", now=ALERT.created_at)
    page = call("alerts", "show", ALERT.id).stdout
    for line in (
        "Events     at least 1,200\n",
        "Evidence, 1 of at least 1,200 events\n",
        "created: with at least 1,200 matching events\n",
        "extended to at least 1,200 events\n",
    ):
        assert line in page
    assert call("alerts", "show", ALERT.id, "--json").json["count_is_minimum"] is True


def test_evidence_of_all_events_that_are_known_may_not_be_all(call: Call, database: Database) -> None:
    stored(database, replace(ALERT, rule="entity-risk", count=1, facts={"notes": {"count_is_minimum": True}}))
    assert "1 of at least 1 events" in call("alerts", "show", ALERT.id).stdout
    assert call("alerts", "show", ALERT.id, "--json").json["evidence_truncated"] is True
