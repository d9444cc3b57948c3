"""Who should read what: the decision of one balancing tick, from what is claimed at present."""

import random
from collections import Counter
from collections.abc import Callable, Sequence

from storage.state.ownership import RELEASED, Claim, Ownership


def plan(
    partitions: Sequence[str],
    listed: Sequence[Ownership],
    me: str,
    expiry: float,
    gone: Callable[[str], bool],
    chance: random.Random,
) -> list[Claim]:
    """Return what `me` should claim now: all it holds, free ones up to its fair share, or one of the largest owner.

    Free is what has no owner, or one that has not renewed for `expiry` seconds of the database's clock, or is surely
    `gone`; or one that renewed so far in the future, before that clock went back. A process that holds nothing is
    unknown to the others until it steals. It steals from an owner that holds two more than itself, one each tick: that
    ends with every share at the floor or the ceiling of the mean.
    """
    rows = {one.partition_id: one for one in listed}
    holders: dict[str, str] = {}
    for partition in partitions:
        row = rows.get(partition)
        if row is not None and (row.owner_id == me or not _free(row, expiry, gone)):
            holders[partition] = row.owner_id
    mine = [partition for partition, owner in holders.items() if owner == me]
    free = [partition for partition in partitions if partition not in holders]
    share = -(-len(partitions) // len({*holders.values(), me}))
    taken = chance.sample(free, max(0, min(len(free), share - len(mine))))
    stolen = [] if free else _steal(holders, me, chance)
    return [_claim(rows, partition) for partition in (*mine, *taken, *stolen)]


def _free(row: Ownership, expiry: float, gone: Callable[[str], bool]) -> bool:
    return row.owner_id == RELEASED or abs(row.age) >= expiry or gone(row.owner_id)


def _steal(holders: dict[str, str], me: str, chance: random.Random) -> list[str]:
    sizes = Counter(holders.values())
    largest = max(sizes.values(), default=0)
    if largest - sizes[me] < 2:
        return []
    victim = chance.choice(sorted(owner for owner, size in sizes.items() if size == largest))
    return [chance.choice(sorted(partition for partition, owner in holders.items() if owner == victim))]


def _claim(rows: dict[str, Ownership], partition: str) -> Claim:
    row = rows.get(partition)
    return Claim(partition, None if row is None else row.etag)
