"""Staged, building block, active, retired: what each stage does to what a rule finds, by event time; any database."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from detections.detection import Detection
from detections.lanes import life_of
from detections.promotion import Evidence, evidence
from storage.state import alerts, stages
from storage.state.alerts import Alert
from tests.contract.child import SLUG, admin_rule
from tests.detections.conftest import START, Bench, Happening

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def _login(number: int, minutes: int, **more: Any) -> Happening:
    return Happening(number, at=minutes * MINUTE, operation="login", identity="contoso", tag=None, **more)


def _staged(rule: Detection, stage: str = stages.STAGED, slug: str = SLUG) -> Detection:
    """The same rule, as its file would have it with that x_stage."""
    return replace(rule, metadata=replace(rule.metadata, stage=stage, slug=slug))  # type: ignore[type-var]


def _step(bench: Bench, stage: str, minutes: int) -> None:
    moment = START + minutes * MINUTE
    with bench.database.begin() as connection:
        stages.take(connection, stages.Step(SLUG, stage, moment, moment, "ana", "a test"))


def _set_apart(bench: Bench) -> list[Alert]:
    with bench.database.connect() as connection:
        return alerts.find(connection, status=alerts.STAGED)


def _evidence(bench: Bench, now: datetime) -> Evidence:
    with bench.database.connect() as connection:
        return evidence(connection, SLUG, life_of(connection, bench.detections[SLUG].metadata), now=now)


def test_a_staged_rule_is_measured_and_tells_nobody(bench: Bench) -> None:
    bench.detections = {SLUG: _staged(admin_rule())}
    bench.judge(_login(1, 0), _login(2, 1))
    (would_be,) = _set_apart(bench)
    assert (would_be.count, would_be.status) == (2, "staged")
    assert (bench.standing(), bench.notices()) == ([], [])


def test_a_building_block_is_kept_apart_and_tells_nobody_until_it_is_promoted(bench: Bench) -> None:
    bench.detections = {SLUG: _staged(admin_rule(), stages.BUILDING_BLOCK)}
    bench.judge(_login(1, 0))
    _step(bench, stages.ACTIVE, 10)
    assert bench.notices() == []
    bench.judge(_login(2, 9), _login(3, 11))
    block, told = bench.standing()
    assert (block.count, block.status) == (2, "building-block")
    assert (told.count, told.status, len(bench.notices())) == (1, "new", 1)


def test_a_promoted_rule_tells_of_later_events_and_never_of_earlier_ones(bench: Bench) -> None:
    bench.detections = {SLUG: _staged(admin_rule())}
    bench.judge(_login(1, 0))
    _step(bench, stages.ACTIVE, 10)
    bench.judge(_login(2, 9), _login(3, 10))
    assert [alert.count for alert in _set_apart(bench)] == [2]
    assert bench.only().count == 1


def test_an_edit_of_the_file_does_not_promote_a_rule(bench: Bench) -> None:
    bench.detections = {SLUG: _staged(admin_rule())}
    bench.judge(_login(1, 0))
    bench.detections = {SLUG: admin_rule()}
    bench.judge(_login(2, 1))
    assert [alert.count for alert in _set_apart(bench)] == [2]


def test_a_retired_rule_does_not_run_and_its_alerts_stay(bench: Bench) -> None:
    bench.judge(_login(1, 0))
    _step(bench, stages.RETIRED, 10)
    assert bench.judge(_login(2, 11)).new_events == 0
    assert bench.only().count == 1


def test_a_rule_that_comes_back_says_nothing_of_the_time_it_was_retired(bench: Bench) -> None:
    bench.judge(_login(1, 0))
    _step(bench, stages.RETIRED, 10)
    bench.judge(_login(2, 11))
    _step(bench, stages.ACTIVE, 20)
    bench.judge(_login(3, 21))
    assert bench.only().count == 2


def test_promotion_rests_on_what_the_rule_would_have_told(bench: Bench) -> None:
    bench.detections = {SLUG: _staged(admin_rule()), "twin": _staged(admin_rule(), stages.ACTIVE, "twin")}
    bench.judge(*[_login(number, 24 * 60 * number) for number in range(4)])
    bench.judge(_login(9, 9000, registry="fabrikam"))
    found = _evidence(bench, START + 10 * DAY)
    assert (found.alerts, found.days, found.per_day) == (4, 10, 0.4)
    assert ("identity", "contoso", 4) in found.entities
    assert found.overlap == [("twin", 4)]
