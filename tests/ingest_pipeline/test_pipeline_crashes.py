"""Kill the process at every point that has a name, start it again, and count."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from acrwatch.core.crashpoint import VARIABLE
from acrwatch.devhub import DevHub
from storage.lake import Lake
from storage.state import rejects
from storage.state.database import Database
from tests.ingest_pipeline.scene import body


def run(root: Path, target: str, crash_at: str | None = None) -> int:
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    if crash_at:
        environment[VARIABLE] = crash_at
    command = [sys.executable, "-m", "tests.ingest_pipeline.child", str(root), target]
    return subprocess.run(command, env=environment, timeout=60, check=False).returncode


def stored(root: Path) -> list[str]:
    """Return the identity of every row, as any reader of the lake sees them."""
    lake = Lake.open(root / "lake")
    tables = [pq.read_table(lake.root / file.path, partitioning=None) for file in lake.snapshot().files]
    return sorted(value for table in tables for value in table.column("identity").to_pylist())


def rejected(root: Path) -> int:
    database = Database(f"sqlite:///{root / 'state.db'}")
    with database.connect() as connection:
        count = len(rejects.recent(connection, limit=100))
    database.close()
    return count


def identities(count: int) -> list[str]:
    return sorted(f"user{number}@example.com" for number in range(count))


@pytest.mark.parametrize("point", ["lake.file_written", "ingest.committed", "ingest.hints_stored"])
def test_an_import_killed_anywhere_and_repeated_stores_each_event_once(tmp_path: Path, point: str) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.json").write_bytes(body(number) + b"\nno json\n")
    assert run(tmp_path, str(folder), f"{point}:1") == -signal.SIGKILL
    assert run(tmp_path, str(folder)) == 0
    assert stored(tmp_path) == identities(3)
    assert rejected(tmp_path) >= 3


@pytest.mark.parametrize("point", ["ingest.rejects_stored", "lake.committed"])
def test_reading_a_hub_killed_and_resumed_stores_each_event_and_reject_once(tmp_path: Path, point: str) -> None:
    with DevHub(hubs={"acr-audit": 2}) as hub:
        for number in range(30):
            hub.append("acr-audit", body(number))
        hub.append("acr-audit", b"no json")
        assert run(tmp_path, hub.connection_string, point) == -signal.SIGKILL
        for number in range(30, 40):
            hub.append("acr-audit", body(number))
        assert run(tmp_path, hub.connection_string) == 0
    assert stored(tmp_path) == identities(40)
    assert rejected(tmp_path) == 1
