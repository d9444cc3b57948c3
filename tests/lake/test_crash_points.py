"""A process killed at any named moment of a commit leaves a lake in which a repeat stores every row exactly once."""

import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage.lake import Lake
from storage.lake.maintenance import sweep
from tests.lake.lake_fixtures import Finish, Ids, Start, Stored

LATER = datetime.now(UTC) + timedelta(hours=2)


@pytest.mark.parametrize(
    ("point", "visible", "orphans"),
    [("lake.file_written", 10, 1), ("lake.before_commit", 10, 1), ("lake.committed", 20, 0)],
)
def test_killed_there_and_repeated_each_row_is_stored_once(
    point: str, visible: int, orphans: int, tmp_path: Path, start: Start, finish: Finish, stored: Stored, ids: Ids
) -> None:
    root = tmp_path / "lake"
    killed = start(root, "hub/0", 0, 40, 10, ACRWATCH_CRASH_AT=f"{point}:2")
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL

    lake = Lake.open(root)
    assert stored(lake) == ids(range(visible))
    assert lake.position("hub/0") == visible - 1

    assert finish(start(root, "hub/0", 0, 40, 10))["rows"] == 40 - visible
    assert sweep(lake, now=LATER) == orphans
    assert stored(lake) == ids(range(40))
    assert lake.position("hub/0") == 39
