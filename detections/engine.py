"""A detection pass: every detection judges the rows beyond its own cursor, each in a transaction of its own.

What one run changes (alerts, profile, outbox, the run's record) and its cursor move together or not at all, guarded by
compare-and-swap on the cursor. So a pass may be killed anywhere, repeated, or run twice at once: the result is that of
running once. A detection that raises leaves nothing behind but the record of its failure.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Connection

from acrwatch.core.clock import Clock
from acrwatch.core.crashpoint import reach
from acrwatch.core.errors import ConflictError, RemoteUnreachableError, StateUnavailableError
from detections import failure, risk
from detections.alerting import ENGINE, Alerting
from detections.assessing import RiskWatch, assess
from detections.context import Context, ContextSource
from detections.detection import Detection, Group, Judgement, Metadata
from detections.events import NewEvents
from detections.lanes import Lanes
from detections.notices import Publishing
from detections.slices import Slices
from storage.lake import Lake
from storage.query import CHUNK_ROWS, Reader, Slice
from storage.state import contexts, runs, stages
from storage.state.database import Database
from storage.state.risk import waiting
from storage.state.runs import Cursor, Run
from storage.state.stages import Step

log = logging.getLogger(__name__)

# An age that every event has, even one from a clock that goes ahead: it arrived more than -100 years after it happened.
LATE_ALL: Final = -timedelta(days=36_500)

# On two cores a rule looks through the 250,000 rows of a chunk in well under a second: a hundred times that is no
# slowness of the machine but a rule that must not hold up the others.
QUERY_SECONDS: Final = 120.0

# For what detections that found nothing ask in their one transaction: others wait for it to write, 60 s at most.
_TOGETHER_SECONDS: Final = 20.0

# Nothing that a detection could be blamed for: the pass ends, its job fails, and the next one tries again.
_DATABASE_AWAY: Final = (RemoteUnreachableError, StateUnavailableError)

# Commits without new rows that are read again before the hint moves on; each costs a fraction of a millisecond.
_HINT_EVERY: Final = 50


@dataclass(frozen=True, slots=True)
class Passed:
    """What one pass did, over all detections. `more` says that newer rows wait still."""

    new_events: int = 0
    created: int = 0
    updated: int = 0
    failed: tuple[str, ...] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class Engine:
    """Runs detections over a lake and keeps their alerts in a database.

    The queries of one detection over one slice may take `query_seconds` together; beyond that its run fails.

    `on_alerts` is called whenever a run's alerts are committed, so that they go out while other detections still judge;
    it must return at once. One engine per thread. Several engines over the same stores are safe; the losers of a race
    change nothing.
    """

    lake: Lake
    database: Database
    detections: Mapping[str, Detection]
    context: ContextSource
    clock: Clock
    lateness: timedelta = timedelta(hours=24)
    publishing: Publishing = field(default_factory=Publishing)
    chunk_rows: int = CHUNK_ROWS
    query_seconds: float = QUERY_SECONDS
    on_alerts: Callable[[], object] = lambda: None

    def run_until_done(self) -> Passed:
        """Run passes until no new row is left; return what they did together.

        Raises RemoteUnreachableError or StateUnavailableError when the database goes away, is full or locked; what was
        judged by then stays judged.
        """
        total = Passed()
        for step in self.passes():
            total = Passed(
                total.new_events + step.new_events,
                total.created + step.created,
                total.updated + step.updated,
                tuple(sorted({*total.failed, *step.failed})),
                step.more,
            )
        return total

    def passes(self) -> Iterator[Passed]:
        """Run pass after pass until no new row is left, and yield what each did.

        A detection that fails is left out from then on, so that it neither stops the others nor is tried in a loop.
        """
        failed: set[str] = set()
        more = True
        while more:
            step = self.run_pass(leave_out=failed)
            failed.update(step.failed)
            more = step.more
            yield step

    def run_pass(self, *, leave_out: Collection[str] = ()) -> Passed:
        """Let every detection judge its next slice of new rows, but for those whose slug is in `leave_out`."""
        with Reader(self.lake.snapshot()) as reader:
            cursors, context, left_out = self._cursors(), self._context(), {*leave_out, *self._retired()}
            chosen = {slug: detection for slug, detection in self.detections.items() if slug not in left_out}
            pairs = [(detection, cursors.get(slug)) for slug, detection in chosen.items()]
            slices, quiet = self._slices(reader, context, pairs), list[_Turn]()
            outcomes = [self._run(slices, detection, cursor, quiet) for detection, cursor in pairs]
            outcomes += self._judge_together(slices, quiet)
        if risk.SLUG not in left_out:
            outcomes.append(self._assess(context))
        return Passed(
            max((outcome.new_events for outcome in outcomes), default=0),
            sum(outcome.created for outcome in outcomes),
            sum(outcome.updated for outcome in outcomes),
            tuple(slug for outcome in outcomes for slug in outcome.failed),
            any(outcome.more for outcome in outcomes),
        )

    def _context(self) -> Context:
        """Return the context that one pass judges by, all of it: what changes meanwhile counts from the next on."""
        with self.database.connect() as connection:
            return self.context.current(connection, now=self.clock.now())

    def _cursors(self) -> Mapping[str, Cursor]:
        with self.database.connect() as connection:
            cursors = runs.load(connection)
        if cursors:
            return cursors
        versions = {slug: detection.metadata.version for slug, detection in self.detections.items()}
        with self.database.begin() as connection:
            runs.start_first(connection, versions, now=self.clock.now())
            for detection in self.detections.values():
                _begin_life(connection, detection.metadata, self.clock.now())
            return runs.load(connection)

    def _retired(self) -> set[str]:
        files_say = {slug: detection.metadata.stage for slug, detection in self.detections.items()}
        files_say[risk.SLUG] = risk.METADATA.stage
        with self.database.connect() as connection:
            return stages.retired(connection, files_say, now=self.clock.now())

    def _slices(
        self, reader: Reader, context: Context, detections: Sequence[tuple[Detection, Cursor | None]]
    ) -> Slices:
        with self.database.connect() as connection:
            failing = failure.failing(connection)
        return Slices(
            reader,
            context,
            detections,
            failing,
            chunk_rows=self.chunk_rows,
            lateness=self.lateness,
            seconds=self.query_seconds,
        )

    def _run(self, slices: Slices, detection: Detection, cursor: Cursor | None, quiet: list["_Turn"]) -> Passed:
        """Judge one slice, or add to `quiet` what brings nothing to judge; `cursor` is None for a detection added to
        others that run already."""
        metadata, started = detection.metadata, self.clock.now()

        def work() -> Passed:
            if cursor is None:
                self._begin_at_head(slices.reader, detection, slices.context)
                return Passed()
            part, events = slices.after(cursor)
            if events is None:
                self._keep_hint(detection, cursor, part)
                self._end_failure(slices, metadata.slug)
                return Passed()
            with slices.reader.within(self.query_seconds):
                turn = _Turn(detection, cursor, events, part, started, detection.observe(events))
                reach("pass.observed")
                if turn.observed:
                    return self._judge(slices, [turn])
            quiet.append(turn)
            return Passed()

        return self._attempt(slices, detection, started, cursor, work)

    def _attempt(
        self,
        slices: Slices,
        detection: Detection,
        started: datetime,
        cursor: Cursor | None,
        work: Callable[[], Passed],
    ) -> Passed:
        """Do a detection's work; where it raises, record that its run failed."""
        slug = detection.metadata.slug
        try:
            return work()
        except ConflictError as error:
            log.info("%s", error)
            return Passed(more=True)
        except _DATABASE_AWAY:
            raise
        except Exception as error:  # the rule loop: whatever a detection raises is a failed run
            log.exception("detection %s failed", slug)
            self._record_failure(detection, started, slices.rows_after(cursor), error)
            return Passed(failed=(slug,))

    def _judge_together(self, slices: Slices, quiet: Sequence["_Turn"]) -> list[Passed]:
        """Judge by all detections that found nothing in one transaction for each slice: as many commits, with a sync
        to disk each, would take longer than all questions. Where one raises, each judges by itself."""
        outcomes = []
        for _, members in groupby(quiet, key=lambda turn: id(turn.part)):
            turns = list(members)
            try:
                with slices.reader.within(min(_TOGETHER_SECONDS, self.query_seconds)):
                    outcomes.append(self._judge(slices, turns))
            except ConflictError as error:
                log.info("%s", error)
                outcomes.append(Passed(more=True))
            except _DATABASE_AWAY:
                raise
            except Exception as error:  # the rule loop: below it is told whose error it is
                log.info("judging together failed, so each by itself: %s", error, exc_info=True)
                outcomes += [self._judge_alone(slices, turn) for turn in turns]
        return outcomes

    def _judge_alone(self, slices: Slices, turn: "_Turn") -> Passed:
        def work() -> Passed:
            with slices.reader.within(self.query_seconds):
                return self._judge(slices, [turn])

        return self._attempt(slices, turn.detection, turn.started, turn.cursor, work)

    def _assess(self, context: Context) -> Passed:
        """Judge what the alerts that changed, by a run or by a person, say together of whom they are about."""
        started = self.clock.now()
        try:
            with self.database.connect() as connection:
                if not waiting(connection):
                    return Passed()
            with self.database.begin() as connection:
                done = assess(connection, self.publishing, context_version=context.version(), now=started)
                if done.created or done.updated:
                    contexts.remember(connection, context.document(), context.version(), now=started)
                failure.recovered(connection, risk.SLUG, self.publishing, now=started)
        except ConflictError as error:
            log.info("%s", error)
            return Passed(more=True)
        except _DATABASE_AWAY:
            raise
        except Exception as error:  # the rule loop: no alert of a rule hangs on this
            log.exception("detection %s failed", risk.SLUG)
            self._record_failure(RiskWatch(), started, 0, error)
            return Passed(failed=(risk.SLUG,))
        if done.created or done.updated:
            self.on_alerts()
        return Passed(0, done.created, done.updated, (), done.more)

    def _begin_at_head(self, reader: Reader, detection: Detection, context: Context) -> None:
        """Let a detection build its profile, if it keeps one, from what lies before; it reports nothing of that.

        All of it counts as late: what a profile says of the past may appear beside what comes, but wakes nobody.
        """
        metadata, past = detection.metadata, reader.whole()
        observed = None
        if detection.has_profile:
            observed = detection.observe(NewEvents(reader, past, context, lateness=LATE_ALL))
        with self.database.begin() as connection:
            now = self.clock.now()
            mine = runs.start_at(connection, metadata.slug, past.upto, past.hint, version=metadata.version, now=now)
            if mine:
                _begin_life(connection, metadata, now)
            if mine and detection.has_profile:
                detection.judge(observed, connection)
            failure.recovered(connection, metadata.slug, self.publishing, now=now)

    def _keep_hint(self, detection: Detection, cursor: Cursor, part: Slice) -> None:
        """Remember how far the log was read in vain, now and then: else each pass reads it all again."""
        if part.hint is None or (cursor.hint is not None and part.hint.version - cursor.hint.version < _HINT_EVERY):
            return
        moved = [(cursor, detection.metadata.version)]
        with self.database.begin() as connection:
            runs.advance(connection, moved, cursor.positions, part.hint, now=self.clock.now())

    def _end_failure(self, slices: Slices, slug: str) -> None:
        """Take note that a detection which failed can read again, though there is nothing new to judge."""
        if slug in slices.failing:
            with self.database.begin() as connection:
                failure.recovered(connection, slug, self.publishing, now=self.clock.now())

    def _judge(self, slices: Slices, turns: Sequence["_Turn"]) -> Passed:
        """Let detections judge what they observed of one slice, in one transaction.

        Those with which another run was first meanwhile are left to it, and asked again in the next pass.
        """
        part, made = turns[0].part, []
        with self.database.begin() as connection:
            now = self.clock.now()
            cursors = [(turn.cursor, turn.detection.metadata.version) for turn in turns]
            moved = runs.advance(connection, cursors, part.upto, part.hint, now=now)
            ours = [turn for turn in turns if turn.detection.metadata.slug in moved]
            if not ours:
                return Passed(more=True)
            made = [self._settle(connection, turn, slices.context, now) for turn in ours]
            runs.record(connection, *made)
            for slug in slices.failing.intersection(run.detection for run in made):
                failure.recovered(connection, slug, self.publishing, now=now)
            reach("pass.before_commit")
        reach("pass.committed")
        created, updated = sum(run.alerts_created for run in made), sum(run.alerts_updated for run in made)
        if created or updated:
            self.on_alerts()
        return Passed(part.rows, created, updated, (), part.more or len(ours) < len(turns))

    def _settle(self, connection: Connection, turn: "_Turn", context: Context, now: datetime) -> Run:
        """Bring what one detection makes of its slice into the alerts; return what there is to record."""
        detection = turn.detection
        judgement = detection.judge(turn.observed, connection)
        created = updated = 0
        if judgement:
            version = contexts.remember(connection, context.document(), context.version(), now=now)
            lanes = _lanes(connection, detection.metadata, judgement)
            alerting = Alerting(detection, turn.events, connection, version, self.publishing, now, lanes)
            publish(alerting, judgement)
            created, updated = alerting.created, alerting.updated
        return Run(
            detection=detection.metadata.slug,
            rule_version=detection.metadata.version,
            started_at=turn.started,
            finished_at=now,
            outcome=runs.SUCCEEDED,
            new_events=turn.part.rows,
            matched=judgement.matched,
            unjudged=judgement.unjudged,
            alerts_created=created,
            alerts_updated=updated,
        )

    def _record_failure(self, detection: Detection, started: datetime, rows: int, error: Exception) -> None:
        """Make a failed run visible: its record, an incident and an alert, until a run succeeds."""
        metadata, now = detection.metadata, self.clock.now()
        message = f"{type(error).__name__}: {error}"[:2000].replace("\0", "")  # PostgreSQL keeps no NUL
        with self.database.begin() as connection:
            runs.record(
                connection,
                Run(metadata.slug, metadata.version, started, now, runs.FAILED, rows, error=message),
            )
            failure.raised(connection, detection, message, self.publishing, now=now)


