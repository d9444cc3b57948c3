"""What keeps the lake quick: small files joined, the log checkpointed and short, what no commit names swept away.

Run by one process at a time, under a lease; a second one does no harm beyond work done twice.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from acrwatch.core.errors import ConflictError, StoreError
from storage.lake.clustering import CLOSED_AFTER, cluster, due
from storage.lake.compaction import compact, targets
from storage.lake.entries import entry_versions, last_checkpoint
from storage.lake.handle import checkpoint
from storage.lake.holding import forget, held_from
from storage.lake.retention import Retired, first_kept, retire
from storage.lake.snapshot import Snapshot
from storage.lake.sweeping import sweep
from storage.lake.table import Lake

__all__ = ["Maintained", "crowded_dates", "maintain", "sweep"]

log = logging.getLogger(__name__)

# Opening a table costs 0.1 to 0.2 ms for every log entry past the last checkpoint.
_CHECKPOINT_EVERY: Final = 20


@dataclass(frozen=True, slots=True)
class Maintained:
    """What one round did."""

    dates: tuple[date, ...]
    files_removed: int
    files_added: int
    checkpoint: bool
    orphans: int
    clustered: tuple[date, ...] = ()
    retired: Retired = field(default_factory=Retired)
    conflicts: int = 0
    failed: StoreError | None = None


def crowded_dates(snapshot: Snapshot) -> list[date]:
    """Return the dates with enough small files to be worth joining, oldest first."""
    return list(targets(snapshot))


def maintain(
    lake: Lake,
    *,
    now: datetime,
    retention: timedelta | None = None,
    hints: Iterable[int] = (),
    closed_after: timedelta = CLOSED_AFTER,
) -> Maintained:
    """Retire dates past retention, compact crowded ones, put one closed date in order, checkpoint, clean up.

    `hints` are the versions that readers stand at: what they still need is left alone for a day at most. Where another
    process was at the same files, or a date could not be rewritten, the rest of the round is done all the same, or a
    single damaged file would let the log and the disk fill up; the first such error is the result's `failed` (it may
    be that compaction changed the number of rows, which must never happen). Raises StoreError when the log cannot be
    summed up or swept.
    """
    tally = _Tally()
    if retention is not None:
        tally.retire(lake, first_kept(retention, now))
    for day, target in targets(lake.snapshot()).items():
        tally.compact(lake, day, target)
    for day in due(lake.snapshot(), now=now, closed_after=closed_after):
        if tally.cluster(lake, day):
            break
    held = held_from(lake.root, hints, now=now)
    checkpoint = _checkpoint(lake.root, held, now)
    return tally.maintained(checkpoint=checkpoint, orphans=sweep(lake, now=now, held=held))


@dataclass(slots=True)
class _Tally:
    """What a round has done so far. Whatever another process is at is left to it."""

    dates: list[date] = field(default_factory=list)
    clustered: list[date] = field(default_factory=list)
    removed: int = 0
    added: int = 0
    conflicts: int = 0
    retired: Retired = field(default_factory=Retired)
    failures: list[StoreError] = field(default_factory=list)

    def retire(self, lake: Lake, before: date) -> None:
        with self._left_to_others():
            self.retired = retire(lake, before=before)

    def compact(self, lake: Lake, day: date, target: int) -> None:
        with self._left_to_others(), self._put_off():
            removed, added = compact(lake, day, target)
            self.removed, self.added = self.removed + removed, self.added + added
            self.dates.append(day)

    def cluster(self, lake: Lake, day: date) -> bool:
        """Return False where the date cannot be read, so that it does not keep all later ones from their turn."""
        before = len(self.failures)
        with self._left_to_others(), self._put_off():
            cluster(lake, day)
            self.clustered.append(day)
        return len(self.failures) == before

    def maintained(self, *, checkpoint: bool, orphans: int) -> Maintained:
        dates, clustered = tuple(self.dates), tuple(self.clustered)
        return Maintained(
            dates,
            self.removed,
            self.added,
            checkpoint,
            orphans,
            clustered,
            self.retired,
            self.conflicts,
            next(iter(self.failures), None),
        )

    @contextmanager
    def _put_off(self) -> Iterator[None]:
        """Keep an error until the round is over."""
        try:
            yield
        except ConflictError:
            raise
        except StoreError as error:
            self.failures.append(error)

    @contextmanager
    def _left_to_others(self) -> Iterator[None]:
        try:
            yield
        except ConflictError as error:
            self.conflicts += 1
            log.info("%s; the next round will see", error)


def _checkpoint(root: Path, held: int | None, now: datetime) -> bool:
    """Sum the log up when it has grown by 20 versions, and drop old entries that no reader needs."""
    if entry_versions(root)[-1] - (last_checkpoint(root) or 0) < _CHECKPOINT_EVERY:
        return False
    version = checkpoint(root)
    try:
        forgotten = forget(root, held, now=now)
    except OSError as error:
        raise StoreError(
            f"Cannot drop old entries of {root}: {error}", remedy="See that they may be deleted"
        ) from error
    log.debug("checkpoint at version %d; %d old entries dropped", version, forgotten)
    return True
