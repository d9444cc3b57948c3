"""`python -m benchmarks.fuzz`: a million inputs and more for the record decoder, the AMQP codec and files, each.

Targets: `decoder` (tests/ingest_decode/fuzzing.py), `amqp` (tests/devhub/fuzz_codec.py) and `files`
(tests/ingest_sources/fuzz_files.py), side by side; for each, the engines of benchmarks/fuzz_engine.py one after the
other. Prints the rows of docs/reliability.md. Ends with 1 where a property does not hold, with the input. Some 40
minutes of processor time; `--inputs 20000` for a short run.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from benchmarks.fuzz_engine import ENGINES, TARGETS, available
from benchmarks.machine import described

# Of the inputs of one target, by engine. hypothesis is the slowest by far, and the only one that shrinks.
SHARES: Final = {"atheris": 0.4, "seeded": 0.59, "hypothesis": 0.01}
_LIMIT: Final = 3_600.0  # seconds that one engine may take before it counts as hanging


def shares(engines: Sequence[str]) -> dict[str, float]:
    """Return how much of a target's inputs each engine makes; without atheris `seeded` makes its part."""
    found = {engine: SHARES[engine] for engine in engines}
    found["seeded"] += 1 - sum(found.values())
    return found


def fuzz(target: str, inputs: int, seed: int) -> list[dict[str, Any]]:
    """Run every engine over one target. Raises SystemExit with what it said where one fails."""
    found = []
    for engine, share in shares(available()).items():
        command = [
            sys.executable,
            "-m",
            "benchmarks.fuzz_engine",
            engine,
            target,
            str(round(inputs * share)),
            str(seed),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_LIMIT)
        if done.returncode:
            raise SystemExit(f"{' '.join(command[2:])} ended with {done.returncode}:\n{done.stderr[-20_000:]}")
        found.append(json.loads(done.stdout.splitlines()[-1]))
    return found


def main() -> None:
    """Fuzz the chosen targets and print counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="per target, over all engines")
    parser.add_argument("--target", choices=TARGETS, action="append", help="only this one; repeatable")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(f"{described()}; seed {given.seed}")
    for missing in set(ENGINES) - set(available()):
        print(f"{missing} is not installed (wheels exist for Linux on x86-64 only): seeded inputs in its place")
    targets = given.target or list(TARGETS)
    with ThreadPoolExecutor(len(targets)) as pool:
        runs = list(pool.map(lambda target: fuzz(target, given.inputs, given.seed), targets))
    print("\n| target | engine | inputs | inputs/s | what became of them |\n|---|---|---|---|---|")
    for run in (one for found in runs for one in found):
        print(row(run))
    for target, found in zip(targets, runs, strict=True):
        print(f"{target}: {sum(run['inputs'] for run in found):,} inputs, 0 that break a property")


def row(run: dict[str, Any]) -> str:
    """Return one engine's run as a row of markdown."""
    outcomes = ", ".join(f"{count:,} {name}" for name, count in sorted(run["outcomes"].items()))
    rate = run["inputs"] / run["seconds"]
    return f"| {run['target']} | {run['engine']} | {run['inputs']:,} | {rate:,.0f} | {outcomes} |"


if __name__ == "__main__":
    main()
