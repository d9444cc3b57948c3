"""The sliding count against the obvious quadratic one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detections.rule_correlation import spoken
from detections.window import matched

START = datetime(2026, 3, 2, tzinfo=UTC)
WINDOW = timedelta(seconds=10)
EVENTS = st.lists(st.tuples(st.integers(0, 40), st.sampled_from("abcd")), max_size=30)


def _rows(events: list[tuple[int, str]]) -> list[dict[str, Any]]:
    ordered = sorted((at, n, value) for n, (at, value) in enumerate(events))
    return [
        {"event_id": bytes([n]), "event_time": START + timedelta(seconds=at), "value": value}
        for at, n, value in ordered
    ]


def _peaks(rows: list[dict[str, Any]]) -> dict[bytes, int]:
    """For each event, the most distinct values of any closed window that begins at an event and holds this one."""
    peaks: dict[bytes, int] = {}
    for first in rows:
        held = [row for row in rows if timedelta() <= row["event_time"] - first["event_time"] <= WINDOW]
        for row in held:
            peaks[row["event_id"]] = max(peaks.get(row["event_id"], 0), len({other["value"] for other in held}))
    return peaks


@given(EVENTS, st.integers(1, 4))
def test_an_event_matches_when_some_window_that_holds_it_has_enough_values(
    events: list[tuple[int, str]], threshold: int
) -> None:
    rows = _rows(events)
    expected = {event_id: peak for event_id, peak in _peaks(rows).items() if peak >= threshold}
    assert matched(rows, threshold, WINDOW, of="value") == expected


@pytest.mark.parametrize(("apart", "count"), [(10, 2), (11, 0)])
def test_events_exactly_a_window_apart_share_one(apart: int, count: int) -> None:
    assert len(matched(_rows([(0, "a"), (apart, "b")]), 2, WINDOW, of="value")) == count


def test_many_events_at_one_moment_take_linear_time() -> None:
    rows = [{"event_id": b"x", "event_time": START, "value": "a"}] * 200_000
    assert matched(rows, 2, WINDOW, of="value") == {}


@pytest.mark.parametrize(
    ("seconds", "words"), [(600, "10 minutes"), (60, "1 minute"), (90, "90 seconds"), (7200, "2 hours")]
)
def test_a_window_is_said_as_people_say_it(seconds: int, words: str) -> None:
    assert spoken(timedelta(seconds=seconds)) == words
