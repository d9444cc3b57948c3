"""What an alert is about: a stretch of matching events of one group, small, and the same in whatever order it grew.

Episodes merge like sets: times widen, counts add, evidence keeps the earliest. So an alert built event by event,
batch by batch, or all at once is the same alert.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

EVIDENCE_IDS: Final = 100
EVIDENCE_ROWS: Final = 10
SAMPLES: Final = 10

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a reason sentence is built of.

    `totals` are sums, `peaks` maxima, `samples` the first few values of a set in text order, and `notes` facts that a
    detection states whole (of two, the earlier episode's stands).
    """

    totals: Mapping[str, int] = field(default_factory=dict)
    peaks: Mapping[str, int] = field(default_factory=dict)
    samples: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)

    def merge(self, other: "Facts") -> "Facts":
        """Return the facts of both together."""
        return Facts(
            {k: self.totals.get(k, 0) + other.totals.get(k, 0) for k in sorted({*self.totals, *other.totals})},
            {k: max(self.peaks.get(k, 0), other.peaks.get(k, 0)) for k in sorted({*self.peaks, *other.peaks})},
            {
                k: sorted({*self.samples.get(k, ()), *other.samples.get(k, ())})[:SAMPLES]
                for k in sorted({*self.samples, *other.samples})
            },
            {**other.notes, **self.notes},
        )


@dataclass(frozen=True, slots=True, order=True)
class Evidence:
    """One matching event: when, which (id as 32 hex digits). Orders by time, then id."""

    time: datetime
    event_id: str


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch of matches of one group. `evidence` and `rows` hold the earliest, capped; `late` means all were late.

    `rows` are (evidence, fields) pairs for the first few.
    """

    first: datetime
    last: datetime
    count: int
    late: bool
    evidence: tuple[Evidence, ...]
    rows: tuple[tuple[Evidence, Row], ...]
    facts: Facts = Facts()

    def merge(self, other: "Episode") -> "Episode":
        """Return one episode that spans both; they must not share events."""
        return Episode(
            min(self.first, other.first),
            max(self.last, other.last),
            self.count + other.count,
            self.late and other.late,
            _earliest(self.evidence, other.evidence, EVIDENCE_IDS, lambda evidence: evidence),
            _earliest(self.rows, other.rows, EVIDENCE_ROWS, lambda pair: pair[0]),
            self.facts.merge(other.facts),
        )

    def near(self, other: "Episode", gap: timedelta) -> bool:
        """Return whether the two lie within `gap` of each other."""
        return self.first - gap <= other.last and other.first - gap <= self.last

    def with_notes(self, notes: Mapping[str, Any]) -> "Episode":
        """Return the same episode stating these facts whole."""
        return replace(self, facts=replace(self.facts, notes={**self.facts.notes, **notes}))


T = TypeVar("T")


def _earliest(mine: tuple[T, ...], other: tuple[T, ...], cap: int, key: Callable[[T], Evidence]) -> tuple[T, ...]:
    """Return the `cap` earliest of two sorted tuples; the usual case, all of `other` past a full one, costs nothing."""
    if len(mine) >= cap and other and key(other[0]) > key(mine[-1]):
        return mine
    return tuple(sorted((*mine, *other), key=key)[:cap])


def of_event(time: datetime, event_id: str, row: Row, *, late: bool, facts: Facts) -> Episode:
    """Return the episode of a single event."""
    evidence = Evidence(time, event_id)
    return Episode(time, time, 1, late, (evidence,), ((evidence, row),), facts)


def merge_all(episodes: Iterable[Episode]) -> Episode:
    """Return one episode of at least one."""
    first, *others = episodes
    for other in others:
        first = first.merge(other)
    return first


def distinct(episodes: Sequence[Episode]) -> tuple[int, bool]:
    """Return how many events these episodes, which may share some, hold at least, and whether it may be more.

    An event that is kept as evidence counts once, whoever keeps it. What an episode holds beyond its evidence are other
    events of its time: any of those that others keep of that time, or none. Two that hold more than they keep may hold
    the same, so of those only the one that adds most counts.
    """
    kept = {one for episode in episodes for one in episode.evidence}
    beyond, unsure = [0], False
    for episode in (one for one in episodes if one.count > len(one.evidence)):
        perhaps = sum(episode.first <= one.time <= episode.last for one in kept.difference(episode.evidence))
        unsure = unsure or perhaps > 0 or len(beyond) > 1
        beyond.append(episode.count - len(episode.evidence) - perhaps)
    return len(kept) + max(beyond), unsure


def cluster(episodes: Iterable[Episode], gap: timedelta) -> list[list[Episode]]:
    """Sort episodes into chains whose neighbours lie within `gap`; chains in order of time."""
    chains: list[list[Episode]] = []
    reach: datetime | None = None
    for episode in sorted(episodes, key=lambda e: (e.first, e.last)):
        if reach is None or episode.first - gap > reach:
            chains.append([])
            reach = episode.last
        chains[-1].append(episode)
        reach = max(reach, episode.last)
    return chains