def _begin_life(connection: Connection, metadata: Metadata, now: datetime) -> None:
    """Write down that a rule's file does not have it active, so that a later edit rewrites nothing."""
    if metadata.stage != stages.ACTIVE and metadata.slug not in stages.steps(connection, metadata.slug):
        reason = f"its file says x_stage: {metadata.stage}"
        stages.take(connection, Step(metadata.slug, metadata.stage, stages.ALWAYS, now, ENGINE, reason))


def _lanes(connection: Connection, metadata: Metadata, judgement: Judgement) -> Lanes:
    """Return what sorts the matches of a judgement; nothing is asked where there are none."""
    found = [match for group in (judgement.matches, judgement.replaced) for some in group.values() for match in some]
    if not found:
        return Lanes()
    return Lanes.load(connection, metadata, min(one.first for one in found), max(one.last for one in found))


@dataclass(frozen=True, slots=True)
class _Turn:
    """What one detection observed of a slice, and is still to judge."""

    detection: Detection
    cursor: Cursor
    events: NewEvents
    part: Slice
    started: datetime
    observed: Any


def publish(alerting: Alerting, judgement: Judgement) -> None:
    """Bring a judgement into the alerts, in an order that does not hang on how it was found."""
    for group in sorted(judgement.matches, key=str):
        alerting.add(group, judgement.matches[group])
    for group in sorted(judgement.replaced, key=str):
        alerting.replace(group, judgement.replaced[group])
    beside: dict[Group, list[datetime]] = {}
    for group, time in judgement.touched:
        beside.setdefault(group, []).append(time)
    for group in sorted(beside, key=str):
        alerting.recount(group, beside[group])
