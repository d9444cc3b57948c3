"""Memory of `acrwatch ingest --once` while it reads millions of records from a hub: its greatest resident set.

    python -m benchmarks.memory [--records N]

The command runs as its users run it, in a process of its own; the kernel tells the greatest resident set of it and of
its children when it ends. The development hub, in another process, holds all the messages and does not count.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.loaded_hub import HUB, loaded_hub
from benchmarks.machine import described

_COMMAND: Final = (sys.executable, "-c", "from acrwatch.cli import main; main()", "ingest", "--once", "--json")


def ingest(connection_string: str, folder: Path) -> tuple[int, float]:
    """Read the hub into a new lake; return the events stored and the greatest resident set, MiB."""
    settings = {
        "STORE__PATH": str(folder / "lake"),
        "STORE__DATABASE": f"sqlite:///{folder}/state.db",
        "SOURCES__0__TYPE": "eventhub",
        "SOURCES__0__EVENTHUB": HUB,
        "SOURCES__0__CONNECTION_STRING": connection_string,
    }
    environment = {**os.environ, **{f"ACRWATCH__{name}": value for name, value in settings.items()}}
    answer = folder / "counts.json"
    with answer.open("wb") as out, subprocess.Popen(_COMMAND, cwd=folder, env=environment, stdout=out) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"acrwatch ingest ended with {process.returncode}")
    return sum(source["events"] for source in json.loads(answer.read_bytes())), usage.ru_maxrss / 1024


def main() -> None:
    """Run it once and print a line for docs/performance.md."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--records", type=int, default=5_000_000)
    given = options.parse_args()
    print(described())
    with loaded_hub(given.records) as connection_string, tempfile.TemporaryDirectory() as name:
        started = time.perf_counter()
        events, peak = ingest(connection_string, Path(name))
        seconds = time.perf_counter() - started
    print(f"{events:,} of {given.records:,} records stored in {seconds:.0f} s; greatest resident set {peak:.0f} MiB")
    if events != given.records:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
