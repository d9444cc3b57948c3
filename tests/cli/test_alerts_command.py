"""`acrwatch alerts`: the list, one alert, and what is said beside them."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from acrwatch.core.model import Reject
from acrwatch.core.wording import image
from detections.episode import SAMPLES
from storage.state import incidents, rejects, runs
from storage.state.alerts import Alert, insert_alert, unlisted
from storage.state.database import Database

Call = Callable[..., Any]
SEEN = datetime(2026, 11, 22, 2, 40, tzinfo=UTC)
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
ROW = {
    "registry": "contoso",
    "identity": "contoso",
    "caller_ip": "203.0.113.9",
    "operation": "pull",
    "status_code": 200,
    "repository": "app/web",
    "tag": "v1",
    "user_agent": "docker/27.0",
}
ALERT = Alert(
    id="0193a1b2c3d4deadbeef",
    rule="admin-user-login",
    rule_id="0b0a3a5e-6f4e-4c58-9d0c-0c2f6a0f6f11",
    rule_version="0" * 64,
    context_version=None,
    title="Admin account of a registry used",
    severity="high",
    tags=("attack.t1078.004",),
    group_key="[]",
    entities=({"type": "identity", "value": "contoso"}, {"type": "ip", "value": "203.0.113.9"}),
    registries=("contoso",),
    status="new",
    close_reason=None,
    merged_into=None,
    historical=False,
    first_seen=SEEN,
    last_seen=SEEN + timedelta(minutes=5),
    count=12,
    evidence=((SEEN.isoformat(), "ab" * 16),),
    evidence_rows=(((SEEN.isoformat(), "ab" * 16), ROW),),
    facts={},
    reason="The admin account contoso of registry contoso was used from 203.0.113.9.",
    revision=2,
    created_at=SEEN + timedelta(minutes=1),
    updated_at=SEEN + timedelta(minutes=6),
    raised_at=SEEN + timedelta(minutes=1),
    closed_at=None,
    changed_after_close=False,
)


def stored(database: Database, *alerts: Alert) -> None:
    with database.begin() as connection:
        for alert in alerts:
            insert_alert(connection, alert)


def another(number: int, **changes: Any) -> Alert:
    created = ALERT.created_at + timedelta(minutes=number)
    return replace(ALERT, id=f"{number:020x}", created_at=created, **changes)


def test_the_list_is_newest_first(call: Call, database: Database) -> None:
    stored(database, another(1), another(3), another(2))
    assert [alert["id"][-1] for alert in call("alerts", "list", "--json").json] == ["3", "2", "1"]


def test_a_table_row_tells_time_severity_rule_registry_and_reason(call: Call, database: Database) -> None:
    stored(database, ALERT)
    heading, row = call("alerts", "list").stdout.splitlines()
    assert heading.split() == ["TIME", "AGE", "SEVERITY", "STATUS", "RULE", "REGISTRIES", "ID", "REASON"]
    assert row.split("  ")[0] == "2026-11-22 02:41:00Z"
    for word in ("19 min ago", "high", "new", "admin-user-login", "contoso", ALERT.id, ALERT.reason):
        assert word in row


def test_a_row_tells_of_events_that_came_to_a_closed_alert(call: Call, database: Database) -> None:
    verdict = "benign_positive.suspicious_but_expected"
    stored(database, replace(ALERT, status="closed", close_reason=verdict, changed_after_close=True))
    row = call("alerts", "list").stdout.splitlines()[1]
    assert f"closed, {verdict}, with more events since" in row


def test_json_lines_are_one_alert_each(call: Call, database: Database) -> None:
    stored(database, another(1), another(2))
    lines = call("alerts", "list", "--jsonl").stdout.splitlines()
    assert [json.loads(line)["rule"] for line in lines] == ["admin-user-login"] * 2


def test_json_has_the_members_that_others_script_against(call: Call, database: Database) -> None:
    stored(database, ALERT)
    identity = {
        "id",
        "url",
        "rule",
        "rule_id",
        "rule_version",
        "title",
        "severity",
        "status",
        "reason",
        "tags",
        "revision",
    }
    scope = {"registries", "historical", "entities", "first_seen", "last_seen", "count", "evidence"}
    (alert,) = call("alerts", "list", "--json").json
    assert (identity | scope) - set(alert) == set()


def test_an_empty_list_is_an_empty_array_and_a_sentence(call: Call, database: Database) -> None:
    done = call("alerts", "list", "--json")
    assert (done.exit_code, done.json) == (0, [])
    assert "No alerts." in done.stderr


def test_limit_says_that_there_is_more(call: Call, database: Database) -> None:
    stored(database, another(1), another(2), another(3))
    done = call("alerts", "list", "--json", "--limit", "2")
    assert len(done.json) == 2
    assert "--limit shows more" in done.stderr


def test_historical_alerts_are_hidden_and_their_number_said(call: Call, database: Database) -> None:
    stored(database, another(1), another(2, historical=True))
    done = call("alerts", "list", "--json")
    assert [alert["historical"] for alert in done.json] == [False]
    assert "1 historical alert is hidden; --all shows them." in done.stderr
    assert [alert["historical"] for alert in call("alerts", "list", "--json", "--historical").json] == [True]
    assert len(call("alerts", "list", "--json", "--all").json) == 2


def test_an_export_says_what_it_leaves_out_as_the_list_does(call: Call, database: Database) -> None:
    stored(database, another(1, historical=True), another(2, historical=True))
    said = "2 historical alerts are hidden; --all shows them.\n"
    assert call("alerts", "export", "--parquet", "x.parquet").stderr == "x.parquet: 0 alerts.\n" + said
    assert call("alerts", "export", "--all").stderr == "2 alerts.\n"


def test_what_a_list_leaves_out_is_counted_by_why(database: Database) -> None:
    apart = [another(n, status=status) for n, status in enumerate(("staged", "suppressed", "building-block"), start=1)]
    merged = another(4, status="closed", close_reason="merged", historical=True)
    old = another(-60, historical=True)
    stored(database, *apart, merged, another(5, historical=True), another(6, historical=True), another(7), old)
    with database.connect() as connection:
        found = unlisted(connection, since=ALERT.created_at)
    each = {"staged": 1, "suppressed": 1, "building-block": 1, "withdrawn": 1}
    assert found == {**each, "historical": 2}


def test_filters_choose_by_status_and_rule(call: Call, database: Database) -> None:
    stored(database, another(1), another(2, status="closed", close_reason="test"), another(3, rule="mass-delete"))
    assert [a["status"] for a in call("alerts", "list", "--json", "--status", "closed").json] == ["closed"]
    assert [a["rule"] for a in call("alerts", "list", "--json", "--rule", "mass-delete").json] == ["mass-delete"]


@pytest.mark.parametrize("command", [("list",), ("show", ALERT.id)])
def test_open_incidents_are_said_wherever_alerts_are_shown(
    call: Call, database: Database, command: tuple[str, ...]
) -> None:
    stored(database, ALERT)
    with database.begin() as connection:
        incidents.open(connection, "k", kind="gap", message="partition 3 lost 9 messages", remedy="Do x", now=SEEN)
    done = call("alerts", *command)
    assert "Health: 1 incident open; alerts may be missing. See" in done.stderr
    assert "since 2026-11-22 02:40Z: partition 3 lost 9 messages. Do x" in done.stderr


@pytest.mark.parametrize(("age", "said"), [(timedelta(hours=1), True), (timedelta(hours=25), False)])
def test_records_refused_in_the_last_day_are_said(call: Call, database: Database, age: timedelta, said: bool) -> None:
    found = [Reject("s", number, 0, "missing_member", "no time", b"{}", 2) for number in range(3)]
    with database.begin() as connection:
        rejects.store(connection, found, now=NOW - age)
    assert ("Health: 3 records refused in the last day" in call("alerts", "list").stderr) is said


def test_refused_records_that_were_only_counted_are_said(
    call: Call, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejects, "MAX_TOTAL_BYTES", 0)
    with database.begin() as connection:
        rejects.store(connection, [Reject("s", 1, 0, "missing_member", "no time", b"{}", 2)], now=NOW)
    assert "Health: 1 refused record since yesterday was only counted" in call("alerts", "list").stderr


def test_unjudged_events_are_said(call: Call, database: Database) -> None:
    run = runs.Run("pull-outside-allowed-ranges", "v", SEEN, SEEN, runs.SUCCEEDED, new_events=9, unjudged=4)
    with database.begin() as connection:
        runs.record(connection, run)
    assert "pull-outside-allowed-ranges could not judge 4 events" in call("alerts", "list").stderr


def test_one_alert_begins_with_its_reason(call: Call, database: Database) -> None:
    stored(database, ALERT)
    page = call("alerts", "show", ALERT.id).stdout
    assert page.splitlines()[0] == ALERT.reason
    headings = ["Who and where", "Evidence, the first 1 of 12 events", "What to do"]
    assert [line for line in page.splitlines() if line in headings] == headings
    for fact in (
        "HIGH",
        "2026-11-22 02:45:00Z, 15 min ago",
        "  identity  contoso",
        "app/web:v1",
        "docker/27.0",
        "pull",
    ):
        assert fact in page


def test_evidence_that_is_the_same_in_every_row_is_said_once(call: Call, database: Database) -> None:
    digest = "sha256:" + "0123456789abcdef" * 4
    rows = [{**ROW, "operation": "delete"}, {**ROW, "tag": None, "digest": digest, "caller_ip": "203.0.113.10"}]
    evidence = tuple(((SEEN.isoformat(), f"{number:032x}"), row) for number, row in enumerate(rows))
    stored(database, replace(ALERT, evidence_rows=evidence))
    page = call("alerts", "show", ALERT.id).stdout
    heading = next(line for line in page.splitlines() if line.startswith("TIME"))
    assert heading.split() == ["TIME", "OPERATION", "IMAGE", "ADDRESS"]
    assert "app/web@sha256:0123456789ab  203.0.113.10" in page
    assert "\n  In every row shown:\n" in page
    assert "  client    docker/27.0" in page


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ({"repository": "app", "tag": "v1", "digest": "sha256:ab"}, "app:v1"),
        ({"repository": "app", "tag": "sha256:" + "ab" * 32}, "app@sha256:abababababab"),
        ({"repository": "app"}, "app"),
        ({}, "-"),
    ],
)
def test_an_image_is_named_as_people_write_it(row: dict[str, str], shown: str) -> None:
    assert image(row) == shown


def test_the_steps_of_an_alert_name_its_registry(call: Call, database: Database) -> None:
    stored(database, ALERT)
    page = call("alerts", "show", ALERT.id).stdout
    assert "az acr update -n contoso --admin-enabled false" in page
    assert "<registry>" not in page


def test_the_beginning_of_an_id_is_enough(call: Call, database: Database) -> None:
    stored(database, ALERT)
    assert call("alerts", "show", "0193a1", "--json").json["id"] == ALERT.id


def test_an_unknown_id_ends_with_3(call: Call, database: Database) -> None:
    done = call("alerts", "show", "nonsense")
    assert (done.exit_code, done.stderr.splitlines()[0]) == (
        3,
        "Error: no alerts have an id that begins with 'nonsense'",
    )


def test_an_ambiguous_id_names_the_alerts_that_it_may_be_wherever_they_are_listed(
    call: Call, database: Database
) -> None:
    stored(database, *(another(number, status="building-block", rule=f"r{number}") for number in range(1, 8)))
    done = call("alerts", "show", "0000")
    named = ", ".join(f"{number:020x} (r{number})" for number in range(1, 6))
    assert done.exit_code == 3
    assert done.stderr == (
        f"Error: 7 alerts have an id that begins with '0000': {named} and 2 more\nWrite more of the id\n"
    )


def test_an_alert_whose_rule_is_gone_still_shows(call: Call, database: Database) -> None:
    stored(database, replace(ALERT, rule="retired"))
    assert "The rule retired is not installed any more" in call("alerts", "show", ALERT.id).stdout


def test_a_withdrawn_historical_alert_says_so(call: Call, database: Database) -> None:
    changes: dict[str, Any] = {"status": "closed", "close_reason": "merged", "merged_into": "other", "historical": True}
    stored(database, replace(ALERT, changed_after_close=True, **changes))
    page = call("alerts", "show", ALERT.id).stdout
    for sentence in ("closed, merged", "It goes on in alert other.", "Historical: ", "after it was closed"):
        assert sentence in page


def test_what_an_attacker_named_cannot_steer_the_terminal(call: Call, database: Database) -> None:
    hostile = "[bold]\x1b]0;owned\x07\u202e"
    row = {**ROW, "user_agent": hostile}
    rows = (((SEEN.isoformat(), "ab" * 16), row),)
    stored(database, replace(ALERT, reason=f"Used by {hostile}", evidence_rows=rows))
    for command in (("list",), ("show", ALERT.id)):
        page = call("alerts", *command).stdout
        assert "[bold]\\x1b]0;owned\\x07\\u202e" in page
        assert "\x1b" not in page


def test_a_title_cannot_either(call: Call, database: Database) -> None:
    """A rule's, which may have been written elsewhere."""
    stored(database, replace(ALERT, title="Quiet\x1b]0;owned\x07\u202e\u2066\u200b\x9b2J"))
    page = call("alerts", "show", ALERT.id).stdout
    assert "Quiet\\x1b]0;owned\\x07\\u202e\\u2066\\u200b\\x9b2J" in page
    assert page.replace("\n", "").isprintable()


