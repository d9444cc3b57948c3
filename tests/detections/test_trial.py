"""A trial finds what the engine would have found, and leaves nothing behind."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from detections.detection import Detection
from detections.trial import Trial, try_rules
from storage.query import Reader

OUTSIDE = "pull-outside-allowed-ranges"
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


class Raising:
    """A detection that cannot judge."""

    has_profile = False
    asks = ()

    def __init__(self, metadata: Any) -> None:
        self.metadata = metadata

    def observe(self, _events: Any) -> Any:
        raise ValueError("no such thing")

    def judge(self, observed: Any, _connection: Any) -> Any:
        return observed


@pytest.fixture
def filled(make_bench: Any, everything: Mapping[str, Detection], happening: Any) -> Any:
    """Sixteen quiet days of one identity, then one on which it deletes and comes from elsewhere."""
    bench = make_bench(everything)
    quiet = [happening(n, n * DAY / 2) for n in range(32)]
    burst = [happening(100 + n, 16 * DAY + n * MINUTE / 3, "delete", tag=f"v{n}") for n in range(25)]
    elsewhere = [happening(200 + n, 16 * DAY + n * MINUTE, ip="203.0.113.9") for n in range(3)]
    bench.store([*quiet, *burst, *elsewhere])
    return bench


def _trials(
    bench: Any, since: timedelta, until: timedelta, start: Any, *slugs: str, **options: Any
) -> dict[str, Trial]:
    detections = {slug: bench.detections[slug] for slug in slugs or bench.detections}
    with Reader(bench.lake.snapshot()) as reader:
        found = try_rules(detections, reader, bench.context, start + since, start + until, **options)
        return {trial.slug: trial for trial in found}


def _told(alerts: Any) -> list[tuple[Any, ...]]:
    return sorted((a.rule, a.group_key, a.first_seen, a.last_seen, a.count, a.evidence, a.reason) for a in alerts)


def test_a_trial_of_all_history_finds_the_alerts_that_stand_and_writes_none(filled: Any, happening: Any) -> None:
    filled.judge()
    before, start = filled.all(), happening(0).time
    for chunk_rows in (1, 1_000_000):
        found = _trials(filled, timedelta(), 20 * DAY, start, chunk_rows=chunk_rows)
        assert {trial.error for trial in found.values()} == {None}
        assert _told(a for trial in found.values() for a in trial.alerts) == _told(filled.standing())
        assert {slug for slug, trial in found.items() if trial.alerts} >= {"mass-delete", OUTSIDE}
    assert filled.all() == before


def test_a_profile_is_built_of_what_lies_before_the_span(filled: Any, happening: Any) -> None:
    slug = "anomalous-source-ip"
    found = _trials(filled, 15 * DAY + DAY / 2, 20 * DAY, happening(0).time, slug)[slug]
    assert [alert.count for alert in found.alerts] == [3]


def test_no_alert_is_made_of_events_outside_the_span(filled: Any, happening: Any) -> None:
    start, end = happening(0).time, 16 * DAY
    assert _trials(filled, end + MINUTE, 20 * DAY, start, OUTSIDE)[OUTSIDE].alerts[0].count == 2
    assert _trials(filled, end, end + MINUTE, start, OUTSIDE)[OUTSIDE].alerts[0].count == 1
    assert not _trials(filled, end, end + 6 * MINUTE, start, "mass-delete")["mass-delete"].alerts


def test_a_window_reaches_back_before_the_span(filled: Any, happening: Any) -> None:
    found = _trials(filled, 16 * DAY + 7 * MINUTE, 20 * DAY, happening(0).time, "mass-delete")
    (alert,) = found["mass-delete"].alerts
    assert (alert.count, alert.facts["peaks"]) == (4, {"peak": 25})


def test_a_detection_that_raises_is_told_and_stops_no_other(filled: Any, happening: Any) -> None:
    broken = Raising(replace(filled.detections["mass-delete"].metadata, slug="broken"))
    filled.detections = {"broken": broken, OUTSIDE: filled.detections[OUTSIDE]}
    found = _trials(filled, timedelta(), 20 * DAY, happening(0).time)
    assert found["broken"].error == "ValueError: no such thing"
    assert found[OUTSIDE].alerts


def test_progress_is_told_with_every_step(filled: Any, happening: Any) -> None:
    told: list[Any] = []
    start = happening(0).time
    _trials(filled, 15 * DAY, 20 * DAY, start, OUTSIDE, chunk_rows=1, progress=lambda slug, at: told.append((slug, at)))
    assert [slug for slug, _ in told] == [OUTSIDE] * 2
    assert told[-1] == (OUTSIDE, start + 20 * DAY)
