"""How many events alerts hold together, of which an event may be in several and none says all that it holds."""

import random
from collections.abc import Sequence
from datetime import timedelta

import pytest

from detections.episode import Episode, Evidence, distinct
from tests.detections.conftest import START


def _held(events: Sequence[int], kept: Sequence[int]) -> Episode:
    """Return an episode of these events, one a minute, that keeps some of them as evidence."""
    evidence = tuple(_event(number) for number in sorted(kept))
    first, last = _event(min(events)).time, _event(max(events)).time
    return Episode(first, last, len(set(events)), late=False, evidence=evidence, rows=())


def _event(number: int) -> Evidence:
    return Evidence(START + timedelta(minutes=number), f"{number:032x}")


def _whole(*events: int) -> Episode:
    return _held(events, events)


@pytest.mark.parametrize(
    ("episodes", "found"),
    [
        ([_whole(1, 2, 3), _whole(2, 3, 4), _whole(1)], (4, False)),
        ([_whole(1, 2), _held(range(10, 50), [10, 11, 12])], (42, False)),  # what it does not keep is of other times
        ([_whole(20, 21), _held(range(10, 50), [10, 11, 12])], (40, True)),  # it may hold those two, or not
        ([_held(range(10, 50), [10, 11, 12]), _held(range(10, 50), [10])], (40, True)),
        ([_held(range(10, 50), [10]), _held(range(60, 90), [60])], (41, True)),
        ([_whole(1, 2)], (2, False)),
    ],
)
def test_an_event_counts_once_and_what_nobody_keeps_only_where_it_must_be_another(
    episodes: list[Episode], found: tuple[int, bool]
) -> None:
    assert distinct(episodes) == found
    assert distinct(episodes[::-1]) == found


def test_it_is_never_more_than_there_are_and_exact_where_it_says_so() -> None:
    rng, exact = random.Random(5), 0
    for _ in range(2000):
        events = [rng.sample(range(40), rng.randint(1, 12)) for _ in range(rng.randint(2, 4))]
        parts = [_held(one, rng.sample(one, rng.choice([len(one), rng.randint(1, len(one))]))) for one in events]
        least, unsure = distinct(parts)
        there = len({event for one in events for event in one})
        assert max(len(one) for one in events) <= least <= there
        assert unsure or least == there
        exact += not unsure
    assert 200 < exact < 1900
