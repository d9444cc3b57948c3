"""A lake in a temporary folder, numbered events, and writers in processes of their own."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from storage.lake import Lake
from tests.lake import lake_writer
from tests.lake.lake_fixtures import REPOSITORY, Finish, Ids, MakeEvents, Start, Stored


@pytest.fixture
def make_events() -> MakeEvents:
    """Build events told apart by number."""
    return lake_writer.make_events


@pytest.fixture
def noon() -> datetime:
    """When the events of `make_events` begin."""
    return lake_writer.NOON


@pytest.fixture
def stream() -> str:
    """The stream of the events of `make_events`."""
    return lake_writer.STREAM


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake."""
    return Lake.open(tmp_path / "lake")


@pytest.fixture
def ids() -> Ids:
    """The ids of numbered events, each once."""
    return lambda numbers: Counter(lake_writer.event_id(number) for number in numbers)


@pytest.fixture
def stored() -> Stored:
    """Count how often the lake holds each event id, read straight from the files."""

    def read(lake: Lake) -> Counter[bytes]:
        snapshot = lake.snapshot()
        tables = (
            pq.read_table(lake.root / file.path, columns=["event_id"], partitioning=None) for file in snapshot.files
        )
        return Counter(found for table in tables for found in table.column("event_id").to_pylist())

    return read


@pytest.fixture
def start() -> Iterator[Start]:
    """Start `lake_writer.py` in a process of its own; extra environment by keyword."""
    running: list[subprocess.Popen[str]] = []

    def run(*arguments: object, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(Path(lake_writer.__file__)), *map(str, arguments)],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def finish() -> Finish:
    """Wait for such a process, which must succeed, and return what it printed."""

    def wait(process: subprocess.Popen[str]) -> dict[str, int]:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        found: dict[str, int] = json.loads(out)
        return found

    return wait
