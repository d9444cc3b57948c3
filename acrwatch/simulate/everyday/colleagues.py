"""People as they are: at one place at a time, with repositories of their own, and now and then a new one or a trip."""

from functools import lru_cache
from random import Random
from typing import Final

from acrwatch.simulate import addresses
from acrwatch.simulate.chance import number
from acrwatch.simulate.everyday.spell import Recurring
from acrwatch.simulate.images import REPOSITORIES
from acrwatch.simulate.people import NAMES, Person
from acrwatch.simulate.registry import Registry
from acrwatch.simulate.rhythm import SLICE_TICKS, SLICES_PER_DAY, Slice, make_slice
from acrwatch.simulate.tape import Caller, Tape

PEOPLE: Final = (*NAMES, "katja.blom", "luca.ferri")
ENGINEERS: Final = (0, 4, 8)
"""Places of those in PEOPLE who push by hand, in working hours."""
HOUSEKEEPER: Final = 4
_TRAVELLERS: Final = (5, 11)
_JOINERS: Final = ("mia.sand", "nils.falk", "olga.petit", "pavel.dvorak", "quinn.moss", "rosa.leon", "sven.lund")

RECORDS_PER_DAY: Final = 30.0
_OWN_REPOSITORIES: Final = 5
_JOIN_EVERY_DAYS: Final = 45
_STAY_PERIODS: Final = 4
_UNDER_WAY: Final = SLICES_PER_DAY // 4
"""At either end of a trip nobody works: until 2026-11-30 people were in another country at once."""


class Colleague(Person):
    """Someone at work with two registries: mornings and afternoons in the office or at home, evenings at home."""

    def __init__(
        self, seed: int, registries: tuple[Registry, ...], index: int, name: str, *, engineer: bool, travels: bool
    ) -> None:
        super().__init__(seed, registries, index, RECORDS_PER_DAY, name)
        self.travels, self.engineer = travels, engineer
        self._trips = Recurring(f"{seed}/{self.identity}/trip", 14, SLICES_PER_DAY, 4 * SLICES_PER_DAY, weekdays=True)
        self._own = [(3 * index + step) % len(REPOSITORIES) for step in range(_OWN_REPOSITORIES)]

    def perform(self, tape: Tape, moment: Slice) -> None:
        """Run the sessions that begin in this slice, unless the person is on the way."""
        trip = self._trips.now(moment) if self.travels else None
        if trip is None or trip.first + _UNDER_WAY <= moment.number < trip.end - _UNDER_WAY:
            super().perform(tape, moment)

    def _somewhere(self, random: Random, moment: Slice) -> Caller:
        registry = self._registries[0 if random.random() < 0.85 else -1]
        trip = self._trips.now(moment) if self.travels else None
        if trip is not None:
            return self._at(registry, addresses.nth_network(addresses.HOTELS, int(64 * trip.chance)), random)
        half = 0 if moment.hour < 12 else 1 if moment.hour < 18 else 2
        draw = number(self.seed, self.identity, moment.number // SLICES_PER_DAY, half) % 100
        if half < 2 and draw < 65:
            return Caller(registry, self.identity, self._office_address(random), self._agent)
        if draw >= 95:
            return self._at(registry, addresses.nth_network(addresses.MOBILE_CARRIERS, self.index), random)
        return self.home_caller(registry, random)

    def _picked(self, random: Random) -> int:
        """Nearly always one of their own repositories."""
        return random.choice(self._own) if random.random() < 0.97 else random.randrange(len(REPOSITORIES))

    def _pushes(self, random: Random, ticks: int) -> bool:
        moment = make_slice(ticks // SLICE_TICKS)
        working = moment.hour_of_week < 5 * 24 and 7 <= moment.hour < 17
        return self.engineer and working and random.random() < 0.1


def colleagues(seed: int, registries: tuple[Registry, ...]) -> list[Person]:
    """Return the people, each with a registry of their own and another they look into."""
    return [
        Colleague(
            seed, _pair(registries, index), index, name, engineer=index in ENGINEERS, travels=index in _TRAVELLERS
        )
        for index, name in enumerate(PEOPLE)
    ]


class Joiners:
    """A new colleague each 45 days, by the calendar, who stays for half a year."""

    def __init__(self, seed: int, registries: tuple[Registry, ...]) -> None:
        self._seed, self._registries = seed, registries

    def perform(self, tape: Tape, moment: Slice) -> None:
        """Let those who have joined work."""
        today = moment.number // SLICES_PER_DAY
        period = today // _JOIN_EVERY_DAYS
        for joined in range(period - _STAY_PERIODS + 1, period + 1):
            first_day = joined * _JOIN_EVERY_DAYS + number(self._seed, "joins", joined) % 30
            if today >= first_day:
                _joiner(self._seed, self._registries, joined).perform(tape, moment)


@lru_cache(maxsize=256)
def _joiner(seed: int, registries: tuple[Registry, ...], period: int) -> Colleague:
    index = 20 + period % 40
    name = _JOINERS[period % len(_JOINERS)]
    return Colleague(seed, _pair(registries, period), index, name, engineer=False, travels=False)


def _pair(registries: tuple[Registry, ...], index: int) -> tuple[Registry, ...]:
    first = index % len(registries)
    return registries[first], registries[(first + 1) % len(registries)]
