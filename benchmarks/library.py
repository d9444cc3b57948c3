"""What judging costs: three rules over stored events, the whole library over new ones, and with a longer history.

    python -m benchmarks.library [--per-day N] [--short DAYS] [--long DAYS] [--crowd N] [--pairs N]

Two lakes are filled with the same simulated day again and again (`benchmarks/pass_cost.py`), as many days as they shall
have of history, and everything in use judges it. Each round stores one more day in both, in turn, and times the pass
over it; then the three rules that need no baseline look through one stored day, with nothing written
(`detections/trial.py`). Ratios are taken pair by pair. A shorter run: `--per-day 50000 --long 4 --pairs 2`.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from benchmarks.machine import described
from benchmarks.pass_cost import DAY, Installation, installed, ratios, simulated_day
from detections.context import Context
from detections.trial import try_rules
from storage.query import Reader

THREE: Final = ("admin-user-login", "mass-delete", "pull-outside-allowed-ranges")


def three_rules(side: Installation, context: Context) -> float:
    """Return the seconds that the three rules take to look through the first of the days that were added."""
    chosen = {slug: side.engine.detections[slug] for slug in THREE}
    started = time.perf_counter()
    with Reader(side.lake.snapshot()) as reader:
        found = list(try_rules(chosen, reader, context, DAY, DAY + timedelta(days=1), chunk_rows=side.day.num_rows))
    seconds = time.perf_counter() - started
    if failed := [trial.slug for trial in found if trial.error]:
        raise SystemExit(f"failed: {', '.join(failed)}")
    return seconds


def _row(what: str, seconds: Sequence[float]) -> str:
    return f"| {what} | {statistics.median(seconds):.2f} s | {min(seconds):.2f} - {max(seconds):.2f} s |"


def main() -> None:
    """Fill both, run the pairs, print the rows."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--per-day", type=int, default=1_000_000)
    options.add_argument("--short", type=int, default=1)
    options.add_argument("--long", type=int, default=20)
    options.add_argument("--crowd", type=int, default=10, help="identities that each simulated one stands for")
    options.add_argument("--pairs", type=int, default=5)
    given = options.parse_args()
    day, context = simulated_day(given.per_day, given.crowd)
    three: list[float] = []
    passes: dict[int, list[float]] = {given.short: [], given.long: []}
    with tempfile.TemporaryDirectory(prefix="acrwatch-library-") as name:
        sides = {days: installed(Path(name) / str(days), day, context, days) for days in passes}
        for number in range(given.pairs):
            for days, side in sides.items():
                side.add_day(number)
                passes[days].append(side.judge()[0])
            three.append(three_rules(sides[given.long], context))
        library = len(sides[given.long].engine.detections)
    print(f"{described()}; days of {day.num_rows:,} events, {library} detections, {given.pairs} pairs\n")
    print("| | median | range |\n|---|--:|--:|")
    print(_row(f"three rules over {day.num_rows:,} stored events", three))
    for days, seconds in passes.items():
        print(_row(f"the library over {day.num_rows:,} new events, {days * day.num_rows:,} of history", seconds))
    print(f"| ratio of the two, pair by pair | {ratios(passes[given.short], passes[given.long])} | |")


if __name__ == "__main__":
    main()
