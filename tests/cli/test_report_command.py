"""`acrwatch report`: what it writes where, and what it refuses."""

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from storage.lake import Lake
from storage.schema import ARROW_SCHEMA
from storage.state import registry_facts
from storage.state.database import Database
from tests.cli.conftest import NOW
from tests.cli.test_alerts_command import ALERT, another, stored
from tests.detections.conftest import START, Happening

Call = Callable[..., Any]


@pytest.fixture
def lake(tmp_path: Path, database: Database) -> Database:
    """A lake with one event of an hour ago, and a database with one alert."""
    row = Happening(1, NOW - START - timedelta(hours=1), identity="contoso").row("hub/0", 1)
    Lake.open(tmp_path / "data" / "lake").commit(pa.Table.from_pylist([row], ARROW_SCHEMA), {"hub/0": 1})
    stored(database, ALERT)
    return database


def test_the_last_eight_hours_are_written_unless_told_otherwise(call: Call, lake: Database, tmp_path: Path) -> None:
    found = call("report", "--html", "shift.html")
    assert (found.exit_code, found.stdout) == (0, "")
    assert found.stderr.strip() == "1 alert from 2026-11-21 19:00:00Z to 2026-11-22 03:00:00Z: shift.html"
    page = (tmp_path / "shift.html").read_text(encoding="utf-8")
    assert ALERT.reason in page
    assert "Find out who holds the admin password" in page  # the rule's own steps
    assert list(tmp_path.glob(".shift*")) == []


def test_a_report_replaces_the_one_before(call: Call, lake: Database, tmp_path: Path) -> None:
    (tmp_path / "shift.html").write_text("old")
    assert call("report", "--from", "2h", "--html", "shift.html").exit_code == 0
    assert "old" not in (tmp_path / "shift.html").read_text(encoding="utf-8")[:20]


def test_a_span_before_the_end_counts_from_there(call: Call, lake: Database) -> None:
    found = call("report", "--to", "1h", "--from", "2h", "--html", "x.html")
    assert "from 2026-11-22 00:00:00Z to 2026-11-22 02:00:00Z" in found.stderr
    page = call("report", "--alert", ALERT.id, "--to", "1h", "--from", "2h", "--html", "-").stdout
    assert "2026-11-22 00:00:00Z" in page
    assert "2026-11-22 02:00:00Z" in page


def test_the_page_goes_to_stdout_and_nothing_else_does(call: Call, lake: Database) -> None:
    found = call("report", "--rule", ALERT.rule, "--html", "-")
    assert found.stdout.startswith("<!doctype html>")
    assert found.stdout.rstrip().endswith("</html>")


def test_the_beginning_of_an_id_is_enough_for_an_alert(call: Call, lake: Database, tmp_path: Path) -> None:
    old = NOW - timedelta(days=3)
    stored(lake, replace(another(1), reason="Another one", first_seen=old, last_seen=old, created_at=old))
    found = call("report", "--alert", ALERT.id[:6], "--html", "alert.html")
    assert (found.exit_code, found.stderr.strip()) == (0, f"Alert {ALERT.id}: alert.html")
    page = (tmp_path / "alert.html").read_text(encoding="utf-8")
    assert ALERT.reason in page
    assert "Another one" not in page
    assert "2026-11-22 00:40:00Z" in page  # two hours before its first event


@pytest.mark.parametrize("registry", ["contoso", "CONTOSO.azurecr.io", "configured", "alerted", "imported"])
def test_a_registry_that_was_only_quiet_has_a_report(call: Call, lake: Database, tmp_path: Path, registry: str) -> None:
    (tmp_path / "acrwatch.toml").write_text(
        '[registries.configured]\nallowed_ranges = ["10.0.0.0/8"]\n', encoding="utf-8"
    )
    stored(lake, replace(another(1), registries=("alerted",), status="building-block"))
    with lake.begin() as connection:
        registry_facts.remember(connection, "imported", "show", {}, file="show.json", now=NOW)
    found = call("report", "--registry", registry, "--from", "10m", "--html", "-")
    assert (found.exit_code, found.stderr.splitlines()[0].partition(" from ")[0]) == (0, "0 alerts")
    name = registry.casefold().partition(".")[0]
    assert f"No event of {name} is stored for this time." in found.stdout


def test_around_a_long_alert_is_as_long_as_it_lasted(call: Call, lake: Database) -> None:
    long = replace(another(1), first_seen=NOW - timedelta(hours=9), last_seen=NOW - timedelta(hours=4))
    stored(lake, long)
    page = call("report", "--alert", long.id, "--html", "-").stdout
    assert "2026-11-21 13:00:00Z" in page  # five hours before its first event
    said = " ".join(call("report", "--help").stdout.split())
    assert "two hours before and after, or as long as the alert itself lasted if that is longer" in said


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--from", "2026-11-22T02:00:00Z", "--to", "2026-11-22T01:00:00Z"), 2, "Let --from be before --to"),
        (("--from", "yesterday"), 2, "--from is 'yesterday'"),
        (("--rule", "admin-user-logn"), 3, "Did you mean admin-user-login?"),
        (("--registry", "contozo"), 3, "nothing is known of a registry 'contozo'"),
        (("--registry", "contoso", "--registry", "contozo.azurecr.io"), 3, "Did you mean contoso?"),
        (("--alert", "ffff"), 3, "no alerts have an id that begins with 'ffff'"),
        (("--alert", "0193", "--rule", "mass-delete"), 2, "--alert goes without"),
    ],
)
def test_what_cannot_be_reported_on_is_refused(
    call: Call, lake: Database, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    found = call("report", *arguments, "--html", "x.html")
    assert found.exit_code == code
    assert said in found.stderr
    assert not (tmp_path / "x.html").exists()


def test_without_a_database_nothing_is_written(call: Call, tmp_path: Path) -> None:
    found = call("report", "--html", "x.html")
    assert found.exit_code == 3
    assert "there is no state database" in found.stderr


def test_without_a_lake_no_report_looks_like_peace(call: Call, database: Database) -> None:
    found = call("report", "--html", "x.html")
    assert found.exit_code == 3
    assert "there is no lake" in found.stderr


def test_a_file_that_cannot_be_written_is_named(call: Call, lake: Database) -> None:
    found = call("report", "--html", "nowhere/x.html")
    assert found.exit_code == 2
    assert "cannot write nowhere/x.html: No such file or directory" in found.stderr


@pytest.mark.parametrize("package", ["altair", "jinja2", "vl_convert"])
def test_a_missing_extra_is_named(call: Call, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    found = call("report", "--html", "x.html")
    assert found.exit_code == 2
    assert "pip install 'acrwatch[charts]'" in found.stderr
    assert package in found.stderr
