"""Episodes merge like sets: what comes of it hangs neither on their order nor on how many there were."""

from datetime import timedelta

import pytest

from detections.episode import EVIDENCE_IDS, EVIDENCE_ROWS, Episode, Facts, cluster, merge_all, of_event
from tests.detections.conftest import START

SECOND = timedelta(seconds=1)
GAP = 10 * SECOND


def _event(second: int, *, late: bool = False) -> Episode:
    return of_event(START + second * SECOND, f"{second:032x}", {"identity": f"n{second}"}, late=late, facts=Facts())


def _span(first: int, last: int) -> Episode:
    return _event(first).merge(_event(last)) if first != last else _event(first)


def test_facts_of_two_are_those_of_both() -> None:
    one = Facts(
        {"failures": 2, "pulls": 5}, {"peak": 3}, {"registry": ("b", "a")}, {"history": "first", "account": "x"}
    )
    other = Facts(
        {"failures": 1, "pushes": 4}, {"peak": 2, "level": 1}, {"registry": ("c", "a")}, {"history": "second"}
    )
    assert one.merge(other) == Facts(
        {"failures": 3, "pulls": 5, "pushes": 4},
        {"peak": 3, "level": 1},
        {"registry": ["a", "b", "c"]},
        {"history": "first", "account": "x"},
    )


def test_the_earliest_events_are_kept_in_whatever_order_they_came() -> None:
    events = [_event(second) for second in range(EVIDENCE_IDS + 20)]
    forward, backward = merge_all(events), merge_all(events[::-1])
    halves = merge_all(events[1::2]).merge(merge_all(events[::2]))
    assert forward == backward == halves
    assert (forward.count, forward.first, forward.last) == (len(events), events[0].first, events[-1].last)
    assert forward.evidence == tuple(event.evidence[0] for event in events[:EVIDENCE_IDS])
    assert forward.rows == tuple(event.rows[0] for event in events[:EVIDENCE_ROWS])


def test_only_what_is_late_as_a_whole_is_late() -> None:
    assert merge_all([_event(1, late=True), _event(2, late=True)]).late
    assert not merge_all([_event(1, late=True), _event(2)]).late
    assert not merge_all([_event(1), _event(2, late=True)]).late


@pytest.mark.parametrize(
    ("spans", "chains"),
    [
        ([(0, 0), (10, 10), (20, 20)], 1),  # each exactly the gap after the one before
        ([(0, 0), (11, 11)], 2),
        ([(20, 20), (0, 0), (10, 10)], 1),
        ([(0, 30), (1, 2), (35, 35)], 1),  # the longest one reaches furthest, not the last one
        ([(0, 30), (1, 2), (41, 41)], 2),
    ],
)
def test_a_chain_ends_where_nothing_lies_within_the_gap(spans: list[tuple[int, int]], chains: int) -> None:
    found = cluster([_span(*span) for span in spans], GAP)
    assert len(found) == chains
    assert sum(len(chain) for chain in found) == len(spans)


@pytest.mark.parametrize(("second", "near"), [(9, False), (10, True), (25, True), (40, True), (41, False)])
def test_near_is_within_the_gap_on_either_side(second: int, near: bool) -> None:
    between, other = _span(20, 30), _event(second)
    assert between.near(other, GAP) is other.near(between, GAP) is near
