"""What detections would have found in a span of history, without writing anything: the core of a backtest.

A trial is the engine's own judgement (observe, judge, episodes into alerts) over the rows of a span, with a state of
its own that is thrown away. It runs on whatever answers the SQL of a detection: DuckDB, or a Spark Connect server.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from acrwatch.core.errors import RemoteUnreachableError
from detections.alerting import Alerting
from detections.context import Context
from detections.detection import Detection
from detections.engine import LATE_ALL, publish
from detections.events import NewEvents
from detections.notices import Publishing
from storage.lake.snapshot import Snapshot
from storage.query import CHUNK_ROWS, Relations, span_of
from storage.state import alerts
from storage.state.alerts import Alert
from storage.state.aside import database_aside

log = logging.getLogger(__name__)

_DAY: Final = timedelta(days=1)

# Tells how far a trial is: the detection's slug, and the moment up to which history was judged.
Progress = Callable[[str, datetime], object]


@dataclass(frozen=True, slots=True)
class Trial:
    """What one detection would have found.

    `alerts` are those that would stand, oldest first, each with its group, times, count, evidence, entities and reason;
    their ids mean nothing. `matched` counts matching events, `unjudged` those that could not be judged. `seconds` is
    the time on the clock. `error` says why a detection failed; then it has no alerts.
    """

    slug: str
    alerts: tuple[Alert, ...]
    matched: int
    unjudged: int
    seconds: float
    error: str | None = None


def try_rules(
    detections: Mapping[str, Detection],
    events: Relations,
    context: Context,
    since: datetime,
    until: datetime,
    *,
    lateness: timedelta = timedelta(hours=24),
    chunk_rows: int = CHUNK_ROWS,
    progress: Progress = lambda _slug, _moment: None,
) -> Iterator[Trial]:
    """Yield, as each is done, what every detection would have found between two moments (aware; `until` not included).

    Events before `since` count as judged: a window or a profile may reach back to them, no alert is made of them alone.
    Those from `until` on are as if they had not happened yet. History is judged some dates at a time, about
    `chunk_rows` rows of them, so that a long span needs no more memory than a short one. A detection that raises is a
    Trial with an error; the others go on.
    """
    parts = _Parts(events, context)
    for slug, detection in detections.items():
        started = time.perf_counter()
        try:
            with database_aside() as connection:
                tried = _Tried(detection, parts, context, lateness, connection, until)
                if detection.has_profile:
                    tried.learn(since, chunk_rows)
                for low, high in _steps(events.snapshot, since, until, chunk_rows):
                    tried.judge(low, high)
                    progress(slug, high)
                found = tried.standing()
            yield Trial(slug, found, tried.matched, tried.unjudged, time.perf_counter() - started)
        except RemoteUnreachableError:
            raise  # the engine is away: nothing that this detection could be blamed for
        except Exception as error:  # the rule loop, as in the engine: whatever a detection raises is a failed trial
            log.info("the trial of %s failed", slug, exc_info=True)
            message = f"{type(error).__name__}: {error}"
            yield Trial(slug, (), 0, 0, time.perf_counter() - started, message)


@dataclass(slots=True)
class _Tried:
    """One detection on trial, with the state it has so far."""

    detection: Detection
    parts: "_Parts"
    context: Context
    lateness: timedelta
    connection: Connection
    now: datetime
    matched: int = 0
    unjudged: int = 0

    def learn(self, until: datetime, chunk_rows: int) -> None:
        """Build the profile from what lies before, and report nothing of it."""
        files = self.parts.events.snapshot.files
        if files:
            since = datetime.combine(min(file.date for file in files), datetime.min.time(), UTC)
            for low, high in _steps(self.parts.events.snapshot, since, until, chunk_rows):
                part = self.parts.between(low, high, LATE_ALL)
                self.detection.judge(self.detection.observe(part), self.connection)

    def judge(self, since: datetime, until: datetime) -> None:
        """Judge a span, and add what matches to the alerts."""
        part = self.parts.between(since, until, self.lateness)
        judgement = self.detection.judge(self.detection.observe(part), self.connection)
        alerting = Alerting(self.detection, part, self.connection, self.context.version(), Publishing(), self.now)
        publish(alerting, judgement)
        self.matched += judgement.matched
        self.unjudged += judgement.unjudged

    def standing(self) -> tuple[Alert, ...]:
        """Return the alerts that stand, building blocks among them, oldest first."""
        found = alerts.find(self.connection, blocks=True)
        return tuple(sorted(found, key=lambda alert: (alert.first_seen, alert.group_key)))


@dataclass(slots=True)
class _Parts:
    """The spans that are judged. Detections that ask for the same one, one after the other, share it: to set one up
    takes some fifteen exchanges with a server."""

    events: Relations
    context: Context
    _last: tuple[tuple[datetime, datetime, timedelta], NewEvents] | None = None

    def between(self, since: datetime, until: datetime, lateness: timedelta) -> NewEvents:
        """Return the events of a span; those of another span may not be used any more."""
        key = (since, until, lateness)
        if self._last is None or self._last[0] != key:
            part = span_of(self.events.snapshot, since, until)
            self._last = (key, NewEvents(self.events, part, self.context, lateness=lateness))
        return self._last[1]


def _steps(
    snapshot: Snapshot, since: datetime, until: datetime, chunk_rows: int
) -> Iterator[tuple[datetime, datetime]]:
    """Yield stretches of whole dates that hold about `chunk_rows` rows each, the first and the last cut to the span."""
    rows: dict[datetime, int] = {}
    for file in snapshot.files:
        day = datetime.combine(file.date, datetime.min.time(), UTC)
        rows[day] = rows.get(day, 0) + file.rows
    low, held = since, 0
    for day in sorted(day for day in rows if since - _DAY < day < until):
        if held and held + rows[day] > chunk_rows:
            yield low, day
            low, held = day, 0
        held += rows[day]
    if held:
        yield low, until
