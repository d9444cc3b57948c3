"""The Delta table of events: one commit carries rows and positions, by compare-and-swap on the table's version.

The only module that imports deltalake. Two facts shape it: delta-rs does not refuse an older application transaction,
so whoever writes must check and write through one handle; and with `max_commit_retries=0` a commit through a handle
succeeds only as the very next version. Together they make check-and-write atomic: a writer that lost the race sees
a refusal, reloads, checks positions and ids anew and tries again, so neither a zombie nor a concurrent import can
store a row twice.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction

from acrwatch.core.crashpoint import reach
from acrwatch.core.errors import ConflictError, StoreError
from storage.lake.durable import sync_file, sync_folders
from storage.lake.parquet import by_date, modification_time, remove, statistics, write_events
from storage.lake.seen import SeenIds
from storage.lake.snapshot import LakeFile, Snapshot
from storage.schema import ARROW_SCHEMA, PARTITION_COLUMN, STATISTICS_COLUMNS

log = logging.getLogger(__name__)

# A refused commit costs a reload of some 10 ms. 200 in a row mean that something other than contention is wrong.
_MAX_TRIES: Final = 200

_CONFIGURATION: Final = {
    "delta.dataSkippingStatsColumns": ",".join(STATISTICS_COLUMNS),
    # Maintenance makes checkpoints; this one only bounds the log where no maintenance runs.
    "delta.checkpointInterval": "500",
    "delta.logRetentionDuration": "interval 30 days",
    "delta.deletedFileRetentionDuration": "interval 7 days",
}


@dataclass(frozen=True, slots=True)
class Commit:
    """What one commit did. `version` is None where there was nothing to write."""

    version: int | None
    rows: int
    duplicates: int
    redelivered: int


class Lake:
    """The events table at one path. Use one instance per thread that commits."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._seen = SeenIds(root)

    @classmethod
    def open(cls, path: str | Path) -> "Lake":
        """Open the lake, creating an empty table where none is.

        Raises StoreError where the folder cannot be used or holds a table of another shape.
        """
        root = Path(path).absolute()
        try:
            root.mkdir(parents=True, exist_ok=True)
            if not DeltaTable.is_deltatable(str(root)):
                _create(root)
        except (OSError, DeltaError) as error:
            raise StoreError(f"Cannot open the lake at {root}: {error}", remedy="Check store.path") from error
        lake = cls(root)
        names = {field.name for field in lake._table().schema().fields}
        if PARTITION_COLUMN not in names or "event_id" not in names:
            raise StoreError(f"{root} is a Delta table, but not of acrwatch events", remedy="Set store.path elsewhere")
        return lake

    def _table(self) -> DeltaTable:
        try:
            return DeltaTable(str(self.root))
        except (OSError, DeltaError) as error:
            raise StoreError(
                f"Cannot read the lake at {self.root}: {error}", remedy="Run acrwatch db verify"
            ) from error

    def position(self, stream: str) -> int | None:
        """Return the last stored sequence number of a stream; None if it never stored any."""
        return self._table().transaction_version(stream)

    def snapshot(self) -> Snapshot:
        """Return the files of the newest version."""
        return self.snapshot_of(self._table())

    def snapshot_of(self, table: DeltaTable) -> Snapshot:
        """Return the files of the version that this handle stands at."""
        return _snapshot(self.root, table)

    def commit(self, rows: pa.Table, positions: Mapping[str, int]) -> Commit:
        """Make rows and positions visible together, each event once.

        `rows` has ARROW_SCHEMA. `positions` maps a stream to the sequence number reached; rows of such a stream at or
        below its stored position are dropped as redelivered, and a position never moves back. Rows of streams not
        named are only de-duplicated by event id. Durable on return (data, log entry and folders synced).

        Raises StoreError where the disk refuses; nothing is visible then and the same call may be made again.
        """
        for _ in range(_MAX_TRIES):
            try:
                return self._try_commit(rows, positions)
            except ConflictError:
                log.debug("another writer committed first; checking again")
            except FileNotFoundError:
                log.debug("files were vacuumed while being read; loading the table again")
        raise StoreError(
            f"The lake at {self.root} refused {_MAX_TRIES} commits in a row",
            remedy="Look for a process that writes to it in a tight loop",
        )

    def _try_commit(self, rows: pa.Table, positions: Mapping[str, int]) -> Commit:
        table = self._table()
        stored = {stream: table.transaction_version(stream) for stream in positions}
        ahead = {s: n for s, n in positions.items() if _beyond(n, stored[s])}
        new = _drop_redelivered(rows, stored)
        fresh = self._seen.fresh(new, self.snapshot_of(table)) if new.num_rows else new
        outcome = Commit(None, fresh.num_rows, new.num_rows - fresh.num_rows, rows.num_rows - new.num_rows)
        if not ahead and not fresh.num_rows:
            return outcome
        files = self._write(fresh)
        try:
            self._publish(table, files, ahead)
        except ConflictError:
            remove(self.root, [file for file, _ in files])
            raise
        self._seen.learn(fresh, [file for file, _ in files])
        return Commit(table.version() + 1, outcome.rows, outcome.duplicates, outcome.redelivered)

    def _write(self, events: pa.Table) -> list[tuple[LakeFile, str]]:
        written: list[tuple[LakeFile, str]] = []
        try:
            for day, part in by_date(events):
                written.append((write_events(self.root, day, part), statistics(part)))
                reach("lake.file_written")
        except OSError as error:
            remove(self.root, [file for file, _ in written])
            raise StoreError(
                f"Cannot write events below {self.root}: {error}", remedy="Free disk space; nothing was lost"
            ) from error
        return written

    def _publish(self, table: DeltaTable, files: list[tuple[LakeFile, str]], positions: Mapping[str, int]) -> None:
        actions = [
            AddAction(f.path, f.size, {PARTITION_COLUMN: f.date.isoformat()}, modification_time(self.root, f), True, s)
            for f, s in files
        ]
        properties = CommitProperties(
            app_transactions=[Transaction(stream, number) for stream, number in positions.items()],
            max_commit_retries=0,
        )
        reach("lake.before_commit")
        try:
            table.create_write_transaction(
                actions, "append", ARROW_SCHEMA, [PARTITION_COLUMN], commit_properties=properties
            )
        except CommitFailedError as error:
            raise ConflictError(f"Version {table.version() + 1} of {self.root} was taken") from error
        except (OSError, DeltaError) as error:
            raise StoreError(f"Cannot commit to {self.root}: {error}", remedy="Free disk space") from error
        reach("lake.committed")
        entry = self.root / "_delta_log" / f"{table.version() + 1:020}.json"
        sync_file(entry)
        sync_folders([entry.parent])


