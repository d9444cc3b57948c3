"""What tests send: simulated traffic with repeats and bad records, in blocks; and what must come of it."""

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from acrwatch.simulate import Scenario, encode_messages, history, in_arrival_order, live_attacks, simulate

# Fixed, for other times make other traffic. What is late is judged by when the hub took it, which is NOW as well.
NOW = datetime(2026, 6, 17, 12, tzinfo=UTC)
# Learning takes anomalous-source-ip 14 days.
DAYS = 16
BLOCKS = 12
_BAD_RECORD = b'{"time":"yesterday","category":"ContainerRegistryLoginEvents","operationName":"Login","n":%d}'
_NO_JSON = b"no JSON %d"


@dataclass(frozen=True)
class Traffic:
    """`blocks` are message bodies in the order of sending; all are enqueued at `enqueued`, whenever they are sent.

    `correlations` names each distinct record once; `bad` holds each record or whole message that must become a reject.
    """

    enqueued: datetime
    blocks: Sequence[Sequence[bytes]]
    correlations: Sequence[str]
    bad: Counter[bytes]
    allowed_ranges: Mapping[str, Sequence[str]]

    @property
    def messages(self) -> list[bytes]:
        return [body for block in self.blocks for body in block]


def make_traffic(*, events_per_day: int = 60, seed: int = 5) -> Traffic:
    """Sixteen days and eight live attacks, in blocks of neighbouring messages; the blocks come in no order of time.

    Of the records 5 % are sent twice by Azure, of the messages 10 % come again, and 10 % carry something unreadable.
    """
    random_ = random.Random(seed)
    scenario = _scenario(NOW, events_per_day, seed)
    good = [list(bodies) for bodies in _attacks_apart(scenario, seed)]
    distinct = {
        _canonical(r): r["correlationId"] for block in good for body in block for r in json.loads(body)["records"]
    }
    bad: Counter[bytes] = Counter()
    blocks = [_spoiled(block, random_, bad) for block in good]
    return Traffic(NOW, blocks, sorted(distinct.values()), bad, scenario.allowed_ranges())


def _scenario(now: datetime, events_per_day: int, seed: int) -> Scenario:
    present = now - timedelta(hours=2)
    past = history(present, days=DAYS, events_per_day=events_per_day, seed=seed)
    old = live_attacks(present - timedelta(days=2))
    attacks = (*old, *live_attacks(present), *live_attacks(present + timedelta(hours=1)))
    return replace(past, end=now, attacks=attacks, duplicates=0.05)


def _attacks_apart(scenario: Scenario, seed: int) -> Iterator[list[bytes]]:
    """Yield BLOCKS blocks: the hours of the live attacks in the third and the ninth, history shuffled around them."""
    records = [item.record for item in in_arrival_order(simulate(scenario))]
    live = [(scenario.end - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M") for hours in (2, 1)]
    first = [r for r in records if live[0] <= r["time"] < live[1]]
    second = [r for r in records if live[1] <= r["time"]]
    past = list(encode_messages((r for r in records if r["time"] < live[0]), per_message=12))
    size = -(-len(past) // (BLOCKS - 2))
    blocks = [past[at : at + size] for at in range(0, len(past), size)]
    random.Random(seed).shuffle(blocks)
    blocks.insert(2, list(encode_messages(first, per_message=12)))
    blocks.insert(8, list(encode_messages(second, per_message=12)))
    yield from blocks


def _spoiled(block: Sequence[bytes], random_: random.Random, bad: Counter[bytes]) -> list[bytes]:
    """Add what goes wrong on the way: messages that come again, records and messages that nobody can read."""
    spoiled = []
    for number, body in enumerate(block):
        spoiled.append(body)
        if random_.random() < 0.10 or number == 0:
            spoiled.append(body)
        if random_.random() < 0.05 or number == 0:
            record = _BAD_RECORD % random_.getrandbits(40)
            bad[record] += 1
            spoiled.append(body.replace(b'{"records":[', b'{"records":[' + record + b",", 1))
        if random_.random() < 0.05:
            whole = _NO_JSON % random_.getrandbits(40)
            bad[whole] += 1
            spoiled.append(whole)
    return spoiled


def _canonical(record: Mapping[str, object]) -> str:
    return json.dumps(record, sort_keys=True)
