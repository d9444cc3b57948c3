"""The simulation itself: actors and attacks, ten minutes at a time, in event-time order."""

import heapq
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Final

import msgspec

from acrwatch.simulate.attacks.staging import staged
from acrwatch.simulate.chance import number, seeded
from acrwatch.simulate.rhythm import SLICE_TICKS, make_slice
from acrwatch.simulate.scenario import Scenario, actors_of
from acrwatch.simulate.tape import Draft, Tape
from acrwatch.simulate.wire import TICKS_PER_SECOND, Record, datetime_of, ticks_of

LONGEST_DELAY: Final = timedelta(minutes=40)
"""No record arrives later than this after its event: 20 minutes, and as much again for one that is sent twice."""

_LEAD_IN_SLICES: Final = 3
"""A session may run this far past the slice it began in, so a span's traffic begins to be made so much before it."""

# Azure forwards in batches, 5 to 20 minutes after the event as users report: here each registry's records of five
# minutes go out together, 5 to 15 minutes after those have passed.
_BATCH_TICKS: Final = 300 * TICKS_PER_SECOND
_MINIMUM_DELAY_TICKS: Final = 300 * TICKS_PER_SECOND
_SPREAD_TICKS: Final = 600 * TICKS_PER_SECOND

_by_ticks = attrgetter("ticks")


class Labelled(msgspec.Struct, frozen=True):
    """One record with what only a simulation can know about it.

    `time` is the event's (aware UTC, microseconds), `arrival` when Azure would have forwarded it. `label` is the id of
    the attack it belongs to, None for benign. `duplicate` marks the second sending of the record before it.
    """

    time: datetime
    arrival: datetime
    record: Record
    label: str | None = None
    duplicate: bool = False


def simulate(scenario: Scenario) -> Iterator[Labelled]:
    """Yield a scenario's records lazily, in order of event time, in memory that does not grow with the span.

    A duplicate follows its original at once; only its arrival is later.
    """
    start, end = ticks_of(scenario.start), ticks_of(scenario.end)
    hushes = [one.hush for one in staged(scenario) if one.hush]
    for drafts in _slices(scenario, start, end):
        for draft, twice in drafts:
            if start <= draft.ticks < end and not any(_hushed(draft, *hush) for hush in hushes):
                yield from _deliver(scenario.seed, draft, twice)


def _hushed(draft: Draft, registry: str, since: int, until: int) -> bool:
    return draft.label is None and draft.registry == registry and since <= draft.ticks < until


def in_arrival_order(labelled: Iterable[Labelled]) -> Iterator[Labelled]:
    """Reorder records given by event time into the order Azure would forward them; holds at most LONGEST_DELAY."""
    waiting: list[tuple[datetime, int, Labelled]] = []
    for turn, item in enumerate(labelled):
        while waiting and waiting[0][0] <= item.time:
            yield heapq.heappop(waiting)[2]
        heapq.heappush(waiting, (item.arrival, turn, item))
    while waiting:
        yield heapq.heappop(waiting)[2]


def _slices(scenario: Scenario, start: int, end: int) -> Iterator[list[tuple[Draft, bool]]]:
    """Yield, slice by slice, the drafts in time order, each with whether it is sent twice."""
    attacks = staged(scenario)
    actors = [*actors_of(scenario).actors, *(resident for one in attacks for resident in one.residents)]
    waiting = deque(sorted((draft for one in attacks for draft in (*one.drafts, *one.past)), key=_by_ticks))
    pool: list[Draft] = []
    first, last = start // SLICE_TICKS - _LEAD_IN_SLICES, -(-end // SLICE_TICKS)
    for moment in map(make_slice, range(first, last)):
        tape = Tape(seeded(scenario.seed, "slice", moment.number))
        for actor in actors:
            actor.perform(tape, moment)
        over = moment.start + SLICE_TICKS
        while waiting and waiting[0].ticks < over:
            tape.drafts.append(waiting.popleft())
        pool = sorted(pool + tape.drafts, key=_by_ticks)
        ripe = bisect_left(pool, over, key=_by_ticks)
        yield _marked(scenario, moment.number, pool[:ripe])
        pool = pool[ripe:]


def _marked(scenario: Scenario, slice_number: int, drafts: list[Draft]) -> list[tuple[Draft, bool]]:
    """Choose what is sent twice, by a generator of its own: the share of duplicates changes no record."""
    if not scenario.duplicates:
        return [(draft, False) for draft in drafts]
    random = seeded(scenario.seed, "twice", slice_number)
    return [(draft, random.random() < scenario.duplicates) for draft in drafts]


def _deliver(seed: int, draft: Draft, twice: bool) -> Iterator[Labelled]:
    time = datetime_of(draft.ticks)
    batch = draft.ticks // _BATCH_TICKS
    arrival = _arrival(seed, draft.registry, batch)
    yield Labelled(time, arrival, draft.record, draft.label)
    if twice:
        again = arrival + timedelta(seconds=number(seed, "again", draft.ticks) % 1200)
        yield Labelled(time, again, draft.record, draft.label, duplicate=True)


@lru_cache(maxsize=4096)
def _arrival(seed: int, registry: str, batch: int) -> datetime:
    spread = number(seed, "arrival", registry, batch) % _SPREAD_TICKS
    return datetime_of((batch + 1) * _BATCH_TICKS + _MINIMUM_DELAY_TICKS + spread)
