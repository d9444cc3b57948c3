"""What the lake does on a disk that turns sick, at each moment that it writes: run as a script below `faults.c`.

python sick_disk.py FOLDER OPERATION [thorough]     print how many runs failed; end with 1 and say what went wrong

Every operation runs on a copy of a prepared lake with its first writing call failing, then with its second, and so on.
After each the disk is well again, and the lake must hold all that it held, or all that the operation was to bring,
once; the same process repeats the operation, a new one reads what it did, and nothing is left lying about.
"""

import ctypes
import errno
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from acrwatch.core.errors import ConflictError, StoreError
from storage.lake import Lake, clustering, maintenance, table
from storage.lake.entries import entry_path
from storage.lake.repair import repair
from storage.lake.sweeping import _named, sweep
from storage.lake.verifying import verify
from tests.lake.lake_writer import NOON, STREAM, event_id, make_events

LATER: Final = datetime.now(UTC) + timedelta(days=9)
YESTERDAY: Final = NOON - timedelta(days=1)
LONG_AGO: Final = NOON - timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Sickness:
    """An error of the operating system, from the moment on or just then. A full disk still deletes."""

    error: int
    lasting: bool


SICKNESSES: Final = (Sickness(errno.ENOSPC, lasting=True), Sickness(errno.EIO, lasting=False))


@dataclass(frozen=True, slots=True)
class Operation:
    """A lake to begin with, how a process holds it, what is done to it, and the events it has before and after."""

    prepare: Callable[[Path], None]
    hold: Callable[[Path], Lake]
    run: Callable[[Lake], object]
    before: frozenset[int]
    after: frozenset[int]


def _commit(lake: Lake) -> object:
    """Rows of a date that has files and of a new one, and a position; then the checkpoint that falls due."""
    setattr(table, "CHECKPOINT_INTERVAL", 2)  # noqa: B010
    rows = [make_events([8]), make_events([9], at=LONG_AGO)]
    return lake.commit(pa.concat_tables(rows), {STREAM: 9})


def _prepare_few(root: Path) -> None:
    lake = Lake.open(root)
    for number in range(3):
        lake.commit(make_events([number]), {STREAM: number})


def _prepare_old(root: Path) -> None:
    _prepare_few(root)
    DeltaTable(str(root)).alter.set_table_properties({"delta.enableExpiredLogCleanup": "true"})


def _prepare_crowded(root: Path) -> None:
    """A date to join, one to put in order, one past retention; a log to sum up, and orphans."""
    lake = Lake.open(root)
    lake.commit(make_events([0], at=LONG_AGO), {STREAM: 0})
    lake.commit(make_events(range(100, 300), at=YESTERDAY), {})
    for number in range(1, 12):
        lake.commit(make_events([number]), {STREAM: number})
    for name in ("dead.parquet", "part-0.parquet#1"):
        (root / f"event_date={NOON.date()}" / name).write_bytes(b"PAR1")


def _prepare_damaged(root: Path) -> None:
    lake = Lake.open(root)
    for number in range(4):
        lake.commit(make_events([number]), {STREAM: number})
        if number == 0:
            (root / lake.snapshot().files[0].path).unlink()
    entry_path(root, 4).write_bytes(b"")


def _maintain(lake: Lake) -> object:
    done = maintenance.maintain(lake, now=LATER, retention=timedelta(days=100))
    return done.retired.dates and done.dates and done.clustered and done.checkpoint and done.orphans


def _open(lake: Lake) -> object:
    return Lake.open(lake.root)


FEW: Final = frozenset(range(3))
MANY: Final = frozenset({*range(12), *range(100, 300)})
OPERATIONS: Final = {
    "create": Operation(Path.mkdir, Lake, _open, frozenset(), frozenset()),
    "amend": Operation(_prepare_old, Lake, _open, FEW, FEW),
    "commit": Operation(_prepare_few, Lake.open, _commit, FEW, FEW | {8, 9}),
    "maintain": Operation(_prepare_crowded, Lake.open, _maintain, MANY, MANY - {0}),
    "repair": Operation(_prepare_damaged, Lake, repair, frozenset({1, 2}), frozenset({1, 2})),
}


class Disk(Protocol):
    """A disk that can be made sick and well again."""

    def sicken(self, root: Path) -> None:
        """Let writes below this folder fail from here on, as this disk does."""

    def heal(self) -> bool | None:
        """Let them work; tell whether any failed, None where that cannot be told."""


class Preloaded:
    """The disk of `faults.c`: a call fails, all by itself or with all that follow. A full one still deletes."""

    def __init__(self, moment: int, sickness: Sickness) -> None:
        self._moment, self._sickness = moment, sickness
        self._library = ctypes.CDLL(None)
        self._library.faults_trace.restype = ctypes.c_char_p

    def sicken(self, root: Path) -> None:
        """Count writing calls from here on, and fail."""
        error, lasting = self._sickness.error, self._sickness.lasting
        self._library.faults_arm(os.fsencode(root), self._moment, error, lasting, error == errno.ENOSPC)

    def heal(self) -> bool | None:
        """Count no more."""
        failed = bool(self._library.faults_disarm())
        return failed if self._moment else None

    def trace(self) -> bytes:
        """Return a letter per call."""
        found: bytes = self._library.faults_trace()
        return found


