"""P1 for a hub that carries both kinds of record: killed anywhere and resumed, each row is there once."""

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from acrwatch.core.crashpoint import VARIABLE
from acrwatch.devhub import DevHub
from storage.activity import CATEGORY
from storage.lake import Lake
from tests.activity.scene import action
from tests.ingest_pipeline.scene import record

LOGIN = "ContainerRegistryLoginEvents"
WHOLE = sorted([(CATEGORY, f"write/0:00:{number:02}") for number in range(12)] + [(LOGIN, f"c{n}") for n in range(24)])


def message(number: int) -> bytes:
    """Return one message with a control-plane record between two of the registry's own."""
    (started,) = action(timedelta(seconds=number), {"adminUserEnabled": True}, "Start")
    return json.dumps({"records": [record(2 * number), started, record(2 * number + 1)]}).encode()


def run(root: Path, target: str, crash_at: str | None = None) -> int:
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    environment |= {VARIABLE: crash_at} if crash_at else {}
    command = [sys.executable, "-m", "tests.ingest_pipeline.child", str(root), target]
    return subprocess.run(command, env=environment, timeout=60, check=False).returncode


def stored(root: Path) -> list[tuple[str, str]]:
    lake = Lake.open(root / "lake")
    tables = [pq.read_table(lake.root / file.path, partitioning=None) for file in lake.snapshot().files]
    rows = [row for table in tables for row in table.select(["category", "correlation_id"]).to_pylist()]
    return sorted((row["category"], row["correlation_id"]) for row in rows)


@pytest.mark.parametrize("point", ["lake.before_commit", "lake.committed"])
def test_rows_of_both_kinds_and_their_position_are_one(tmp_path: Path, point: str) -> None:
    with DevHub(hubs={"acr-audit": 2}) as hub:
        for number in range(8):
            hub.append("acr-audit", message(number))
        assert run(tmp_path, hub.connection_string, point) == -signal.SIGKILL
        for number in range(8, 12):
            hub.append("acr-audit", message(number))
        assert run(tmp_path, hub.connection_string) == 0
    assert stored(tmp_path) == WHOLE
