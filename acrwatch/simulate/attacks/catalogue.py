"""All kinds of attack, and when to stage them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from types import MappingProxyType
from typing import Final

from acrwatch.simulate.attacks import (
    control_objects,
    control_plane,
    credentials,
    deletion,
    exfiltration,
    mission,
    network,
    platform,
    supply_chain,
)
from acrwatch.simulate.attacks.kind import Hours, Kind

_FAMILIES: Final = (
    mission, credentials, deletion, supply_chain, exfiltration, network, platform, control_plane, control_objects,
)  # fmt: skip
KINDS: Final[Mapping[str, Kind]] = MappingProxyType({
    kind.name: kind
    for family in _FAMILIES
    for kind in family.KINDS
})  # fmt: skip
"""Every kind by its name; the four of the mission first."""

MISSION: Final = tuple(kind.name for kind in mission.KINDS)
"""The kinds that need no past: any live traffic may stage them."""


def drawn_times(kind: Kind, start: datetime, end: datetime, count: int, random: Random) -> Sequence[datetime]:
    """Return when to stage a kind between two aware UTC times, in order; empty where the span leaves no room."""
    earliest, latest = start + kind.history, end - kind.span
    if earliest >= latest:
        return ()
    count = count if kind.most is None else min(count, kind.most)
    room = (latest - earliest) / timedelta(seconds=1)
    found: list[datetime] = []
    for _ in range(1000 * count):
        at = earliest + timedelta(seconds=int(room * random.random()))
        if _within(kind.hours, at):
            found.append(at)
        if len(found) == count:
            break
    return sorted(found)


def _within(hours: Hours, at: datetime) -> bool:
    working = at.weekday() < 5
    if hours == "office":
        return working and 8 <= at.hour < 15
    if hours == "night":
        return at.weekday() == 6 or (working and (at.hour >= 22 or at.hour < 4))
    return True
