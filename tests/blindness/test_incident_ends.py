"""How each kind of incident ends: by itself, by age, or because a person says so."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from detections import failure
from detections.blindness import _MIRRORED, METADATA, acknowledge
from detections.notices import Publishing
from scheduler import load_detections
from storage.state import incidents
from storage.state.database import Database
from storage.state.incidents import KINDS

MakeSight = Callable[..., Any]
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
ROOT = Path(__file__).parents[2]
GAP = "gap/eventhub/example/acr-audit/0/0/17"


def opened(database: Database, key: str, kind: str, now: datetime = NOW) -> None:
    with database.begin() as connection:
        incidents.open(connection, key, kind=kind, message=f"{kind} happened", remedy="Look", now=now)


def acknowledged(database: Database, key: str, now: datetime = NOW) -> None:
    with database.begin() as connection:
        acknowledge(connection, incidents.get(connection, key), Publishing(("siem",)), now=now)


def kinds_in_code() -> Iterator[str]:
    for folder in ("ingest", "detections", "storage", "acrwatch/delivery"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            if "incidents" in text or "notices" in text:
                yield from re.findall(r'(?:\bkind=|\bKIND: Final = |, kind = |else \()"([a-z_]+)"', text)
                yield from re.findall(r'"([a-z]+_[a-z]+)"\) if self\._storing', text)


def test_every_kind_that_is_opened_anywhere_has_an_end() -> None:
    assert set(kinds_in_code()) - {"stable"} | METADATA.keys() & KINDS.keys() == KINDS.keys()


def test_what_raises_an_alert_is_a_kind_with_an_end() -> None:
    assert _MIRRORED.keys() < KINDS.keys()


def test_the_architecture_says_how_each_kind_ends() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    for name, kind in KINDS.items():
        assert f"| `{name}` | {kind.ends}" in text, name


def test_a_gap_that_a_person_acknowledged_is_over_and_so_is_its_alert(make_sight: MakeSight) -> None:
    sight = make_sight()
    opened(sight.database, GAP, "gap")
    sight.look()
    acknowledged(sight.database, GAP)
    (alert,) = sight.alerts()
    assert (sight.incidents(), alert.status, alert.close_reason) == ([], "closed", "acknowledged")
    assert (sight.look(DAY).created, len(sight.alerts())) == (0, 1)


def test_a_gap_that_was_acknowledged_stays_so_when_a_restart_meets_it_again(make_sight: MakeSight) -> None:
    sight = make_sight()
    opened(sight.database, GAP, "gap")
    acknowledged(sight.database, GAP)
    opened(sight.database, GAP, "gap", NOW + MINUTE)
    assert sight.incidents() == []
    assert sight.look(DAY).created == 0


def test_a_gap_that_nobody_acknowledges_ends_after_seven_days_and_stays_on_record(make_sight: MakeSight) -> None:
    sight = make_sight()
    opened(sight.database, GAP, "gap")
    sight.look()
    sight.look(7 * DAY - MINUTE)
    assert sight.incidents() == [GAP]
    sight.look(7 * DAY)
    (alert,) = sight.alerts()
    assert (sight.incidents(), alert.status, alert.close_reason) == ([], "closed", "expired")
    with sight.database.connect() as connection:
        assert [one.key for one in incidents.recent(connection, limit=5)] == [GAP]


def test_a_broken_rule_file_is_an_alert_at_once_and_closes_when_it_is_mended(make_sight: MakeSight) -> None:
    sight = make_sight()
    opened(sight.database, "broken_rule//rules/x.yml", "broken_rule")
    sight.look()
    (alert,) = sight.alerts()
    assert (alert.rule, alert.reason) == ("rule-not-loaded", "broken_rule happened.")
    with sight.database.begin() as connection:
        incidents.resolve(connection, "broken_rule//rules/x.yml", now=NOW + MINUTE)
    sight.look(5 * MINUTE)
    assert sight.alerts()[0].close_reason == "recovered"


def test_a_failed_detection_that_a_person_acknowledged_is_over_and_so_is_its_alert(make_sight: MakeSight) -> None:
    sight, detection = make_sight(), load_detections()["mass-delete"]
    with sight.database.begin() as connection:
        failure.raised(connection, detection, "ValueError: a defect", Publishing(("siem",)), now=NOW)
    acknowledged(sight.database, "failed_detection/mass-delete", NOW + MINUTE)
    (alert,) = sight.alerts()
    assert (sight.incidents(), alert.rule, alert.close_reason) == ([], "detection-failed", "acknowledged")
    with sight.database.begin() as connection:
        failure.raised(connection, detection, "ValueError: a defect", Publishing(("siem",)), now=NOW + 2 * MINUTE)
    assert sorted(alert.status for alert in sight.alerts()) == ["closed", "new"]


def test_what_a_person_ended_and_is_not_over_opens_anew(make_sight: MakeSight) -> None:
    sight = make_sight()
    opened(sight.database, "source_down/x", "source_down")
    acknowledged(sight.database, "source_down/x")
    assert sight.incidents() == []
    opened(sight.database, "source_down/x", "source_down", NOW + MINUTE)
    assert sight.incidents() == ["source_down/x"]


@pytest.mark.parametrize("stored_late", [False, True])
def test_lag_is_one_alert_by_whichever_sign_and_closes_when_it_is_over(
    make_sight: MakeSight, stored_late: bool
) -> None:
    sight, key = make_sight(), "hub_lag/eventhub/example/acr-audit/0/0"
    opened(sight.database, key, "hub_lag")
    if stored_late:
        sight.spoke("contoso", [NOW - timedelta(hours=1)], waited=timedelta(hours=1))
    sight.look()
    assert sight.alerts() == []
    sight.look(15 * MINUTE)
    (alert,) = sight.alerts()
    assert (alert.rule, alert.status) == ("ingestion-delayed", "new")
    with sight.database.begin() as connection:
        incidents.resolve(connection, key, now=NOW + 16 * MINUTE)
    sight.look(20 * MINUTE)
    (alert,) = sight.alerts()
    assert (alert.close_reason, sight.incidents()) == ("recovered", [])
