"""What could not be seen in a span: without it, few alerts and a quiet night look the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from acrwatch.core.wording import counted, noun_of
from acrwatch.report.scope import Scope
from acrwatch.report.traffic import Arrival
from storage.state import counts, incidents, leases, rejects, runs
from storage.state.incidents import Incident

# Azure forwards records 5 to 20 minutes after the event, as users report; what is younger may still be on its way.
_ON_THE_WAY: Final = timedelta(minutes=20)
# A registry whose slowest records took this long was behind by more than Azure's own habit.
_BEHIND: Final = timedelta(hours=1)
# How much the rejects take on disk is no record that was not stored.
_NO_RECORDS: Final = "rejects_bytes"


@dataclass(frozen=True, slots=True)
class Blindness:
    """What kept acrwatch from seeing: of all registries and rules, for a report on some does not see better.

    `unjudged`: by detection, events it could not judge. `failed`: by detection, runs that failed. `waiting`: as
    `Arrival` has it. `refused`: by reason, records refused, and how many of them have not become events since.
    `not_stored`: by UTC date and kind, records passed over. `unwatched`: since when no `acrwatch run` has looked.
    `behind`: by registry, the longest that a record took to arrive, where that is over an hour. `unfinished`: up to
    when the span's last records may still be on their way. `forgotten`: before when runs are not kept any more, where
    the span reaches back there. `empty`: no event of the time is stored; `silent`: nor any of these registries, of
    those that were asked for alone.
    """

    incidents: Sequence[Incident]
    unjudged: Mapping[str, int]
    failed: Mapping[str, int]
    waiting: Mapping[str, int]
    refused: Mapping[str, tuple[int, int]]
    not_stored: Mapping[str, Mapping[str, int]]
    unwatched: datetime | None
    behind: Mapping[str, timedelta]
    unfinished: datetime | None
    forgotten: datetime | None
    empty: bool
    silent: Sequence[str] = ()

    @property
    def reasons(self) -> list[str]:
        """Say in a sentence each why something may have gone unseen; empty where nothing is known to."""
        found = []
        if self.silent:
            found.append(f"No event of {', '.join(self.silent)} is stored for this time")
        elif self.empty:
            found.append("No event of this time is stored at all")
        if self.unwatched is not None:
            found.append(f"No acrwatch run has looked since {self.unwatched:%Y-%m-%d %H:%M}Z")
        if self.incidents:
            found.append(f"{counted(len(self.incidents), 'incident')} kept acrwatch from seeing or telling")
        if self.waiting:
            most = max(self.waiting.values())
            has = noun_of(most, "has", "have")
            found.append(f"{counted(most, 'stored event')} {has} not been judged yet by every detection")
        if self.unjudged:
            times = counted(sum(self.unjudged.values()), "time")
            found.append(f"{times} a detection met an event that it could not judge")
        if self.failed:
            found.append(f"{counted(len(self.failed), 'detection')} failed at least once")
        if left := sum(left for _, left in self.refused.values()):
            found.append(f"{counted(left, 'record')} {noun_of(left, 'was', 'were')} refused and not judged")
        if self.behind:
            found.append(f"Records of {', '.join(self.behind)} came more than an hour late")
        if self.unfinished is not None:
            found.append("The last minutes may not be complete: Azure forwards records 5 to 20 minutes late")
        if self.forgotten is not None:
            before = f"{self.forgotten:%Y-%m-%d %H:%M}Z"
            found.append(f"What detections failed at or could not judge before {before} is not kept any more")
        return found


def gather(
    connection: Connection, scope: Scope, arrival: Arrival, *, now: datetime, keep: timedelta | None
) -> Blindness:
    """Return what is known to have kept acrwatch from seeing in a scope's time; `now` (aware) is the report's, `keep`
    how long the records of runs are kept (None: for good)."""
    kept_from = None if keep is None else now - keep
    unwatched = leases.lapsed(connection, "watch")
    delays = {row["registry"]: row["slowest"] for row in arrival.delays}
    by_date = counts.read(connection, scope.since.date(), scope.until.date())
    passed_over = {
        f"{day:%Y-%m-%d}": {name: number for name, number in kinds.items() if name != _NO_RECORDS}
        for day, kinds in by_date.items()
    }
    return Blindness(
        incidents.during(connection, scope.since, scope.until),
        runs.unjudged(connection, since=scope.since, until=scope.until),
        runs.failures(connection, scope.since, scope.until),
        arrival.waiting,
        rejects.counted(connection, scope.since, scope.until),
        {day: kinds for day, kinds in passed_over.items() if kinds},
        unwatched if unwatched is not None and unwatched < scope.until else None,
        {registry: slowest for registry, slowest in delays.items() if slowest > _BEHIND},
        scope.until if now - scope.until < _ON_THE_WAY else None,
        kept_from if kept_from is not None and scope.since < kept_from else None,
        not arrival.events,
        [name for name in dict.fromkeys(scope.registries) if name not in delays],
    )
