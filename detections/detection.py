"""The contract every detection meets, declarative rule or behavioural module alike."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Protocol

from sqlalchemy import Connection

from detections.episode import Episode
from detections.events import NewEvents

# The fields a detection groups by, with their values as the events have them.
Group = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Metadata:
    """What every detection says of itself.

    `slug` is its public name and file name, `version` the hash of its content. Matches of one group within `group_for`
    of each other are one alert. `entities` maps an entity type to the group field or evidence field holding it.
    `reason` is a template over group fields, facts and `count`. `stage` (staged, building-block, active, retired) is
    where its life begins; from then on people decide (`storage.state.stages`). `no_technique` says why no ATT&CK
    technique is among the tags, where none is.
    """

    slug: str
    id: str
    version: str
    title: str
    description: str
    level: str
    status: str
    author: str
    date: str
    group_by: tuple[str, ...]
    group_for: timedelta
    entities: Mapping[str, str]
    reason: str
    tags: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    falsepositives: tuple[str, ...] = ()
    blind_spots: tuple[str, ...] = ()
    runbook: tuple[str, ...] = ()
    tests: tuple[Mapping[str, Any], ...] = ()
    stage: str = "active"
    no_technique: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a detection found in one slice of new events.

    `matches` are events not reported before, by group: they are added to what alerts hold. `replaced` states, for the
    groups it names, everything that stands now: alerts it no longer covers are withdrawn. A detection uses one or the
    other for a group. `touched` names groups and times of events that are no matches but whose number an alert nearby
    states. `unjudged` counts events that the detection should have judged and could not.
    """

    matches: Mapping[Group, Sequence[Episode]] = field(default_factory=dict)
    replaced: Mapping[Group, Sequence[Episode]] = field(default_factory=dict)
    touched: frozenset[tuple[Group, datetime]] = frozenset()
    matched: int = 0
    unjudged: int = 0

    def __bool__(self) -> bool:
        """Whether there is anything to write down but that the events were judged."""
        return bool(self.matches or self.replaced or self.touched or self.matched or self.unjudged)


class Detection(Protocol):
    """Judges new events. Pure but for its own profile: the same rows in whatever slices give the same standing matches.

    It must not catch its own errors: the engine records a raising detection as a failed run, and nothing of the run
    stands.

    `has_profile` says that it keeps one, to be built from history when the detection is added later.
    """

    has_profile: ClassVar[bool]

    @property
    def metadata(self) -> Metadata:
        """What the detection says of itself."""
        ...

    @property
    def asks(self) -> Collection[str]:
        """The conditions (SQL over `e`) by which `observe` asks for new events, letter by letter: they are put to the
        events once for all detections. Others it may ask by as well, at the cost of a question each."""
        ...

    def observe(self, events: NewEvents, /) -> Any:
        """Read what the judgement needs of the events; runs outside any transaction, so it may take its time.

        What is false (an empty Judgement) says that the events bring nothing to judge: the engine then asks `judge`
        together with other such detections, in one transaction.
        """
        ...

    def judge(self, observed: Any, connection: Connection, /) -> Judgement:
        """Return what the observed events add, or replace.

        Runs inside the transaction that also moves the detection's cursor. A detection with a profile reads and writes
        it through `connection` and touches nothing else there; one without ignores it.
        """
        ...

    def nearby(self, events: NewEvents, group: Group, episode: Episode, known: Episode | None, /) -> Mapping[str, Any]:
        """Return facts about the surroundings of an alert's whole interval; empty where none apply.

        `known` is what the alert held before this run, its notes true of the rows judged until then, so that only
        what is new needs to be counted; None where that cannot be relied on.
        """
        ...