def _create(root: Path) -> None:
    try:
        DeltaTable.create(
            str(root),
            schema=ARROW_SCHEMA,
            mode="ignore",
            partition_by=[PARTITION_COLUMN],
            configuration=dict(_CONFIGURATION),
        )
    except DeltaError:
        if not DeltaTable.is_deltatable(str(root)):  # else another process created it in this very moment
            raise


def _snapshot(root: Path, table: DeltaTable) -> Snapshot:
    adds = pa.table(table.get_add_actions(flatten=True))
    rows = adds.select(["path", f"partition.{PARTITION_COLUMN}", "num_records", "size_bytes"]).to_pydict()
    files = tuple(
        LakeFile(path, _date(day), count, size) for path, day, count, size in zip(*rows.values(), strict=True)
    )
    return Snapshot(root, table.version(), files)


def _date(value: date | str) -> date:
    return value if isinstance(value, date) else date.fromisoformat(value)


def _beyond(number: int, stored: int | None) -> bool:
    return stored is None or number > stored


def _drop_redelivered(rows: pa.Table, stored: Mapping[str, int | None]) -> pa.Table:
    held = {stream: number for stream, number in stored.items() if number is not None}
    if not held or not rows.num_rows:
        return rows
    at = pc.index_in(rows.column("source"), value_set=pa.array(held, pa.string()))
    bound = pc.take(pa.array(held.values(), pa.int64()), at)
    keep = pc.greater(rows.column("sequence_number"), pc.fill_null(bound, -(2**63)))
    return rows if pc.all(keep).as_py() else rows.filter(keep)
