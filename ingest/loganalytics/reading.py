"""What to ask next of one table of one workspace, and what an answer means for how far it has been read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from ingest.loganalytics.query import Query
from ingest.loganalytics.rows import LogRow
from ingest.loganalytics.windows import Window, Windows
from storage.state.log_reads import LogRead

# The service gives at most 500,000 rows and some 100 MB; a row is 1 to 2 KB of JSON, and some 5 KB in the client.
ROWS: Final = 10_000
# Log Analytics replaces the time of a record more than 2 days old by the time it came, so no row comes later with a
# time older than that. (learn.microsoft.com/azure/azure-monitor/logs/data-ingestion-time)
LATEST: Final = timedelta(days=2, hours=1)
# Nor one that lies more than a day ahead.
AHEAD: Final = timedelta(days=1, hours=1)
# Rows become visible some time after the moment that their ingestion_time() tells; and clocks differ.
SETTLE: Final = timedelta(minutes=2)
OVERLAP: Final = timedelta(minutes=10)
LONGEST: Final = timedelta(days=7)
FIRST: Final = timedelta(hours=1)
# A reading that follows has no beginning in time: it goes by when rows were taken in.
NO_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and the window it stands for: of times, or (`late`) of the moments at which rows were taken in."""

    query: Query
    window: Window
    late: bool


class Reading(Protocol):
    """One table of one workspace. Tell it what became of each question before asking for the next."""

    workspace: str
    table: str
    read: LogRead
    """How far it is, once everything handed out is durable."""

    def next(self, now: datetime) -> Asked | None:
        """Return what to ask next; None where nothing is left for now (aware UTC)."""
        ...

    def answered(self, asked: Asked, rows: Sequence[LogRow], at: datetime | None = None) -> list[LogRow]:
        """Take the rows of an answer, in order, and return those that are certain to be all up to some moment; `at` is
        when it was given, by the service's clock."""
        ...

    def too_much(self, asked: Asked) -> None:
        """Take note that the answer was larger than the service gives."""
        ...

    def too_slow(self, asked: Asked, why: str) -> None:
        """Take note that no whole answer came in time, for this reason. Raises RemoteUnreachableError where asking for
        less will not help."""
        ...

    def left(self) -> None:
        """Take note that nothing more is asked for now, and the last question has no answer; `read` stays."""
        ...


class _Stepping:
    """What both readings do with an answer."""

    def __init__(self, workspace: str, table: str, read: LogRead, rows: int) -> None:
        self.workspace = workspace
        self.table = table
        self.read = read
        self._rows = rows
        self._times = Windows(read.reached, first=FIRST, longest=LONGEST)
        self._late = self._late_windows()

    def answered(self, asked: Asked, rows: Sequence[LogRow], at: datetime | None = None) -> list[LogRow]:
        windows, kept = self._late if asked.late else self._times, list(rows)
        if len(rows) < asked.query.limit:
            windows.whole(asked.window, len(rows), asked.query.limit)
        else:
            certain = windows.full(asked.window, _moment(rows[-1], asked))
            kept = [row for row in rows if certain is not None and _moment(row, asked) < certain]
        if asked.late:
            # Where our clock is ahead of the service's the window reached into its future: more will come there.
            upto = windows.position if at is None else min(windows.position, at - SETTLE)
            self.read = replace(self.read, swept=max(self.read.swept, upto))
        else:
            self.read = replace(self.read, reached=windows.position)
        return kept

    def too_much(self, asked: Asked) -> None:
        (self._late if asked.late else self._times).too_much(asked.window)

    def too_slow(self, asked: Asked, why: str) -> None:
        (self._late if asked.late else self._times).too_slow(asked.window, why)

    def left(self) -> None:
        """Nothing to forget: a backfill that was left is not gone on with, the next begins where `read` is."""

    def _late_windows(self) -> Windows:
        return Windows(self.read.swept - OVERLAP, first=FIRST, longest=LONGEST)

    def _asked(self, window: Window, begin: datetime, end: datetime, *, late: bool) -> Asked:
        taken = (window.begin, window.end) if late else None
        query = Query(self.table, begin, end, self._rows, taken, window.part, window.parts)
        return Asked(query, window, late)


class Backfilling(_Stepping):
    """Rows with a time from where the entry ends up to `until`, in their order; then those that came late meanwhile.

    An entry that was read before may lack rows that came since: they are asked for first, by when they were taken in.
    """

    def __init__(self, workspace: str, table: str, read: LogRead, until: datetime, *, rows: int = ROWS) -> None:
        super().__init__(workspace, table, read, rows)
        self.begun = read.reached
        self.until = until
        self._now = read.swept
        self._steps = self._all_steps()

    def next(self, now: datetime) -> Asked | None:
        """Return what to ask next; None where everything has been answered."""
        self._now = now
        return next(self._steps, None)

    def _all_steps(self) -> Iterator[Asked]:
        yield from self._late_rows()
        if self.read.reached >= self.until:
            return
        if not self._owes_late_rows():  # of what was read before none can come any more: of what follows some may
            self.read = replace(self.read, swept=self._now)
        while (window := self._times.next(self.until)) is not None:
            yield self._asked(window, window.begin, window.end, late=False)
        yield from self._late_rows()

    def _late_rows(self) -> Iterator[Asked]:
        if not self._owes_late_rows():
            return
        self._late = self._late_windows()
        upto = min(self._now - SETTLE, self.read.reached + LATEST)
        while (window := self._late.next(upto)) is not None:
            yield self._asked(window, self.read.since, self.read.reached, late=True)

    def _owes_late_rows(self) -> bool:
        return self.read.since < self.read.reached and self.read.swept < self.read.reached + LATEST


class Following(_Stepping):
    """Rows in the order in which Log Analytics took them in, round after round, each up to two minutes ago."""

    def __init__(self, workspace: str, table: str, read: LogRead, *, rows: int = ROWS) -> None:
        super().__init__(workspace, table, read, rows)
        self._upto: datetime | None = None
        self._handed: dict[bytes, datetime] = {}

    def next(self, now: datetime) -> Asked | None:
        """Return what to ask next; None at the end of a round. Asked again after that, it begins the next."""
        if self._upto is None:
            self._upto = now - SETTLE
            if self.read.swept > now + OVERLAP:  # our clock was ahead when this was begun, and went back
                self.read = replace(self.read, swept=now - LATEST)
            self._late = self._late_windows()
        window = self._late.next(self._upto)
        if window is None:
            self._upto = None
            return None
        return self._asked(window, window.begin - LATEST, window.end + AHEAD, late=True)

    def left(self) -> None:
        """End the round: the next one begins where `read` is."""
        self._upto = None

    def answered(self, asked: Asked, rows: Sequence[LogRow], at: datetime | None = None) -> list[LogRow]:
        """As said; without the rows that were handed out in the round before, whose end is asked for again."""
        kept = {row.key: row for row in super().answered(asked, rows, at)}
        new = [row for key, row in kept.items() if key not in self._handed]
        self._handed |= {key: row.taken for key, row in kept.items()}
        forgotten = self.read.swept - 2 * OVERLAP
        self._handed = {key: taken for key, taken in self._handed.items() if taken >= forgotten}
        return new


def _moment(row: LogRow, asked: Asked) -> datetime:
    return row.taken if asked.late else row.time
