"""When things happen: ten-minute slices of time and the weekly curves of load."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Final, NamedTuple

from acrwatch.simulate.chance import poisson
from acrwatch.simulate.wire import TICKS_PER_SECOND

SLICE_TICKS: Final = 600 * TICKS_PER_SECOND
"""Traffic is made ten minutes at a time: memory holds one slice and the tails of sessions begun in the three before."""

SLICES_PER_DAY: Final = 144


class Slice(NamedTuple):
    """Ten minutes: its number since 1970, and its hour of the week (0 is Monday 00:00 UTC)."""

    number: int
    hour_of_week: int

    @property
    def start(self) -> int:
        """The first tick."""
        return self.number * SLICE_TICKS

    @property
    def hour(self) -> int:
        """The hour of the day, 0 to 23, UTC."""
        return self.hour_of_week % 24


def make_slice(number: int) -> Slice:
    """Return a slice by its number. 1970-01-01 was a Thursday, hence the 72 hours."""
    return Slice(number, (number // 6 + 72) % 168)


def _curve(weight: Callable[[int, int], float]) -> tuple[float, ...]:
    """Return 168 hourly weights with mean 1, so that a rate per day stays what it says, averaged over the week."""
    weights = [weight(hour // 24, hour % 24) for hour in range(168)]
    mean = sum(weights) / len(weights)
    return tuple(weight / mean for weight in weights)


def _office(day: int, hour: int) -> float:
    daily = (1, 1, 1, 1, 1, 2, 8, 22, 34, 38, 38, 30, 26, 34, 36, 32, 22, 12, 8, 6, 4, 3, 2, 1)[hour]
    return daily if day < 5 else daily * 0.1 + 0.5


def _service(day: int, hour: int) -> float:
    return (1.5 if 6 <= hour < 18 else 0.7) * (1.0 if day < 5 else 0.75)


OFFICE: Final = _curve(_office)
"""People and their builds: working hours in western Europe, a tenth at weekends."""
WORKDAY: Final = _curve(lambda day, hour: 1.0 if day < 5 and 7 <= hour < 17 else 0.0)
"""Those who keep to office hours."""
SERVICE: Final = _curve(_service)
"""Clusters: they follow customers, so nights and weekends are quieter but never quiet."""
FLAT: Final = _curve(lambda _day, _hour: 1.0)
"""Timers and remote sites."""


def session_starts(random: Random, moment: Slice, per_day: float, curve: tuple[float, ...]) -> Iterator[int]:
    """Yield the start ticks of the sessions that begin in a slice, `per_day` on average over a week, in no order."""
    for _ in range(poisson(random, per_day / SLICES_PER_DAY * curve[moment.hour_of_week])):
        yield moment.start + int(random.random() * SLICE_TICKS)
