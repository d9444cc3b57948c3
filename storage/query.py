"""Reading events: DuckDB over the file list of one snapshot, split into what is judged and what is new.

A reader never sees a half-written commit: it is given files, not a folder.
"""

import os
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

import duckdb
import pyarrow as pa

from acrwatch.core.errors import StoreError
from acrwatch.core.model import BACKFILL, BACKFILL_ALERT
from storage.activity import EVENTS
from storage.interrupting import interrupted_after
from storage.lake.snapshot import Hint, LakeFile, Snapshot, appended, total_rows
from storage.quiet import hide_progress
from storage.schema import ARROW_SCHEMA, PARTITION_COLUMN

# One pass judges about this many new rows, so that a first start on a long history stays within memory.
CHUNK_ROWS: Final = 250_000

_MEMORY: Final = "2GB"

_TICK: Final = timedelta(microseconds=1)

Positions = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Slice:
    """New rows of one pass: those above `judged` and at or below `upto`, per stream.

    `files` hold all of them (and perhaps others); `hint` says where the next pass may go on in the log. `rows` is their
    number, `more` whether the snapshot holds newer ones still.
    """

    judged: Positions
    upto: Positions
    files: tuple[LakeFile, ...]
    hint: Hint | None
    rows: int
    more: bool


@dataclass(frozen=True, slots=True)
class Span:
    """The rows of some time, `since` included and `until` not (aware UTC), for a look at history that has no cursor.

    Earlier rows are there as if judged before, later ones are not there at all. `files` hold all of the span's rows,
    and `rows` is how many rows these files have: more than the span has where it cuts a date in two.
    """

    since: datetime
    until: datetime
    files: tuple[LakeFile, ...]
    rows: int


def span_of(snapshot: Snapshot, since: datetime, until: datetime) -> Span:
    """Return the rows of a snapshot between two moments, `until` not included."""
    files = tuple(snapshot.between(since.astimezone(UTC).date(), (until - _TICK).astimezone(UTC).date()))
    return Span(since, until, files, total_rows(files))


