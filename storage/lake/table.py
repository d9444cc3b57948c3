"""The Delta table of events: one commit carries rows and positions, by compare-and-swap on the table's version.

Two facts shape it: Delta does not refuse an older application transaction, so whoever writes must check and write
against one version; and an entry of the log can be made only once. Together they make check-and-write atomic: a writer
that lost the race sees a refusal, takes in what came, checks positions and ids anew and tries again, so neither a
zombie nor a concurrent import can store a row twice.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from acrwatch.core.crashpoint import reach
from acrwatch.core.errors import ConflictError, StoreError
from storage.lake.draft import Draft
from storage.lake.durable import sync_entries, sync_folders
from storage.lake.entries import last_checkpoint, log_folder
from storage.lake.handle import CHECKPOINT_INTERVAL, amend_properties, checkpoint, create_table, open_table, reason
from storage.lake.mending import mend
from storage.lake.parquet import GIVE_UP, check_rows
from storage.lake.place import lake_root
from storage.lake.publishing import add, commit_info, milliseconds, publish
from storage.lake.replay import Replay
from storage.lake.seen import SeenIds
from storage.lake.snapshot import LakeFile, Snapshot, snapshot_of
from storage.schema import PARTITION_COLUMN

log = logging.getLogger(__name__)

# 200 refusals in a row mean that something other than contention is wrong.
_MAX_TRIES: Final = 200


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
        self._log = Replay(root)
        self._seen = SeenIds(root)
        self._durable: int | None = None

    @classmethod
    def open(cls, path: str | Path) -> "Lake":
        """Open the lake, creating an empty table where none is, and take back what a power cut tore.

        Raises StoreError where the folder cannot be used or holds a table of another shape.
        """
        root = lake_root(path)
        try:
            root.mkdir(parents=True, exist_ok=True)
            mend(root)
            create_table(root)
            amend_properties(root)
        except (OSError, DeltaError) as error:
            raise StoreError(f"Cannot open the lake at {root}: {reason(error)}", remedy="Check store.path") from error
        lake = cls(root)
        names = {field.name for field in open_table(root).schema().fields}
        if PARTITION_COLUMN not in names or "event_id" not in names:
            raise StoreError(f"{root} is a Delta table, but not of acrwatch events", remedy="Set store.path elsewhere")
        return lake

    def position(self, stream: str) -> int | None:
        """Return the last stored sequence number of a stream; None if it never stored any."""
        return open_table(self.root).transaction_version(stream)

    def snapshot(self) -> Snapshot:
        """Return the files of the newest version."""
        return self.snapshot_of(open_table(self.root))

    def snapshot_of(self, table: DeltaTable) -> Snapshot:
        """Return the files of the version that this handle stands at."""
        return snapshot_of(self.root, table)

    def commit(self, rows: pa.Table, positions: Mapping[str, int]) -> Commit:
        """Make rows and positions visible together, each event once.

        `rows` has ARROW_SCHEMA. `positions` maps a stream to the sequence number reached; rows of such a stream at or
        below its stored position are dropped as redelivered, and a position never moves back. Rows of streams not
        named are only de-duplicated by event id. On return all of it is durable (data, log entries, folders), whoever
        stored it.

        Raises StoreError where the disk refuses: the same call may be made again, and stores what is not yet stored;
        ValueError where `rows` lacks a required value or is of another schema.
        """
        check_rows(rows)
        draft = Draft(self.root)
        try:
            return self._commit(rows, positions, draft)
        except StoreError:
            draft.discard()
            raise

    def _commit(self, rows: pa.Table, positions: Mapping[str, int], draft: Draft) -> Commit:
        gone = ""
        for _ in range(_MAX_TRIES):
            try:
                return self._try_commit(rows, positions, draft)
            except ConflictError:
                log.debug("another writer committed first; checking again")
            except FileNotFoundError as error:
                if gone == str(error):
                    raise StoreError(f"A file of the lake at {self.root} is gone: {error}", remedy=GIVE_UP) from error
                gone = str(error)
                log.debug("files were swept while being read; loading the table again")
                self._log.forget()
        raise StoreError(
            f"The lake at {self.root} refused {_MAX_TRIES} commits in a row",
            remedy="Look for a process that writes to it in a tight loop",
        )

    def _try_commit(self, rows: pa.Table, positions: Mapping[str, int], draft: Draft) -> Commit:
        self._seen.follow(self._log.advance())
        self._make_durable(self._log.version)
        stored = self._log.positions(positions)
        ahead = {s: n for s, n in positions.items() if _beyond(n, stored[s])}
        new = _drop_redelivered(rows, stored)
        fresh = self._seen.fresh(new, self._log) if new.num_rows else new
        version = None
        if ahead or fresh.num_rows:
            draft.hold(fresh, self._log.fence)
            version, files = self._publish(draft, ahead)
            self._seen.learn(fresh, files)
            self._confirm(version)
        else:
            draft.discard()
        return Commit(version, fresh.num_rows, new.num_rows - fresh.num_rows, rows.num_rows - new.num_rows)

    def _publish(self, draft: Draft, positions: Mapping[str, int]) -> tuple[int, list[LakeFile]]:
        """Commit files and positions as the very next version after the one that was looked at."""
        at = milliseconds()
        actions = [commit_info("WRITE", at)]
        actions += [add(made.file, made.statistics, at, rows_change=True) for made in draft]
        actions += [{"txn": {"appId": s, "version": n, "lastUpdated": at}} for s, n in positions.items()]
        version = self._log.version + 1
        reach("lake.before_commit")
        publish(self.root, version, actions)
        reach("lake.committed")
        files = draft.release()
        self._log.require_unpassed()  # were we asleep since the last question, the next try finds out what holds
        self._log.take(version, actions)
        return version, files

    def _confirm(self, version: int) -> None:
        """Make the name of the entry just published durable, and sum the log up where nobody else does."""
        try:
            sync_folders([log_folder(self.root)])
        except OSError as error:
            raise self._unsynced(version, error) from error
        self._durable = version
        if version % CHECKPOINT_INTERVAL == 0 and version - (last_checkpoint(self.root) or 0) >= CHECKPOINT_INTERVAL:
            try:
                checkpoint(self.root)
            except StoreError as error:
                log.warning("version %d is committed all the same: %s", version, error)

    def _make_durable(self, version: int) -> None:
        """Sync the log up to this version: no entry of ours follows, or confirms, one that a power cut could take."""
        if self._durable is not None and self._durable >= version:
            return
        try:
            sync_entries(self.root, self._durable, version)
        except (OSError, ValueError) as error:
            raise self._unsynced(version, error) from error
        self._durable = version

    def _unsynced(self, version: int, error: Exception) -> StoreError:
        return StoreError(f"Cannot sync version {version} of {self.root}: {error}", remedy="Repeat it")


def _beyond(number: int, stored: int | None) -> bool:
    return stored is None or number > stored


def _drop_redelivered(rows: pa.Table, stored: Mapping[str, int | None]) -> pa.Table:
    held = {stream: number for stream, number in stored.items() if number is not None}
    if not held or not rows.num_rows:
        return rows
    at = pc.index_in(rows.column("source"), value_set=pa.array(list(held), pa.string()))
    bound = pc.take(pa.array(list(held.values()), pa.int64()), at)
    keep = pc.greater(rows.column("sequence_number"), pc.fill_null(bound, -(2**63)))
    return rows if pc.all(keep).as_py() else rows.filter(keep)
