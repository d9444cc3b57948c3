"""`acrwatch alerts ack|assign|comment|close|reopen`, and the history that `show` tells."""

import getpass
from collections.abc import Callable
from typing import Any

import pytest

from storage.state import alerts
from storage.state.database import Database
from tests.cli.test_alerts_command import ALERT, NOW, another, stored

Call = Callable[..., Any]


def test_several_alerts_are_closed_at_once_and_one_that_is_missing_does_not_stop_the_others(
    call: Call, database: Database
) -> None:
    stored(database, another(1), another(2))
    ids = [another(1).id, "ffff", another(2).id]
    outcome = call("alerts", "close", *ids, "--verdict", "test", "--by", "ana", "--json")
    assert [(one["status"], one["close_reason"]) for one in outcome.json] == [("closed", "test")] * 2
    assert outcome.exit_code == 3
    assert "begins with 'ffff'" in outcome.stderr


def test_a_close_without_a_verdict_is_refused(call: Call, database: Database) -> None:
    stored(database, ALERT)
    outcome = call("alerts", "close", ALERT.id)
    assert (outcome.exit_code, "--verdict" in outcome.stderr) == (2, True)


@pytest.mark.parametrize(("word", "said"), [("false", "'false' may mean several verdicts"), ("x", "'x' is no verdict")])
def test_a_verdict_that_is_unclear_is_refused_with_those_there_are(
    call: Call, database: Database, word: str, said: str
) -> None:
    stored(database, ALERT)
    outcome = call("alerts", "close", ALERT.id, "--verdict", word)
    assert (outcome.exit_code, outcome.stderr.splitlines()[0]) == (2, f"Error: {said}")
    assert "false_positive.incorrect_logic" in outcome.stderr


def test_who_did_it_is_the_login_name_unless_said_otherwise(call: Call, database: Database) -> None:
    stored(database, ALERT)
    call("alerts", "ack", ALERT.id)
    call("alerts", "assign", ALERT.id, "--by", "ana")
    acked, assigned = call("alerts", "show", ALERT.id, "--json").json["history"]
    assert (acked["actor"], assigned["actor"]) == (getpass.getuser(), "ana")
    assert assigned["detail"]["fields"]["assignee"] == {"from": None, "to": "ana"}


def test_a_change_that_changes_nothing_is_said(call: Call, database: Database) -> None:
    stored(database, ALERT)
    call("alerts", "assign", ALERT.id, "--to", "ben")
    assert "is so already" in call("alerts", "assign", ALERT.id, "--to", "ben").stderr


def test_an_outdated_revision_is_refused(call: Call, database: Database) -> None:
    stored(database, ALERT)
    outcome = call("alerts", "ack", ALERT.id, "--revision", "1")
    assert (outcome.exit_code, "is at revision 2, not 1" in outcome.stderr) == (1, True)


def test_the_list_is_narrowed_to_one_persons_alerts_or_nobodys(call: Call, database: Database) -> None:
    stored(database, another(1), another(2))
    call("alerts", "assign", another(1).id, "--to", "ben")
    assert [one["id"] for one in call("alerts", "list", "--assignee", "ben", "--json").json] == [another(1).id]
    assert [one["id"] for one in call("alerts", "list", "--unassigned", "--json").json] == [another(2).id]


def test_show_tells_what_was_done_with_growth_as_one_line(call: Call, database: Database) -> None:
    stored(database, ALERT)
    with database.begin() as connection:
        for count in range(2, 40):
            alerts.record(connection, ALERT.id, "extended", {"count": count}, actor="engine", now=NOW)
    call("alerts", "close", ALERT.id, "--verdict", "true", "--comment", "Key rotated", "--by", "ana")
    told = call("alerts", "show", ALERT.id).stdout.splitlines()
    extended, closed = told[told.index("What was done") + 2 :]
    assert extended.split(None, 3)[2:] == ["engine", "extended 38 times since 2026-11-22 03:00:00Z, to 39 events"]
    assert closed.split(None, 3)[2:] == [
        "ana",
        'closed: status new → closed, verdict - → true_positive.suspicious_activity. "Key rotated"',
    ]
