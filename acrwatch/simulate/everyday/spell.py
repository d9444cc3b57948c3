"""Stretches of hours out of the ordinary, by the calendar: a bad deployment, a trip, an outage."""

from dataclasses import dataclass
from functools import lru_cache

from acrwatch.simulate.chance import seeded
from acrwatch.simulate.rhythm import SLICE_TICKS, SLICES_PER_DAY, Slice


@dataclass(frozen=True, slots=True)
class Spell:
    """From slice to slice (exclusive). `chance` is a number from 0 to 1 that is the spell's own."""

    first: int
    end: int
    chance: float

    @property
    def start(self) -> int:
        """The first tick."""
        return self.first * SLICE_TICKS


@dataclass(frozen=True, slots=True)
class Recurring:
    """Spells of something: on average one each `every_days`, from `shortest` to `longest` slices long.

    With `hours` they begin in those hours of the day only, with `weekdays` never on a weekend.
    """

    key: str
    every_days: float
    shortest: int
    longest: int
    hours: tuple[int, int] = (0, 24)
    weekdays: bool = False

    def now(self, moment: Slice) -> Spell | None:
        """Return the spell that covers this slice, if any."""
        today = moment.number // SLICES_PER_DAY
        for day in range(today, today - self.longest // SLICES_PER_DAY - 2, -1):
            spell = _spell(self, day)
            if spell is not None and spell.first <= moment.number < spell.end:
                return spell
        return None


@lru_cache(maxsize=16384)
def _spell(recurring: Recurring, day: int) -> Spell | None:
    random = seeded("spell", recurring.key, day)
    weekend = (day + 3) % 7 >= 5  # 1970-01-01 was a Thursday
    if random.random() >= 1 / recurring.every_days or (recurring.weekdays and weekend):
        return None
    first_hour, last_hour = recurring.hours
    first = day * SLICES_PER_DAY + random.randrange(6 * first_hour, 6 * last_hour)
    return Spell(first, first + random.randint(recurring.shortest, recurring.longest), random.random())