class Trial:
    """One run of an operation on a copy of the prepared lake."""

    def __init__(self, operation: Operation, root: Path) -> None:
        self._operation, self._root = operation, root
        self._numbers = {event_id(number): number for number in operation.before | operation.after}

    def run(self, disk: Disk) -> bool:
        """Run on that disk and look at what is left; tell whether the operation was refused."""
        lake = self._operation.hold(self._root)
        disk.sicken(self._root)
        found, outcome = {self._operation.after}, None
        try:
            outcome = self._operation.run(lake)
        except StoreError as error:
            clear = str(self._root) in error.message and error.remedy and not isinstance(error, ConflictError)
            _require(bool(clear), f"unclear: {error!r}")
            found.add(self._operation.before)
        finally:
            failed = disk.heal()
        _require(failed is not False, "no call failed")
        _require(bool(failed or outcome or len(found) > 1), "it did not do what it was prepared for")
        if self._operation.hold == Lake.open:  # as one sees it who was there all the time: opening would mend it
            _require(self._events(lake, whole=True) in found, "rows lost or come too early")
        _require(self._events(Lake.open(self._root)) in found, "rows lost or come too early for a new process")
        self._recover(lake)
        return len(found) > 1

    def _recover(self, lake: Lake) -> None:
        """Repeat in this process, and look with the eyes of a new one."""
        self._operation.run(lake)
        new = Lake.open(self._root)
        _require(self._events(new) == self._operation.after, "not all stored after a repeat")
        _require(new.commit(make_events([50]), {}).rows == 1, "nothing can be added afterwards")
        for one in (lake, new):
            sweep(one, now=LATER)
        _require(verify(new, full=True) == [], f"damaged: {verify(new, full=True)}")
        left = {path.relative_to(self._root).as_posix() for path in self._root.rglob("*") if path.is_file()}
        named = _named(new, DeltaTable(str(self._root)))
        stray = {path for path in left - named if path.startswith("event_date=") or "#" in path}
        _require(not stray, f"left behind: {sorted(stray)}")

    def _events(self, lake: Lake, *, whole: bool = False) -> frozenset[int]:
        paths = [self._root / file.path for file in lake.snapshot().files]
        there = [path for path in paths if path.exists()]
        _require(there == paths or not whole, "files are gone that the table names")
        tables = [pq.read_table(path, columns=["event_id"], partitioning=None) for path in there]
        found = [self._numbers[one] for table in tables for one in table.column("event_id").to_pylist()]
        _require(len(found) == len(set(found)), "rows doubled")
        position = max((number for number in found if number < 100), default=None)
        _require(lake.position(STREAM) == position, f"the position is {lake.position(STREAM)}, not {position}")
        return frozenset(found)


class WrongError(Exception):
    """What the lake must not do."""


def _require(held: bool, otherwise: str) -> None:
    if not held:
        raise WrongError(otherwise)


def _telling(trace: bytes) -> list[int]:
    """Return the moments worth failing at: of calls of one kind in a row, as a file is written, the first and last."""
    padded = b" " + trace + b" "
    return [n for n in range(1, len(trace) + 1) if len(set(padded[n - 1 : n + 2])) > 1]


def try_all(operation: Operation, folder: Path, *, thorough: bool) -> int:
    """Run the operation once to see its moments, then failing at each; return how often it failed.

    It fails in one way at one moment and in the other at the next; if `thorough`, in both at each.
    """
    prepared, root = folder / "prepared", folder / "lake"
    operation.prepare(prepared)

    well = Preloaded(0, Sickness(0, lasting=False))
    attempt(operation, prepared, root, well)
    trace = well.trace()
    attempts = [
        Preloaded(moment, sickness)
        for place, moment in enumerate(_telling(trace))
        for sickness in (SICKNESSES if thorough else SICKNESSES[place % 2 :][:1])
        if sickness.error != errno.ENOSPC or trace[moment - 1 : moment] != b"d"
    ]
    for disk in attempts:
        attempt(operation, prepared, root, disk)
    return len(attempts)


def attempt(operation: Operation, prepared: Path, root: Path, disk: Disk) -> bool:
    """Run once on a copy; tell whether the operation was refused."""
    shutil.copytree(prepared, root)
    try:
        return Trial(operation, root).run(disk)
    except Exception as error:
        error.add_note(f"on {vars(disk)}")
        raise
    finally:
        shutil.rmtree(root)


def impatient() -> None:
    """Let maintenance begin early: 128 rows are enough to be put in order, and 10 versions to be summed up."""
    setattr(maintenance, "_CHECKPOINT_EVERY", 10)  # noqa: B010
    setattr(clustering, "WORTH_ROWS", 128)  # noqa: B010


def main(folder: Path, name: str, *thorough: str) -> None:
    """Try all moments of one operation."""
    impatient()
    sys.stdout.write(json.dumps(try_all(OPERATIONS[name], folder, thorough=bool(thorough))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
