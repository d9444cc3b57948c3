"""The same rules over the same events give the same alerts on DuckDB and on Spark, and as plain Python has it."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from detections.alerting import group_key
from detections.detection import Detection
from detections.rule import load_rules, parse_rule
from detections.rule_activity import ActivityRule
from detections.trial import Trial, try_rules
from storage.query import Relations
from tests.engines.conftest import END, START, World
from tests.engines.foreign_rules import PLAIN, texts

# The first test judges by every rule on both engines: some 15 s on Sail, some minutes on Apache Spark, and many times
# that on a machine that is busy.
pytestmark = pytest.mark.timeout(3600 if "ACRWATCH_SPARK_URL" in os.environ else 600)

WINDOW = timedelta(minutes=10)
Row = Mapping[str, Any]


@pytest.fixture(scope="module")
def detections() -> dict[str, Detection]:
    return {**load_rules(), **{slug: parse_rule(text, slug) for slug, text in texts().items()}}


@pytest.fixture(scope="module")
def on_duckdb(world: World, detections: dict[str, Detection], duck: Relations) -> dict[str, Trial]:
    return _tried(detections, duck, world)


@pytest.fixture(scope="module")
def on_spark(world: World, detections: dict[str, Detection], spark: Relations) -> dict[str, Trial]:
    return _tried(detections, spark, world)


def _tried(detections: dict[str, Detection], events: Relations, world: World) -> dict[str, Trial]:
    found = try_rules(detections, events, world.context, START, END)
    return {trial.slug: trial for trial in found}


def _told(trial: Trial) -> tuple[Any, ...]:
    alerts = [
        (a.group_key, a.first_seen, a.last_seen, a.count, a.historical, a.evidence, a.reason, a.entities, a.facts)
        for a in trial.alerts
    ]
    return trial.error, trial.matched, trial.unjudged, alerts


def test_both_engines_give_identical_alerts(on_duckdb: dict[str, Trial], on_spark: dict[str, Trial]) -> None:
    for slug, trial in on_duckdb.items():
        assert _told(on_spark[slug]) == _told(trial), slug


def test_every_rule_on_the_activity_log_finds_something(
    detections: dict[str, Detection], on_spark: dict[str, Trial]
) -> None:
    control = {slug for slug, detection in detections.items() if isinstance(detection, ActivityRule)}
    assert len(control) >= 14
    assert {slug for slug in control if not on_spark[slug].alerts} == set()


def test_every_foreign_rule_finds_something_and_leaves_something(on_duckdb: dict[str, Trial], world: World) -> None:
    matched = {slug: on_duckdb[slug].matched for slug in texts()}
    assert {slug for slug, number in matched.items() if not 0 < number < len(world.rows)} == set()


def test_what_matches_is_what_plain_python_selects(on_spark: dict[str, Trial], world: World) -> None:
    found = {slug: on_spark[slug].matched for slug in PLAIN}  # one test: each that another process takes costs it all
    assert found == {slug: sum(map(selects, world.rows)) for slug, selects in PLAIN.items()}


def test_a_sliding_count_is_what_plain_python_counts(on_spark: dict[str, Trial], world: World) -> None:
    expected = _busy(world.rows, ("identity",), lambda rows: len(rows) >= 20)
    assert _counted(on_spark["foreign-event-count"]) == expected


def test_a_sliding_count_of_values_is_what_plain_python_counts(on_spark: dict[str, Trial], world: World) -> None:
    rows = [row for row in world.rows if row["tag"] is not None]
    expected = _busy(rows, ("registry", "identity"), lambda held: len({row["tag"] for row in held}) >= 20)
    assert _counted(on_spark["foreign-value-count"]) == expected


def _counted(trial: Trial) -> Counter[str]:
    counts: Counter[str] = Counter()
    for alert in trial.alerts:
        counts[alert.group_key] += alert.count
    return counts


def _busy(rows: Sequence[Row], group_by: tuple[str, ...], enough: Callable[[Sequence[Row]], bool]) -> Counter[str]:
    """Return how many deletes of each group stand in any window that has enough of them."""
    found: set[tuple[str, bytes]] = set()
    for held in _windows([row for row in rows if row["operation"] == "delete"], group_by):
        if enough(held):
            found.update((_key(row, group_by), row["event_id"]) for row in held)
    return Counter(key for key, _ in found)


def _windows(rows: Sequence[Row], group_by: tuple[str, ...]) -> Iterator[Sequence[Row]]:
    for first in rows:
        mine = [row for row in rows if _key(row, group_by) == _key(first, group_by)]
        yield [row for row in mine if first["event_time"] <= row["event_time"] <= first["event_time"] + WINDOW]


def _key(row: Row, group_by: tuple[str, ...]) -> str:
    return group_key(tuple((name, row[name]) for name in group_by))
