"""What the past of a registry says of newcomers: how often they bring a network of their own, and which ones it knows.

Each identity counts once, with its home: the network it first used there. A Good-Turing estimate over homes (the share
of them that one identity alone has) gives the chance that the next identity comes with a new one. Once each, because
calls and networks are for the caller to multiply: whoever floods a registry through one token adds one home. And only
from the second date of its use on, so that identities made for a day say nothing of what is usual.

A date sees the registry as it was 14 days before, or at the end of its own first 14 days if that is later. So a network
is the registry's own only after the same wait as an identity's; a new installation knows all that it learned; and
events that arrive less than 14 days late change nothing that was said of other identities.

All of it is a function of the homes, which are minima over events: no order of arrival shows. Chances are rounded up to
LEVELS, so that one identity more or less seldom changes a judgement or its words.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Final

from storage.state.homes import Home

# How long a registry is learned before it is asked, and how long a newcomer's network waits until it counts.
WAIT: Final = timedelta(days=14)
_DAY: Final = timedelta(days=1)
# What chances are rounded up to. A half at most: a registry of loners is no proof that the next network is harmless.
LEVELS: Final = (0.01, 0.02, 0.03, 0.05, 0.07, 0.09, 0.12, 0.2, 0.3, 0.5)


@dataclass(frozen=True, slots=True)
class RegistryPast:
    """One registry's homes, ready to be asked as of any UTC date. `levels[n]` holds from `dates[n]` on."""

    began: date
    dates: tuple[date, ...]
    levels: tuple[float, ...]
    first_home: Mapping[str, date]

    def level(self, day: date) -> float | None:
        """Return the chance, one of LEVELS, that a newcomer of this date brings a new network; None while learning."""
        return self.level_on(self._cut(day)) if day >= self.began + WAIT else None

    def knows(self, network: str, day: date) -> bool:
        """Return whether the network is the home of someone, as this date sees it."""
        first = self.first_home.get(network)
        return first is not None and first <= self._cut(day)

    def seen_from(self, changed: date) -> date:
        """Return the first date that sees what happened on the date `changed`."""
        return changed + WAIT if changed >= self.began + WAIT else self.began + WAIT

    def _cut(self, day: date) -> date:
        return max(day - WAIT, self.began + WAIT - _DAY)

    def level_on(self, day: date) -> float | None:
        """Return the level that the homes up to this date give; None before the first."""
        at = bisect_right(self.dates, day)
        return self.levels[at - 1] if at else None

    def differs_from(self, other: "RegistryPast") -> date | None:
        """Return the first date on which the two have different levels, by the date of the homes; None if on none."""
        dates = sorted({*self.dates, *other.dates})
        return next((day for day in dates if self.level_on(day) != other.level_on(day)), None)


@dataclass(frozen=True, slots=True)
class Change:
    """Judgements from the date `since` on, of `network` or (None) of any, may differ."""

    since: date
    network: str | None


def past_of(homes: Iterable[Home]) -> RegistryPast | None:
    """Return what these homes of one registry say; None where there are none."""
    shared: Counter[str] = Counter()
    first_home: dict[str, date] = {}
    dates: list[date] = []
    levels: list[float] = []
    once = identities = 0
    all_homes = list(homes)
    counting = sorted((home.second_date, home.network) for home in all_homes if home.second_date is not None)
    for text, same_day in groupby(counting, key=itemgetter(0)):
        day = date.fromisoformat(text)
        for _, network in same_day:
            identities += 1
            shared[network] += 1
            once += {1: 1, 2: -1}.get(shared[network], 0)
            first_home.setdefault(network, day)
        dates.append(day)
        levels.append(level_of(once, identities))
    if not all_homes:
        return None
    return RegistryPast(min(home.date for home in all_homes), tuple(dates), tuple(levels), first_home)


def level_of(once: int, identities: int) -> float:
    """Return the Good-Turing chance of a new home, rounded up to LEVELS; half of one seen once is added."""
    chance = (once + 0.5) / (identities + 1)
    return LEVELS[min(bisect_left(LEVELS, chance), len(LEVELS) - 1)]


def changes(before: RegistryPast | None, after: RegistryPast) -> list[Change]:
    """Return which judgements may differ now that a registry's past is another."""
    if before is None or before.began != after.began:
        return [Change(after.began, None)]
    found = []
    level = after.differs_from(before)
    if level is not None:
        found.append(Change(after.seen_from(level), None))
    for network in {*before.first_home, *after.first_home}:
        dates = {past.first_home.get(network) for past in (before, after)}
        if len(dates) == 2:
            found.append(Change(after.seen_from(min(day for day in dates if day is not None)), network))
    return sorted(found, key=lambda change: (change.since, change.network or ""))
