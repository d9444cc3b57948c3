"""Reading events: DuckDB over the file list of one snapshot, split into what is judged and what is new.

A reader never sees a half-written commit: it is given files, not a folder.
"""

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import duckdb
import pyarrow as pa

from acrwatch.core.errors import StoreError
from storage.lake.snapshot import Hint, LakeFile, Snapshot, appended, total_rows
from storage.schema import ARROW_SCHEMA, PARTITION_COLUMN

# One pass judges about this many new rows, so that a first start on a long history stays within memory.
CHUNK_ROWS: Final = 250_000

_MEMORY: Final = "2GB"

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


class Reader:
    """Queries over one snapshot. Times come out as aware UTC datetimes. Not thread-safe; close it."""

    def __init__(self, snapshot: Snapshot, *, threads: int = 2) -> None:
        self.snapshot = snapshot
        spill = str(Path(tempfile.gettempdir()) / f"acrwatch-duckdb-{os.getpid()}")
        self._connection = duckdb.connect(config={"threads": threads, "memory_limit": _MEMORY, "temp_directory": spill})
        self._connection.execute("SET TimeZone = 'UTC'")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Run one SELECT. Raises StoreError when a file is gone (vacuumed), memory runs out or the SQL is wrong."""
        try:
            return self._connection.sql(sql, params=list(parameters)).to_arrow_table()
        except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
            raise StoreError(f"Cannot read events below {self.snapshot.root}: {error}") from error
        except duckdb.Error as error:
            raise StoreError(f"The query failed: {error}") from error

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
        self, name: str, part: Slice, files: Sequence[LakeFile], *, lateness: timedelta, derived: Mapping[str, str]
    ) -> None:
        """Define a view over these files: every column, `event_date`, `is_new`, `late`, and the derived expressions.

        Rows beyond the slice are left out, so that a pass is a function of the rows up to `upto` and of nothing else.
        `late` is true where the event arrived more than `lateness` after it happened; it arrived when the event hub
        took it, or, by other roads, when it was stored.
        """
        self._connection.register(f"{name}_positions", _positions_table(part))
        extra = "".join(f", {expression} AS {column}" for column, expression in derived.items())
        late = f"epoch_us(coalesce(enqueued_time, ingested_at)) - epoch_us(event_time) > {_microseconds(lateness)}"
        self._connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {name} AS "
            f"SELECT e.*, CAST(e.event_time AS DATE) AS {PARTITION_COLUMN}, "
            f"e.sequence_number > coalesce(p.judged, {-(2**63)}) AS is_new, {late} AS late{extra} "
            f"FROM {self._files(files)} e JOIN {name}_positions p ON p.source = e.source "
            "WHERE e.sequence_number <= p.upto"
        )

    def _files(self, files: Sequence[LakeFile]) -> str:
        if not files:
            self._connection.register("no_events", ARROW_SCHEMA.remove(1).empty_table())
            return "no_events"
        paths = ", ".join("'" + str(self.snapshot.root / file.path).replace("'", "''") + "'" for file in files)
        return f"read_parquet([{paths}], union_by_name=true, hive_partitioning=false)"

    def _reach(self, judged: Positions, files: Sequence[LakeFile]) -> tuple[Positions, int]:
        self._connection.register("judged_positions", _pairs_table(judged))
        found = self.query(
            "SELECT e.source AS source, max(e.sequence_number) AS upto, count(*) AS rows "
            f"FROM {self._files(files)} e LEFT JOIN judged_positions p ON p.source = e.source "
            f"WHERE e.sequence_number > coalesce(p.position, {-(2**63)}) GROUP BY e.source"
        ).to_pylist()
        return {**judged, **{row["source"]: row["upto"] for row in found}}, sum(row["rows"] for row in found)

    def _slice_by_position(self, judged: Positions, chunk_rows: int) -> Slice:
        """Find new rows without the log's help, by looking at every file's positions."""
        self._connection.register("judged_positions", _pairs_table(judged))
        found = self.query(
            "WITH counted AS (SELECT e.source AS source, e.sequence_number AS position, count(*) AS rows "
            f"FROM {self._files(self.snapshot.files)} e LEFT JOIN judged_positions p ON p.source = e.source "
            f"WHERE e.sequence_number > coalesce(p.position, {-(2**63)}) GROUP BY ALL), "
            "running AS (SELECT *, sum(rows) OVER (ORDER BY source, position) - rows AS before FROM counted) "
            "SELECT source, max(position) FILTER (before < $1) AS upto, sum(rows) FILTER (before < $1) AS rows, "
            "bool_or(before >= $1) AS more FROM running GROUP BY source",
            [chunk_rows],
        ).to_pylist()
        upto = {**judged, **{row["source"]: row["upto"] for row in found if row["upto"] is not None}}
        more = any(row["more"] for row in found)
        hint = None if more else self._hint(self.snapshot.version)
        return Slice(judged, upto, self.snapshot.files, hint, sum(int(row["rows"] or 0) for row in found), more)

    def _hint(self, version: int) -> Hint | None:
        entry = Snapshot(self.snapshot.root, version, ()).entry_hash()
        return None if entry is None else Hint(version, entry)


def _microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def _pairs_table(positions: Positions) -> pa.Table:
    return pa.table(
        {"source": pa.array(positions.keys(), pa.string()), "position": pa.array(positions.values(), pa.int64())}
    )


def _positions_table(part: Slice) -> pa.Table:
    return pa.table(
        {
            "source": pa.array(part.upto.keys(), pa.string()),
            "judged": pa.array([part.judged.get(source) for source in part.upto], pa.int64()),
            "upto": pa.array(part.upto.values(), pa.int64()),
        }
    )