class Relations(Protocol):
    """What detections ask of a database: DuckDB here (`Reader`), a Spark Connect server in `storage.spark`.

    SQL is DuckDB's on either. One that runs elsewhere translates it, and raises StoreError for what it cannot say
    there: never another answer.
    """

    @property
    def snapshot(self) -> Snapshot:
        """The files there are."""
        ...

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Run one SELECT; `$1` is the first parameter. Raises StoreError."""
        ...

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Run one SELECT; return its rows by name of column, times as aware UTC datetimes. Raises StoreError."""
        ...

    def register(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table queryable under a name, in place of one of that name."""
        ...

    def view(
        self,
        name: str,
        part: Slice | Span,
        files: Sequence[LakeFile],
        *,
        lateness: timedelta,
        derived: Mapping[str, str],
        where: str = EVENTS,
    ) -> None:
        """Define a view over files, as `viewed` says."""
        ...

    def hold(self, name: str, select: str) -> None:
        """Keep what a SELECT gives now under a name, in place of one of that name, for many questions to come."""
        ...


@dataclass(frozen=True, slots=True)
class _Extent:
    """The new rows of one stream in one file: their first and last position, and how many they are."""

    source: str
    first: int
    last: int
    rows: int
    path: str


class Reader:
    """Queries over one snapshot. Times come out as aware UTC datetimes. Not thread-safe; close it."""

    def __init__(self, snapshot: Snapshot, *, threads: int = 2) -> None:
        self.snapshot = snapshot
        self._looked: dict[tuple[tuple[str, int], ...], list[_Extent]] = {}
        self._seconds = 0.0
        self._left: float | None = None
        spill = str(Path(tempfile.gettempdir()) / f"acrwatch-duckdb-{os.getpid()}")
        self._connection = duckdb.connect(config={"threads": threads, "memory_limit": _MEMORY, "temp_directory": spill})
        self._connection.execute("SET TimeZone = 'UTC'")
        hide_progress(self._connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Run one SELECT. Raises StoreError when a file is gone (vacuumed), memory or the time of `within` runs out, or
        the SQL is wrong."""
        with self._failures(), self._interrupted_in_time():
            return self._connection.sql(sql, params=list(parameters)).to_arrow_table()

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """See Relations.rows. Binds the statement once, where `query` does so twice: half of what a short one takes."""
        with self._failures(), self._interrupted_in_time():
            done = self._connection.execute(sql, list(parameters))
            columns, found = done.description, done.fetchall()
        times = [name for name, kind, *_ in columns if str(kind) == "TIMESTAMP WITH TIME ZONE"]
        return rows_of([name for name, *_ in columns], found, times)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except duckdb.InterruptException as error:
            raise StoreError(
                f"The queries took longer than the {self._seconds:g} s they may take",
                remedy="Make the condition simpler: fewer regular expressions, fewer values in its lists",
            ) from error
        except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
            raise StoreError(f"Cannot read events below {self.snapshot.root}: {error}") from error
        except duckdb.Error as error:
            raise StoreError(f"The query failed: {error}") from error
        except RuntimeError as error:  # what `execute` makes of SQL that holds half of a character
            raise StoreError(f"The query is no text that DuckDB reads: {error}") from error

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Let the queries of this block take so long together; the one that would take longer raises StoreError.

        What is done between them does not count.
        """
        self._seconds = self._left = seconds
        try:
            yield
        finally:
            self._left = None

    @contextmanager
    def _interrupted_in_time(self) -> Iterator[None]:
        if self._left is None:
            yield
            return
        if self._left <= 0:
            raise duckdb.InterruptException("no time is left")
        started = time.monotonic()
        try:
            with interrupted_after(self._connection, self._left):
                yield
        finally:
            self._left -= time.monotonic() - started

    def register(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table queryable under a name; a second one of the same name replaces the first."""
        self._connection.register(name, table)

    def slice_after(self, judged: Positions, hint: Hint | None, *, chunk_rows: int = CHUNK_ROWS) -> Slice:
        """Find the next rows beyond `judged`, whole commits at a time, about `chunk_rows` of them.

        Commits that hold none are passed over: a slice without rows means that the snapshot has none left.
        """
        versions = appended(self.snapshot, hint)
        if versions is None:
            return self._slice_by_position(judged, chunk_rows)
        taken: list[LakeFile] = []
        reached = self.snapshot.version
        for version, files in versions:
            if taken and total_rows(taken) + total_rows(files) > chunk_rows:
                upto, rows = self._reach(judged, taken)
                if rows:
                    return Slice(judged, upto, tuple(taken), self._hint(reached), rows, more=True)
                taken.clear()
            taken.extend(files)
            reached = version
        upto, rows = self._reach(judged, taken)
        return Slice(judged, upto, tuple(taken), self._hint(self.snapshot.version), rows, more=False)

    def whole(self) -> Slice:
        """Return everything in the snapshot as one slice, up to the newest sequence number of every stream."""
        upto, rows = self._reach({}, self.snapshot.files)
        return Slice({}, upto, self.snapshot.files, self._hint(self.snapshot.version), rows, more=False)

    def view(
        self,
        name: str,
        part: Slice | Span,
        files: Sequence[LakeFile],
        *,
        lateness: timedelta,
        derived: Mapping[str, str],
        where: str = EVENTS,
    ) -> None:
        """Define a view over these files: see `viewed`."""
        if isinstance(part, Slice):
            self._connection.register(positions_of(name), positions_table(part))
        select = viewed(name, part, self._files(files), lateness=lateness, derived=derived, where=where)
        self._connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {select}")

    def hold(self, name: str, select: str) -> None:
        """Read what a SELECT gives into memory (beyond its limit to disk). Raises StoreError as `query` does."""
        with self._failures(), self._interrupted_in_time():
            self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {select}")

    def _files(self, files: Sequence[LakeFile], *, named: bool = False) -> str:
        if not files:
            empty = ARROW_SCHEMA.remove(1).append(pa.field("filename", pa.string())).empty_table()
            self._connection.register("no_events", empty if named else empty.drop_columns(["filename"]))
            return "no_events"
        paths = ", ".join("'" + str(self.snapshot.root / file.path).replace("'", "''") + "'" for file in files)
        name = ", filename=true" if named else ""
        return f"read_parquet([{paths}], union_by_name=true, hive_partitioning=false{name})"

    def _reach(self, judged: Positions, files: Sequence[LakeFile]) -> tuple[Positions, int]:
        self._connection.register("judged_positions", _pairs_table(judged))
        found = self.rows(
            "SELECT e.source AS source, max(e.sequence_number) AS upto, count(*) AS rows "
            f"FROM {self._files(files)} e LEFT JOIN judged_positions p ON p.source = e.source "
            f"WHERE e.sequence_number > coalesce(p.position, {-(2**63)}) GROUP BY e.source"
        )
        return {**judged, **{row["source"]: row["upto"] for row in found}}, sum(row["rows"] for row in found)

    def _slice_by_position(self, judged: Positions, chunk_rows: int) -> Slice:
        """Find new rows without the log's help, by looking at every file's positions.

        Only the first look goes through all files, for a few numbers of each; what is cut, and handed on to be read
        again by detections, are the files that the next rows can be in.
        """
        extents = self._extents(judged)
        files = self._next_files(extents, chunk_rows)
        self._connection.register("judged_positions", _pairs_table(judged))
        found = self.rows(
            "WITH counted AS (SELECT e.source AS source, e.sequence_number AS position, count(*) AS rows "
            f"FROM {self._files(files)} e LEFT JOIN judged_positions p ON p.source = e.source "
            f"WHERE e.sequence_number > coalesce(p.position, {-(2**63)}) GROUP BY ALL), "
            "running AS (SELECT *, sum(rows) OVER (ORDER BY source, position) - rows AS before FROM counted) "
            "SELECT source, max(position) AS upto, sum(rows) AS rows FROM running WHERE before < $1 GROUP BY source",
            [chunk_rows],
        )
        upto = {**judged, **{row["source"]: row["upto"] for row in found}}
        rows = sum(int(row["rows"]) for row in found)
        more = rows < sum(extent.rows for extent in extents)
        return Slice(judged, upto, tuple(files), None if more else self._hint(self.snapshot.version), rows, more)

    def _extents(self, judged: Positions) -> Sequence[_Extent]:
        """Return where each file's rows beyond `judged` lie, by stream and first position; every detection at the same
        positions gets the same answer without another look."""
        key = tuple(sorted(judged.items()))
        if key not in self._looked:
            self._connection.register("judged_positions", _pairs_table(judged))
            found = self.rows(
                "SELECT e.source AS source, min(e.sequence_number) AS first, max(e.sequence_number) AS last, "
                f"count(*) AS rows, e.filename AS path FROM {self._files(self.snapshot.files, named=True)} e "
                "LEFT JOIN judged_positions p ON p.source = e.source "
                f"WHERE e.sequence_number > coalesce(p.position, {-(2**63)}) GROUP BY ALL ORDER BY 1, 2, 3, 5"
            )
            self._looked[key] = [_Extent(**row) for row in found]
        return self._looked[key]

    def _next_files(self, extents: Sequence[_Extent], chunk_rows: int) -> list[LakeFile]:
        """Return the files that hold the next `chunk_rows` rows, and all others that reach into the same positions."""
        last: dict[str, int] = {}
        rows = 0
        for extent in extents:
            if rows >= chunk_rows:
                break
            last[extent.source] = max(extent.last, last.get(extent.source, extent.last))
            rows += extent.rows
        wanted = {extent.path for extent in extents if extent.source in last and extent.first <= last[extent.source]}
        return [file for file in self.snapshot.files if str(self.snapshot.root / file.path) in wanted]

    def _hint(self, version: int) -> Hint | None:
        entry = Snapshot(self.snapshot.root, version, ()).entry_hash()
        return None if entry is None else Hint(version, entry)


def viewed(
    name: str,
    part: Slice | Span,
    relation: str,
    *,
    lateness: timedelta,
    derived: Mapping[str, str],
    where: str = EVENTS,
) -> str:
    """Return the SELECT of a view: every column, `event_date`, `is_new`, `late`, and the derived expressions.

    `where` (SQL over `e`) says which kind of rows: those of registries themselves, unless told otherwise.

    Rows beyond the slice (or span) are left out, so that a pass is a function of the rows up to there and of nothing
    else. `late` is true where the event arrived more than `lateness` after it happened; it arrived when the event hub
    took it, or, by other roads, when it was stored. History that was backfilled is late whatever its age, or, where
    people asked for its alerts, counts as having arrived when it happened. A slice's positions are read from the table
    `positions_of(name)`.
    """
    extra = "".join(f", {expression} AS {column}" for column, expression in derived.items())
    late = (
        f"(e.source LIKE '{BACKFILL}%' OR CASE WHEN e.source LIKE '{BACKFILL_ALERT}%' THEN 0 "
        f"ELSE epoch_us(coalesce(enqueued_time, ingested_at)) - epoch_us(event_time) END > {_microseconds(lateness)})"
    )
    if isinstance(part, Slice):
        is_new = f"e.sequence_number > coalesce(p.judged, {-(2**63)})"
        rest = f"JOIN {positions_of(name)} p ON p.source = e.source WHERE e.sequence_number <= p.upto"
    else:
        is_new, rest = f"e.event_time >= {moment(part.since)}", f"WHERE e.event_time < {moment(part.until)}"
    return (
        f"SELECT e.*, CAST(e.event_time AS DATE) AS {PARTITION_COLUMN}, {is_new} AS is_new, {late} AS late{extra} "
        f"FROM {relation} e {rest} AND {where}"
    )


def rows_of(columns: Sequence[str], found: Iterable[Sequence[Any]], times: Collection[str]) -> list[dict[str, Any]]:
    """Return rows by name of column, those named in `times` as UTC; times within structures stay as they are."""
    rows = [dict(zip(columns, row, strict=True)) for row in found]
    for name in times:
        for row in rows:
            if row[name] is not None:
                row[name] = row[name].astimezone(UTC)
    return rows


def positions_of(name: str) -> str:
    """Return the name of the table of positions that a view of this name reads."""
    return f"{name}_positions"


def moment(time: datetime) -> str:
    """Return an SQL literal of a moment (aware), to the microsecond."""
    return f"TIMESTAMPTZ '{time.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00'"


def _microseconds(span: timedelta) -> int:
    return span // _TICK


def _pairs_table(positions: Positions) -> pa.Table:
    return pa.table(
        {"source": pa.array(positions.keys(), pa.string()), "position": pa.array(positions.values(), pa.int64())}
    )


def positions_table(part: Slice) -> pa.Table:
    """Return the positions of a slice, by source: judged up to, and reaching to."""
    return pa.table(
        {
            "source": pa.array(part.upto.keys(), pa.string()),
            "judged": pa.array([part.judged.get(source) for source in part.upto], pa.int64()),
            "upto": pa.array(part.upto.values(), pa.int64()),
        }
    )