def test_without_a_database_it_is_said_instead_of_showing_peace(call: Call) -> None:
    done = call("alerts", "list")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "there is no state database at" in done.stderr


def test_on_a_narrow_screen_the_reason_has_lines_of_its_own(
    call: Call, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    stored(database, ALERT)
    heading, row, reason = call("alerts", "list").stdout.splitlines()
    assert heading.endswith("ID")
    assert row.endswith(ALERT.id)
    assert reason == f"    {ALERT.reason}"


def test_on_a_screen_too_narrow_for_the_table_neither_time_nor_id_is_cut(
    call: Call, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    stored(database, ALERT)
    row = call("alerts", "list").stdout.splitlines()[1]
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ ", row)
    assert row.endswith(ALERT.id)


def test_a_list_of_entities_that_is_not_full_is_shown_as_complete(call: Call, database: Database) -> None:
    repositories = [{"type": "repository", "value": f"app/{number}"} for number in range(SAMPLES)]
    stored(database, replace(ALERT, entities=repositories[:-1]))
    assert "perhaps others" not in call("alerts", "show", ALERT.id).stdout


def test_a_full_list_of_entities_is_not_shown_as_complete(call: Call, database: Database) -> None:
    repositories = [{"type": "repository", "value": f"app/{number}"} for number in range(SAMPLES)]
    stored(database, replace(ALERT, entities=repositories))
    assert f"app/{SAMPLES - 1}, perhaps others" in call("alerts", "show", ALERT.id).stdout


@pytest.mark.parametrize(("variables", "red"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colour_is_for_terminals_and_not_under_no_color(
    database: Database, tmp_path: Path, variables: dict[str, str], red: bool
) -> None:
    stored(database, ALERT)
    assert ("\x1b[1;31m" in on_terminal(tmp_path, variables, "alerts", "list")) is red


def on_terminal(folder: Path, variables: dict[str, str], *arguments: str) -> str:
    """Return what a command writes to a terminal."""
    ours, theirs = pty.openpty()
    environ = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")}
    environ |= {"TERM": "xterm-256color", **variables}
    command = [sys.executable, "-m", "acrwatch", *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=theirs, stderr=subprocess.DEVNULL, env=environ) as process:
        process.wait(timeout=60)
    os.close(theirs)
    with os.fdopen(ours, "rb") as terminal:
        return terminal.read1(100_000).decode()
