"""The judgement: is it surprising that this identity comes from this network on this date?

A network can surprise only the first time that an identity comes from it. While it keeps matching, a network is told of
with the words of its first day; from the first day that does not match on, it belongs to the baseline and never matches
again. So the days of one network are a stay that matches, perhaps none, and then the baseline. That is why judging a
date needs so little of the past.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, Final

from acrwatch.core.identity import USER, identity_kind
from detections.behavioural.anomalous_source_ip.registries import Pasts, strictest
from detections.behavioural.anomalous_source_ip.registry_past import LEVELS
from storage.state.visits import Before, PastUse, Visit

# An identity is judged by its registry for this long, and by its own history from then on.
LEARNING: Final = timedelta(days=14)
# A network that alerted joins the baseline after this long without a match (or by a benign verdict).
QUIET: Final = timedelta(days=14)
# How many of the identity's latest dates of use rarity is estimated from.
HISTORY_DATES: Final = 30
# Below this chance of meeting a new network, meeting one is surprising.
SURPRISING: Final = 0.10
# Someone seen in this many networks within MONTH travels: one alert per MONTH is what we say of new ones.
TRAVELLER: Final = 8
MONTH: Final = timedelta(days=30)
# A person who used so many networks in those dates moves between them, and comes to a new one now and then: a trip, a
# telephone. That is a building block. A person of one place, and any service, does not move, whatever the chance says.
MOVES: Final = 2


def new_network_chance(days_per_network: Iterable[int], prior: float = LEVELS[-1]) -> float:
    """Return the Good-Turing chance that the next day of use falls to a network not seen before.

    `days_per_network` counts, for each network seen, the days on which it was. `prior` is the chance that the registry
    gives it; it weighs as much as one day, so that it decides without history and fades as history grows.
    """
    days = list(days_per_network)
    return (days.count(1) + prior) / (sum(days) + 1)


def joins_baseline(last_match: date, day: date, first_time: datetime, trusted: datetime | None) -> bool:
    """Return whether a network that matched last on one date is part of the baseline on its next date of use, which
    began at `first_time`; `trusted` is when a person called it benign."""
    return day - last_match > QUIET or (trusted is not None and first_time > trusted)


@dataclass(slots=True)
class Memory:
    """What an identity did before the date at hand: enough of it to judge a network that is new to it.

    `began` is its first date; None before it. The rest goes back for the dates and days that count, or further.
    """

    began: date | None = None
    baseline: list[tuple[date, str]] = field(default_factory=list)  # days of use that did not match, in order of date
    seen: dict[str, date] = field(default_factory=dict)  # every network's last date, those that matched too
    told: list[date] = field(default_factory=list)  # dates on which a new network matched

    @classmethod
    def of(cls, began: date | None, uses: Iterable[PastUse]) -> "Memory":
        """Return the memory of these uses, which are in order of date."""
        memory = cls(began)
        for use in uses:
            memory.note(use.network, use.day, matched=use.matched)
            if use.told:
                memory.told.append(use.day)
        return memory

    def note(self, network: str, day: date, *, matched: bool) -> None:
        """Take in a judged day. One that did not match is part of the baseline from then on."""
        self.began = self.began or day
        self.seen[network] = day
        if not matched:
            self.baseline.append((day, network))

    def recent(self) -> tuple[int, Mapping[str, int]]:
        """Return the number of the latest dates of use, and on how many of them each network was used."""
        dates = sorted({day for day, _ in self.baseline})[-HISTORY_DATES:]
        return len(dates), Counter(network for day, network in self.baseline if day >= dates[0])

    def traveller_was_told(self, day: date) -> bool:
        """Return whether the identity travels, and an alert within the month has said so already."""
        networks = sum(1 for last in self.seen.values() if day - MONTH <= last)
        return networks >= TRAVELLER and any(day - told <= MONTH for told in self.told)


@dataclass(slots=True)
class Judge:
    """Walks through the days of one identity in order. `trusted` says when a person called a network benign."""

    memory: Memory
    pasts: Pasts
    trusted: Mapping[str, datetime]
    judged: dict[str, Before] = field(default_factory=dict)  # the last day of each network walked through

    def walk(self, visits: Iterable[Visit]) -> list[Visit]:
        """Judge these days, which are in order of date; return those that are judged otherwise now."""
        changed: list[Visit] = []
        for day, same_day in groupby(visits, key=lambda visit: visit.day):
            in_order = sorted(same_day, key=lambda visit: (visit.first_time, visit.network))
            for visit, judgement in [(visit, self._judge(visit)) for visit in in_order]:
                self.memory.note(visit.network, day, matched=judgement is not None)
                self.judged[visit.network] = Before(day, judgement)
                if judgement != visit.judgement:
                    changed.append(replace(visit, judgement=judgement))
        return changed

    def _judge(self, visit: Visit) -> Mapping[str, Any] | None:
        """Return why this network is surprising on this date; None where it is not."""
        before = self.judged.get(visit.network, visit.before)
        if before is None:
            return self._judge_new(visit)
        trusted = self.trusted.get(visit.network)
        if before.judgement is None or joins_baseline(before.day, visit.day, visit.first_time, trusted):
            return None
        return before.judgement

    def _judge_new(self, visit: Visit) -> Mapping[str, Any] | None:
        began = self.memory.began or visit.day
        judgement = self._by_registry(visit) if visit.day < began + LEARNING else self._by_itself(visit)
        if judgement is None or judgement["chance"] >= SURPRISING or self.memory.traveller_was_told(visit.day):
            return None
        self.memory.told.append(visit.day)
        return {"days_known": (visit.day - began).days, **judgement}

    def _by_registry(self, visit: Visit) -> Mapping[str, Any] | None:
        """Judge a newcomer by the strictest of the registries that do not know the network; None where all do."""
        asked = self.pasts.asked(visit.registries, visit.day)
        return strictest([past for past in asked if not past[0].knows(visit.network, visit.day)], visit.day)

    def _by_itself(self, visit: Visit) -> Mapping[str, Any]:
        days_used, networks = self.memory.recent()
        backed = strictest(self.pasts.asked(visit.registries, visit.day), visit.day)
        chance = new_network_chance(networks.values(), backed["chance"] if backed else LEVELS[-1])
        return {
            **(backed or {}),
            "days_used": days_used,
            "networks": _most_used(networks),
            "networks_total": len(networks),
            "chance": round(chance, 4),
            **({"moves": True} if len(networks) >= MOVES and _is_person(visit.identity_key) else {}),
        }


def _is_person(identity: str) -> bool:
    return identity_kind("", identity, ()) == USER


def _most_used(networks: Mapping[str, int]) -> list[list[Any]]:
    in_order: Sequence[tuple[str, int]] = sorted(networks.items(), key=lambda pair: (-pair[1], pair[0]))
    return [[network, days] for network, days in in_order[:3]]
