"""Whether a commit stays as fast as the first ones, with maintenance running beside it.

    python -m benchmarks.commit_growth [--commits N] [--minutes N]

One writer commits small batches to one lake; then a hundred more to it, each paired with one to a new lake, because
machines drift. Maintenance runs between commits, as often as the service's turn comes
round at a commit every 5 seconds (every 12 commits), and is not counted. Files are given the age that they would have
at that pace, so that clean-up finds what it would find.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.lookup import events
from benchmarks.machine import described
from storage.lake import Lake
from storage.lake.entries import entry_versions
from storage.lake.maintenance import maintain

PACE: Final = timedelta(seconds=5)
MAINTAIN_EVERY: Final = 12
BATCH: Final = 200
WINDOW: Final = 100
# A writer reads a date's ids once, at its first commit to it.
WARM_UP: Final = 5


def measured(root: Path, commits: int, until: float) -> list[float]:
    """Return milliseconds per commit, in order; ends early at `until` (monotonic seconds)."""
    lake, other = Lake.open(root), Lake(root)
    rng = np.random.default_rng(20261122)
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    for number in range(commits):
        rows = events(rng, day, BATCH, number * BATCH)
        started = time.perf_counter()
        lake.commit(rows, {"bench": (number + 1) * BATCH})
        found.append((time.perf_counter() - started) * 1000)
        if number % MAINTAIN_EVERY == MAINTAIN_EVERY - 1:
            _age(root, PACE * MAINTAIN_EVERY)
            maintain(other, now=datetime.now(UTC), hints=[lake.snapshot().version])
            if time.monotonic() > until:
                break
    return found


def paired(grown: Path, new: Path, done: int) -> tuple[list[float], list[float]]:
    """Return milliseconds of commits to the grown lake and to a new one, taken in turn, both maintained."""
    sides = [(Lake.open(root), Lake(root), root) for root in (grown, new)]
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    found: tuple[list[float], list[float]] = ([], [])
    rng = np.random.default_rng(1)
    for number in range(done, done + WINDOW + WARM_UP):
        rows = events(rng, day, BATCH, number * BATCH)
        for (lake, other, root), times in zip(sides, found, strict=True):
            started = time.perf_counter()
            lake.commit(rows, {"bench": (number + 1) * BATCH})
            times.append((time.perf_counter() - started) * 1000)
            if number % MAINTAIN_EVERY == MAINTAIN_EVERY - 1:
                _age(root, PACE * MAINTAIN_EVERY)
                maintain(other, now=datetime.now(UTC), hints=[lake.snapshot().version])
    return found[0][WARM_UP:], found[1][WARM_UP:]


def _age(root: Path, by: timedelta) -> None:
    for path in [*(root / "_delta_log").iterdir(), *root.glob("event_date=*/*")]:
        then = path.stat().st_mtime - by.total_seconds()
        os.utime(path, (then, then))


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value below which this percentage of them lies."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def main() -> None:
    """Commit, and print the first and the last hundred commits and some between."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--commits", type=int, default=10_000)
    options.add_argument("--minutes", type=float, default=60)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "lake"
        found = measured(root, given.commits, time.monotonic() + given.minutes * 60)
        entries, files = len(entry_versions(root)), len(Lake(root).snapshot().files)
        grown, new = paired(root, Path(folder) / "new", len(found))
    print(f"{described()}; {len(found):,} commits of {BATCH} rows; {entries} log entries and {files} files at the end")
    for start in sorted({0, *range(0, len(found) - WINDOW, max(WINDOW, len(found) // 8))}):
        _say(f"commits {start + 1:,}-{start + WINDOW:,}", found[start : start + WINDOW])
    _say("after them", grown)
    _say("in turn, a new lake", new)
    ratios = [percentile(grown, percent) / percentile(new, percent) for percent in (50, 99)]
    print(f"grown / new: p50 {ratios[0]:.2f}, p99 {ratios[1]:.2f}")


def _say(what: str, times: Sequence[float]) -> None:
    print(f"{what:>24}: p50 {percentile(times, 50):>6.1f} ms   p99 {percentile(times, 99):>6.1f} ms")


if __name__ == "__main__":
    main()
