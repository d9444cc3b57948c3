"""What is sent: seeded traffic with attacks, late, out of order, repeated, partly unreadable; what must come of it."""

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from acrwatch.simulate import Labelled, Scenario, encode_messages, history, in_arrival_order, live_attacks, simulate
from acrwatch.simulate.wire import Record

# Learning takes anomalous-source-ip 14 days.
DAYS: Final = 17
# Before the end. All but the first are within `lateness` (24 h) of it, whenever their records come.
ATTACKS: Final = tuple(timedelta(hours=hours) for hours in (72, 20, 15, 9, 4, 1))
# Records of this time are left out: how late they are would depend on how long the sending takes.
_EDGE: Final = (timedelta(hours=26), timedelta(hours=22))

# Shares of messages: sent again under another sequence number, with an unreadable record, all unreadable.
_AGAIN: Final = 0.10
_BAD_RECORD: Final = 0.04
_NO_JSON: Final = 0.02
# Share of the records that Azure itself sends twice, and of those of the last 22 hours that come late.
_TWICE: Final = 0.05
_LATE: Final = 0.25
_HISTORY_BLOCKS: Final = 12


@dataclass(frozen=True)
class Load:
    """`messages` are the bodies in the order of sending. `records` are the distinct readable records among them.

    `bad` holds each record or whole message that must become a reject, as bytes.
    """

    messages: Sequence[bytes]
    records: Sequence[Record]
    bad: Counter[bytes]
    allowed_ranges: Mapping[str, Sequence[str]]
    late: int
    repeated: int

    @property
    def correlations(self) -> list[str]:
        """The correlation id of each distinct record, sorted: a name for it that no code under test has made."""
        return sorted(record["correlationId"] for record in self.records)


def make_load(*, seed: int, end: datetime, events_per_day: int) -> Load:
    """Return the traffic of the DAYS days before `end`, an aware time. Equal arguments give equal bytes."""
    chance = random.Random(f"load/{seed}")
    scenario = _scenario(seed, end, events_per_day)
    kept = [item for item in in_arrival_order(simulate(scenario)) if not _on_edge(item, end)]
    live, late = _shuffled_live([item.record for item in kept if item.time >= end - _EDGE[1]], chance)
    past = [item.record for item in kept if item.time < end - _EDGE[0]]
    good = _mixed(_blocks(past, chance), list(encode_messages(live, per_message=6)), chance)
    bad: Counter[bytes] = Counter()
    messages = [body for message in good for body in _spoiled(message, chance, bad)]
    repeated = _send_again(messages, good, chance)
    distinct = {_canonical(record): record for record in (*past, *live)}
    return Load(messages, list(distinct.values()), bad, scenario.allowed_ranges(), late, repeated)


def _scenario(seed: int, end: datetime, events_per_day: int) -> Scenario:
    past = history(end, days=DAYS, events_per_day=events_per_day, seed=seed)
    attacks = tuple(attack for before in ATTACKS for attack in live_attacks(end - before))
    return replace(past, attacks=attacks, duplicates=_TWICE)


def _on_edge(item: Labelled, end: datetime) -> bool:
    return end - _EDGE[0] <= item.time < end - _EDGE[1]


def _shuffled_live(records: list[Record], chance: random.Random) -> tuple[list[Record], int]:
    """Move a share of the records to a random later place; return all, and how many were moved."""
    order = []
    late = 0
    for place, record in enumerate(records):
        if chance.random() < _LATE:
            order.append((chance.uniform(place, len(records)), record))
            late += 1
        else:
            order.append((float(place), record))
    order.sort(key=lambda item: item[0])
    return [record for _, record in order], late


def _blocks(past: list[Record], chance: random.Random) -> list[bytes]:
    """Return history in messages, in blocks of neighbours that come in no order of time."""
    bodies = list(encode_messages(past, per_message=20))
    size = -(-len(bodies) // _HISTORY_BLOCKS)
    blocks = [bodies[at : at + size] for at in range(0, len(bodies), size)]
    chance.shuffle(blocks)
    return [body for block in blocks for body in block]


def _mixed(past: list[bytes], live: list[bytes], chance: random.Random) -> list[bytes]:
    """Deal both into one sequence, each in its own order: nothing is judged with all of its history there."""
    turns = [0] * len(past) + [1] * len(live)
    chance.shuffle(turns)
    sources: tuple[Iterator[bytes], Iterator[bytes]] = (iter(past), iter(live))
    return [next(sources[turn]) for turn in turns]


def _spoiled(body: bytes, chance: random.Random, bad: Counter[bytes]) -> Iterator[bytes]:
    if chance.random() < _BAD_RECORD:
        record = b'{"time":"yesterday","category":"ContainerRegistryLoginEvents","n":%d}' % chance.getrandbits(60)
        bad[record] += 1
        yield body.replace(b'{"records":[', b'{"records":[' + record + b",", 1)
    else:
        yield body
    if chance.random() < _NO_JSON:
        whole = b"no JSON %d" % chance.getrandbits(60)
        bad[whole] += 1
        yield whole


def _send_again(messages: list[bytes], good: Sequence[bytes], chance: random.Random) -> int:
    """Put a share of the good messages into the sequence once more, anywhere; return how many."""
    again = [body for body in good if chance.random() < _AGAIN]
    for body in again:
        messages.insert(chance.randrange(len(messages) + 1), body)
    return len(again)


def _canonical(record: Record) -> str:
    return json.dumps(record, sort_keys=True)
