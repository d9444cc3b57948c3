"""The same records in a run that nothing happens to: imported from a file into another store, judged in one go."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from acrwatch.core.errors import StoreError
from drill.fleet import ROOT
from drill.load import Load
from drill.outcome import Outcome, outcome
from storage.lake import Lake
from storage.state.database import Database

_WAIT: Final = 600.0  # seconds


def registries(allowed_ranges: Mapping[str, Sequence[str]]) -> str:
    """Return the configuration of registries, the same for both runs."""
    return "".join(
        f"[registries.{name}]\nallowed_ranges = {json.dumps(found)}\n" for name, found in allowed_ranges.items()
    )


def undisturbed(folder: Path, load: Load) -> Outcome:
    """Return what stands after one process has imported each distinct record once, and another judged all of them.

    Another road (files), another database (SQLite), another order (of time) and no repeats: only the records are the
    same. Raises StoreError where a command fails.
    """
    folder.mkdir()
    config = folder / "acrwatch.toml"
    config.write_text(
        f'[store]\npath = "lake"\ndatabase = "sqlite:///state.db"\n{registries(load.allowed_ranges)}', encoding="utf-8"
    )
    records = sorted(load.records, key=lambda record: str(record["time"]))
    (folder / "records.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    acrwatch(config, "import", str(folder / "records.jsonl"))
    acrwatch(config, "detect", "--once")
    database = Database(f"sqlite:///{folder / 'state.db'}")
    try:
        return outcome(Lake(folder / "lake"), database)
    finally:
        database.close()


def acrwatch(config: Path, *arguments: str) -> str:
    """Run one command to its end and return what it printed. Raises StoreError with its words where it fails."""
    command = [sys.executable, "-m", "acrwatch", "--config", str(config), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_WAIT, check=False)
    if done.returncode != 0:
        raise StoreError(f"acrwatch {' '.join(arguments)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout
