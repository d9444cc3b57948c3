"""File to alerts, against what else runs the same three rules on the same records.

    python -m benchmarks.peers [--records N] [--pairs N] [--folder PATH]

Our side is the normal import path: files into the lake (exactly once, synced), then a pass of `admin-user-login`,
`pull-outside-allowed-ranges` and `mass-delete`, alerts in the database. Peers: pySigma with its SQLite and its DuckDB
backend, over a loader of the fewest lines (the columns the rules name, into memory), and panther_core, which calls a
rule's function for each record. Each has a virtual environment of its own, made with pip from wherever pip is set to
look. All are timed from the file to the answers, without starting Python and importing, in turn: the ratio is taken
pair by pair. An answer is right where every burst is found and told once, nothing else, and the other two
rules find what there is.
A shorter run: `--records 100000 --pairs 2`.
"""

import argparse
import ipaddress
import json
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import described
from benchmarks.peers_world import RANGES, REGISTRIES, Truth, write_records

_RUNS: Final = Path(__file__).parent / "peer_runs"
_RULES: Final = ("admin-user-login", "pull-outside-allowed-ranges", "mass-delete")


@dataclass(slots=True)
class Side:
    """One way from file to alerts, and what its runs said."""

    name: str
    command: list[str]
    runs: list[Mapping[str, Any]] = field(default_factory=list)

    def run(self) -> None:
        """Run it once more. What it says of itself is one JSON object on stdout."""
        done = subprocess.run(self.command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{self.name} failed:\n{done.stderr[-2000:]}")
        self.runs.append(json.loads(done.stdout.splitlines()[-1]))

    @property
    def seconds(self) -> list[float]:
        """How long each run took."""
        return [run["seconds"] for run in self.runs]


# What pip installs for each. pySigma below 2, for the DuckDB backend has none for 2; and what panther_core imports and
# does not name as its own requirements.
PEERS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "pySigma, SQLite": ("sigma_sqlite.py", ("pysigma<2", "pysigma-backend-sqlite")),
    "pySigma, DuckDB": ("sigma_duckdb.py", ("pysigma<2", "pysigma-backend-duckdb", "duckdb")),
    "panther_core": ("panther.py", ("panther_core", "python-dateutil", "jmespath", "jsonpath-ng")),
}


def ours(records: Path, folder: Path) -> None:
    """Import a file and judge it; print what came of it."""
    from acrwatch.core.clock import SystemClock
    from acrwatch.core.registry import RegistryContext
    from detections.context import Context
    from detections.engine import Engine
    from detections.rule import SHIPPED, load_rules
    from ingest.normalise import Normaliser
    from ingest.opening import Opening
    from ingest.pipeline import Pipeline
    from ingest.sources.files import FilesSource
    from storage.lake import Lake
    from storage.state import alerts
    from storage.state.database import Database

    started = time.perf_counter()
    database, clock = Database(f"sqlite:///{folder}/state.db"), SystemClock()
    database.migrate()
    lake = Lake.open(folder / "lake")
    source = FilesSource((records,), Opening(lake=lake, database=database, clock=clock))
    counts = Pipeline(source, Normaliser(), lake, database, clock).run_once()
    ranges = tuple(map(ipaddress.ip_network, RANGES))
    context = Context({name: RegistryContext({"allowed_ranges": ranges}) for name in REGISTRIES})
    rules = load_rules([SHIPPED / f"{slug}.yml" for slug in _RULES])
    passed = Engine(lake, database, rules, context, clock).run_until_done()
    seconds = time.perf_counter() - started
    with database.connect() as connection:
        found = {slug: alerts.find(connection, rule=slug) for slug in _RULES}
    database.close()
    bursts = found["mass-delete"]
    print(json.dumps({
        "seconds": seconds,
        "events": counts.events,
        "failed": passed.failed,
        "admin": sum(alert.count for alert in found["admin-user-login"]),
        "outside": sum(alert.count for alert in found["pull-outside-allowed-ranges"]),
        "identities": sorted(entity["value"] for a in bursts for entity in a.entities if entity["type"] == "identity"),
        "alerts": len(bursts),
    }))  # fmt: skip


def installed(folder: Path, records: Path) -> list[Side]:
    """Return our side and every peer that can be installed; those that cannot are told on stderr."""
    program = [sys.executable, "-m", "benchmarks.peers", "--ours", str(records)]
    sides = [Side("acrwatch", program)]
    for name, (script, packages) in PEERS.items():
        place = folder / script.removesuffix(".py")
        venv.create(place, with_pip=True)
        pip = [str(place / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*pip, *packages], capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{name} is left out, pip cannot install it: {done.stderr[-300:]}", file=sys.stderr)
            continue
        rules = str(_RUNS / "rules.yml")
        sides.append(Side(name, [str(place / "bin/python"), str(_RUNS / script), str(records), rules]))
    return sides


def right(run: Mapping[str, Any], truth: Truth) -> bool:
    """Return whether every burst was found, nobody else, each told once, and what else there is."""
    said = (run["admin"], run["outside"], tuple(run["identities"]), run["alerts"])
    return said == (truth.admin, truth.outside, truth.identities, len(truth.identities))


def told(sides: list[Side], truth: Truth, records: int) -> None:
    """Print a row for each side, and the ratio to each peer."""
    print("| | records/s, median | range | admin logins | outside pulls | bursts | false | alerts | right |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|---|")
    for side in sides:
        run, speeds = side.runs[0], [records / seconds for seconds in side.seconds]
        hits = len(set(run["identities"]) & set(truth.identities))
        false = len(set(run["identities"]) - set(truth.identities))
        print(
            f"| {side.name} | {statistics.median(speeds):,.0f} | {min(speeds):,.0f} - {max(speeds):,.0f} "
            f"| {run['admin']} of {truth.admin} | {run['outside']} of {truth.outside} | {hits} of "
            f"{len(truth.identities)} | {false} | {run['alerts']} | {'yes' if right(run, truth) else 'no'} |"
        )
    print("\n| acrwatch against | times as fast, pair by pair | its answers |\n|---|--:|---|")
    for side in sides[1:]:
        ratios = [b / a for a, b in zip(sides[0].seconds, side.seconds, strict=True)]
        print(
            f"| {side.name} | {statistics.median(ratios):.2f} ({min(ratios):.2f} - {max(ratios):.2f}) "
            f"| {'right' if right(side.runs[0], truth) else 'not right'} |"
        )


def main() -> None:
    """Make the records and the environments, run the rounds, print the rows."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--records", type=int, default=1_000_000)
    options.add_argument("--pairs", type=int, default=5)
    options.add_argument("--ours", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="acrwatch-peers-") as name:
        if given.ours:
            ours(given.ours, Path(name))
            return
        records = Path(name) / "records.jsonl"
        truth = write_records(records, given.records)
        sides = installed(Path(name), records)
        for _ in range(given.pairs):
            for side in sides:
                side.run()
        size = records.stat().st_size / given.records
    print(f"{described()}; {given.records:,} records of {size:.0f} bytes, {given.pairs} rounds\n")
    told(sides, truth, given.records)


if __name__ == "__main__":
    main()
