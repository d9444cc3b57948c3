"""Making a damaged lake usable again, and saying exactly what that cost."""

import logging
from dataclasses import dataclass
from datetime import date
from typing import Final
from urllib.parse import unquote

from acrwatch.core.errors import ConflictError, StoreError
from storage.lake.entries import entry_versions, read_actions
from storage.lake.exchange import exchange
from storage.lake.handle import open_table
from storage.lake.mending import mend
from storage.lake.snapshot import LakeFile
from storage.lake.table import Lake
from storage.lake.verifying import LOST_LOG, damaged_files, unreadable_files

log = logging.getLogger(__name__)

_TRIES: Final = 50


@dataclass(frozen=True, slots=True)
class Lost:
    """A file given up: its path, UTC date, rows, and the streams whose positions its commit moved.

    `streams` is empty where the log no longer says: a file that compaction made, or an import without positions.
    """

    path: str
    date: date
    rows: int
    streams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did: versions taken back, whose rows their sources send again, and files given up."""

    taken_back: tuple[int, ...]
    lost: tuple[Lost, ...]


def repair(lake: Lake) -> Repaired:
    """Take back torn ends as opening the lake does, and files that are missing or damaged out of the table.

    A damaged file stays on the disk for three hours. All events' ids are read: a file whose bytes were changed in place
    lets no event of its date be stored. Durable on return. Raises StoreError where the table cannot be
    read even then, or the disk refuses; ConflictError where others commit all the time.
    """
    try:
        taken_back = mend(lake.root)
    except OSError as error:
        raise StoreError(f"Cannot mend {lake.root}: {error}", remedy="Check that its files may be changed") from error
    try:
        snapshot = lake.snapshot()
    except StoreError as error:
        raise StoreError(error.message, remedy=LOST_LOG) from error
    unreadable = set(unreadable_files(snapshot))
    for _ in range(_TRIES):
        table = open_table(lake.root)
        held = lake.snapshot_of(table)
        damaged = {file for file, _ in damaged_files(held)} | unreadable
        gone = [file for file in held.files if file in damaged]
        streams = _streams(lake, gone)
        try:
            if gone:
                exchange(lake.root, table.version(), gone, {}, operation="FSCK", rows_change=True)
        except ConflictError:
            continue
        lost = tuple(Lost(file.path, file.date, file.rows, streams.get(file.path, ())) for file in gone)
        for file in lost:
            log.warning("gave up %s: %d rows of %s", file.path, file.rows, file.date)
        return Repaired(tuple(taken_back), lost)
    raise ConflictError(f"Others commit to {lake.root} all the time", remedy="Stop acrwatch and repair again")


def _streams(lake: Lake, gone: list[LakeFile]) -> dict[str, tuple[str, ...]]:
    """Return, per file whose commit is still in the log, the streams that it moved."""
    wanted = {file.path for file in gone}
    found: dict[str, tuple[str, ...]] = {}
    for version in entry_versions(lake.root) if wanted else ():
        try:
            actions = read_actions(lake.root, version)
        except (FileNotFoundError, ValueError):
            continue
        moved = tuple(action["txn"]["appId"] for action in actions if "txn" in action)
        added = {unquote(action["add"]["path"]) for action in actions if "add" in action}
        found.update(dict.fromkeys(added & wanted, moved))
    return found
