"""Events that nobody has judged are said wherever alerts are, and not while a service is merely at its work."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from storage.lake import Lake
from storage.lake.entries import entry_path
from storage.state import outbox, runs
from storage.state.database import Database
from tests.cli.test_alerts_command import ALERT, stored
from tests.lake.lake_writer import STREAM, make_events

Call = Callable[..., Any]
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def commit(first: int, *, age: timedelta) -> None:
    """Store three events so long ago."""
    lake = Lake.open("data/lake")
    done = lake.commit(make_events(range(first, first + 3)), {STREAM: first + 2})
    assert done.version is not None
    moment = (NOW - age).timestamp()
    os.utime(entry_path(lake.root, done.version), (moment, moment))


def judged(database: Database, *, upto: int, age: timedelta) -> None:
    """Let a detection have judged the first events, so long ago."""
    with database.begin() as connection:
        runs.start_at(connection, "mass-delete", {STREAM: upto}, None, version="v", now=NOW - age)


@pytest.mark.parametrize("command", [("list",), ("show", ALERT.id), ("export",)], ids=" ".join)
def test_events_that_nothing_ever_judged_are_said_at_once(
    call: Call, database: Database, command: tuple[str, ...]
) -> None:
    stored(database, ALERT)
    commit(0, age=timedelta(0))
    assert (
        "Health: 3 stored events wait to be judged: no detection ever ran; alerts may be missing. "
        "Run `acrwatch detect --once`, or `acrwatch run`.\n"
    ) in call("alerts", *command).stderr


@pytest.mark.parametrize(
    ("seconds", "more", "said"),
    [
        (89, "", False),
        (91, "", True),
        (91, "[detections]\nevery = '31s'", False),
        (59, "[detections]\nevery = '1s'", False),
    ],
    ids=["young", "old", "seldom", "often"],
)
def test_they_are_said_when_a_running_service_had_its_time(
    call: Call, database: Database, tmp_path: Path, seconds: int, more: str, said: bool
) -> None:
    (tmp_path / "acrwatch.toml").write_text(more)
    judged(database, upto=-1, age=timedelta(hours=1))
    commit(0, age=timedelta(seconds=seconds))
    told = call("alerts", "list").stderr
    assert ("Health: 3 stored events wait to be judged, the first stored 1 min ago; alerts" in told) is said
    assert ("Is `acrwatch run` running? `acrwatch detect --once` judges them now." in told) is said


def test_while_they_are_being_judged_nobody_is_told_to_start_anything(call: Call, database: Database) -> None:
    commit(0, age=timedelta(hours=1))
    commit(3, age=timedelta(hours=1))
    judged(database, upto=2, age=timedelta(seconds=20))
    told = call("alerts", "list").stderr
    assert "Health: 3 stored events wait to be judged, the first stored 1 h ago; the last pass was just now" in told
    assert "Is `acrwatch run` running" not in told


def test_nothing_is_said_where_all_is_judged(call: Call, database: Database) -> None:
    commit(0, age=timedelta(hours=1))
    judged(database, upto=2, age=timedelta(minutes=59))
    assert call("alerts", "list").stderr == "No alerts.\n"


def test_a_lake_that_cannot_be_read_hides_no_alert(call: Call, database: Database) -> None:
    stored(database, ALERT)
    commit(0, age=timedelta(0))
    entry_path(Path("data/lake").absolute(), 0).write_text("{}")
    done = call("alerts", "list", "--json")
    assert (done.exit_code, len(done.json)) == (0, 1)
    assert "Health: whether events wait to be judged is not known: " in done.stderr


def test_check_says_the_same_and_not_that_all_could_be_judged(call: Call, database: Database) -> None:
    commit(0, age=timedelta(0))
    items = {item["name"]: item for item in call("check", "--quick", "--offline", "--json").json}
    assert items["judged"]["what"] == "3 stored events wait to be judged: no detection ever ran"
    assert (items["judged"]["status"], items["unjudged"]["what"]) == (
        "warn",
        "no detection met an event in the last day that it could not judge",
    )


def test_check_warns_of_few_events_too_where_they_wait_for_long(call: Call, database: Database) -> None:
    judged(database, upto=-1, age=timedelta(hours=1))
    commit(0, age=timedelta(hours=1))
    said = [item for item in call("check", "--quick", "--offline", "--json").json if item["name"] == "judged"]
    assert ("3 stored events wait to be judged, the first stored 1 h ago", "warn") in [
        (item["what"], item["status"]) for item in said
    ]
    assert "ok" not in [item["status"] for item in said]


SIEM = '[[destinations]]\nname = "siem"\ntype = "jsonl"\npath = "out.jsonl"\n'


def told(database: Database, *, age: timedelta) -> None:
    """Leave a notice for `siem` in the outbox that was written so long ago."""
    with database.begin() as connection:
        outbox.enqueue(
            connection,
            destinations=["siem"],
            alert_id=ALERT.id,
            type=outbox.CREATED,
            revision=1,
            body="{}",
            now=NOW - age,
        )


@pytest.mark.parametrize(
    ("configured", "minutes", "said"),
    [
        (SIEM, 14, None),
        (SIEM, 16, "1 notice for siem waits since 2026-11-22 02:44Z"),
        ("", 16, "1 notice for siem, a destination that is not configured, waits since 2026-11-22 02:44Z"),
        ("", 7 * 24 * 60, None),
    ],
    ids=["young", "down", "renamed", "taken away long ago"],
)
def test_alerts_that_do_not_get_out_are_said(
    call: Call, database: Database, tmp_path: Path, configured: str, minutes: int, said: str | None
) -> None:
    (tmp_path / "acrwatch.toml").write_text(configured)
    told(database, age=timedelta(minutes=minutes))
    health = [line for line in call("alerts", "list").stderr.splitlines() if line.startswith("Health: ")]
    assert health == ([f"Health: {said}; see `acrwatch deliveries list --destination siem`."] if said else [])


def test_check_warns_of_what_waits_for_a_destination_of_another_name(call: Call, database: Database) -> None:
    told(database, age=timedelta(days=8))
    (item,) = (one for one in call("check", "--quick", "--offline", "--json").json if one["name"] == "destination siem")
    assert (item["status"], item["remedy"]) == ("warn", "They are sent once a [[destinations]] is called siem again")


def test_check_warns_of_what_was_given_up(call: Call, database: Database, tmp_path: Path) -> None:
    (tmp_path / "acrwatch.toml").write_text(SIEM)
    told(database, age=timedelta(hours=1))
    with database.begin() as connection:
        (one,) = outbox.claim(connection, "siem", owner="w", lease=timedelta(minutes=5), limit=1, now=NOW)
        outbox.dead(connection, one, outbox.Attempt(NOW, 0.1, "dead", 413))
    found = [one for one in call("check", "--quick", "--offline", "--json").json if one["name"] == "destination siem"]
    assert [(item["status"], item["what"]) for item in found] == [
        ("ok", "its settings are in order"),
        ("warn", "given up: 1 delivery"),
    ]
