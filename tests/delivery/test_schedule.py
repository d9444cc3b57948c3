"""When a failed delivery is tried again."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from acrwatch.delivery.schedule import SCHEDULE, next_attempt

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def _waits(made: int, retry_after: timedelta | None = None) -> list[timedelta]:
    rng = random.Random(7)
    found = [next_attempt(made, now=NOW, retry_after=retry_after, rng=rng) for _ in range(500)]
    return [moment - NOW for moment in found if moment is not None]


@pytest.mark.parametrize("made", range(1, len(SCHEDULE)))
def test_the_wait_is_the_schedules_give_or_take_a_fifth(made: int) -> None:
    waits = _waits(made)
    assert len(waits) == 500
    assert min(waits) >= SCHEDULE[made] * 0.8
    assert max(waits) <= SCHEDULE[made] * 1.2
    assert max(waits) - min(waits) > SCHEDULE[made] * 0.35, "the waits are spread"


def test_the_first_attempt_is_due_at_once() -> None:
    assert set(_waits(0)) == {timedelta(0)}


def test_ten_attempts_over_about_three_days_are_all() -> None:
    assert len(SCHEDULE) == 10
    assert timedelta(days=3) < sum(SCHEDULE, timedelta(0)) < timedelta(days=4)
    assert next_attempt(10, now=NOW, retry_after=timedelta(hours=1), rng=random.Random(1)) is None


def test_the_receivers_wish_is_kept_where_it_is_longer() -> None:
    assert set(_waits(1, timedelta(minutes=10))) == {timedelta(minutes=10)}


def test_the_schedule_is_kept_where_it_is_longer() -> None:
    assert min(_waits(2, timedelta(seconds=1))) >= timedelta(minutes=4)
