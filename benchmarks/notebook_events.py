"""Events as a DataFrame: `Client.events` against bare `pyarrow.dataset` and `to_pandas` over the same files.

    python -m benchmarks.notebook_events [--rows N] [--days N] [--pairs N]

Both give the same rows and columns; ours also leaves out the control plane, puts them in order of time, and spells ids
as text. Pairs are interleaved in one process, and the order within a pair alternates. The lake is synthetic
(benchmarks/lookup_world.py), each date written in ten files. Memory is what pandas says a frame takes.
"""

import argparse
import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow.dataset as ds

import acrwatch
from acrwatch.choosing import COLUMNS
from benchmarks.lookup_world import Words, events
from benchmarks.machine import described
from storage.lake import Lake

START: Final = date(2026, 1, 1)
FILES_A_DATE: Final = 10
SEED: Final = 20261122


def fill(lake: Lake, rows: int, days: int) -> None:
    """Commit so many rows, each date in ten commits."""
    rng, words = np.random.default_rng(SEED), Words.make()
    a_date = rows // days
    for number in range(days):
        come = events(rng, words, START + timedelta(days=number), a_date, number * a_date)
        for first in range(0, a_date, -(-a_date // FILES_A_DATE)):
            lake.commit(come.slice(first, -(-a_date // FILES_A_DATE)), {})


def bare(lake: Lake) -> pd.DataFrame:
    """Return the events as one who knows the files would read them."""
    paths = [str(lake.root / file.path) for file in lake.snapshot().files]
    return ds.dataset(paths, format="parquet").to_table(columns=list(COLUMNS)).to_pandas()


def timed(read: Callable[[], pd.DataFrame]) -> tuple[float, int, float]:
    """Return seconds, rows and megabytes of one frame, which is gone afterwards."""
    started = time.perf_counter()
    frame = read()
    seconds = time.perf_counter() - started
    rows, megabytes = len(frame), float(frame.memory_usage(deep=True).sum()) / 1e6
    del frame
    gc.collect()
    return seconds, rows, megabytes


def main() -> None:
    """Fill a lake, read it both ways in turn, print medians and the median of the pairs' ratios."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--days", type=int, default=10)
    options.add_argument("--pairs", type=int, default=5)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.open(Path(folder) / "lake")
        fill(lake, given.rows, given.days)
        client = acrwatch.open(lake.root)
        reads = {"pyarrow.dataset, to_pandas": lambda: bare(lake), "acrwatch": lambda: client.events(limit=given.rows)}
        for read in reads.values():  # imports, and files into the cache
            timed(read)
        taken: dict[str, list[tuple[float, int, float]]] = {name: [] for name in reads}
        for number in range(given.pairs):
            for name in list(reads)[:: -1 if number % 2 else 1]:
                taken[name].append(timed(reads[name]))
    print(described())
    print("| read by | seconds | rows | MB |\n|---|---|---|---|")
    for name, found in taken.items():
        seconds, (_, rows, megabytes) = statistics.median(one[0] for one in found), found[-1]
        print(f"| {name} | {seconds:.2f} | {rows:,} | {megabytes:,.0f} |")
    theirs, ours = taken.values()
    ratios = [mine[0] / other[0] for mine, other in zip(ours, theirs, strict=True)]
    print(f"\nacrwatch takes {statistics.median(ratios):.2f} of the time ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
