"""Joining the small files of a date, and proof that no row came or went by it.

Compaction commits through delta-rs, which retries beside appends and refuses a second compaction of the same files,
but the latter not in every version: 1.6.4 to 1.6.6 double the rows. `tests/lake/test_compaction_race.py` holds the
installed one to it, and each compaction is besides checked against the version just before it.
"""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Final

from deltalake import DeltaTable, WriterProperties
from deltalake.exceptions import CommitFailedError, DeltaError

from acrwatch.core.errors import ConflictError, StoreError
from storage.lake.durable import sync_entries
from storage.lake.entries import Action, brings_rows, read_actions
from storage.lake.handle import open_table, reason
from storage.lake.snapshot import Snapshot, total_rows
from storage.lake.table import Lake

# A date is compacted when it holds this many files that are well below a target size.
MIN_FILES: Final = 8
TARGET_BYTES: Final = 64 * 1024 * 1024

# With one target of 64 MB each round would rewrite all that the day has gathered so far: half a day's bytes times the
# rounds of a day. With a step between, a byte is written about four times more and then left alone.
_STEP_BYTES: Final = 4 * 1024 * 1024

UNFINISHED: Final = "Free disk space; where there is enough, acrwatch db verify tells which file is damaged"
"""What helps where files could not be read and written anew."""


def targets(snapshot: Snapshot) -> Mapping[date, int]:
    """Return the dates worth compacting, oldest first, and the size of file to aim at, bytes."""
    tiny: dict[date, int] = {}
    middling: dict[date, int] = {}
    for file in snapshot.files:
        if file.size < TARGET_BYTES // 2:
            count = tiny if file.size < _STEP_BYTES // 2 else middling
            count[file.date] = count.get(file.date, 0) + 1
    found = {day: _STEP_BYTES for day, count in tiny.items() if count >= MIN_FILES}
    found.update({day: TARGET_BYTES for day, count in middling.items() if count >= MIN_FILES})
    return MappingProxyType(dict(sorted(found.items())))


def compact(lake: Lake, day: date, target: int) -> tuple[int, int]:
    """Join the files of one date into files of about `target` bytes; return how many were removed and added.

    Durable on return. Raises ConflictError when another process rewrote the same files (harmless: nothing was
    changed), StoreError when the disk refuses or, which must never happen, the number of rows changed.
    """
    table = open_table(lake.root)
    began = table.version()
    try:
        metrics = table.optimize.compact(
            partition_filters=[("event_date", "=", day.isoformat())],
            target_size=target,
            writer_properties=WriterProperties(compression="ZSTD", compression_level=3),
        )
        if metrics["numFilesRemoved"]:
            sync_entries(lake.root, began, table.version())
            for version in _moves(lake.root, began, table.version()):
                _check(lake, version, day)
    except (OSError, DeltaError, ValueError) as error:
        # A failed commit is a conflict only if somebody else made one.
        if isinstance(error, CommitFailedError) and open_table(lake.root).version() > table.version():
            raise ConflictError(f"Another process compacted {day} of {lake.root}: {reason(error)}") from error
        raise StoreError(f"Cannot compact {day} of {lake.root}: {reason(error)}", remedy=UNFINISHED) from error
    return metrics["numFilesRemoved"], metrics["numFilesAdded"]


def _moves(root: Path, after: int, upto: int) -> list[int]:
    """Return the versions by which rows moved: ours, which need not be the last, and those of others.

    delta-rs commits beside appends, and then brings its handle up to the newest version, which may be an append again.
    """
    versions = range(after + 1, upto + 1)
    return [version for version in versions if any(map(_moves_rows, read_actions(root, version)))]


def _moves_rows(action: Action) -> bool:
    return "add" in action and not brings_rows(action)


def _check(lake: Lake, version: int, day: date) -> None:
    """Compare the date's rows in a version by which rows moved and in the one right before it."""
    before, after = (_rows(lake, number, day) for number in (version - 1, version))
    if before != after:
        raise StoreError(
            f"Compaction of {day} in version {version} of {lake.root} turned {before} rows into {after}",
            remedy=f"Stop acrwatch and report this: version {version - 1} still holds the right ones",
        )


def _rows(lake: Lake, version: int, day: date) -> int:
    return total_rows(lake.snapshot_of(DeltaTable(str(lake.root), version=version)).between(day, day))
