"""What is confirmed survives a power cut: told by the order in which files are forced to the disk."""

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable

from storage.lake import Lake
from storage.lake.compaction import TARGET_BYTES, compact
from storage.lake.maintenance import maintain
from storage.lake.retention import retire
from tests.lake.lake_fixtures import MakeEvents


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files and folders in the order in which they were synced."""
    names: list[str] = []
    fsync: Callable[[int], None] = os.fsync

    def record(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        names.append(name.partition("#")[0])  # an entry is synced before it gets its name
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    return names


def _entry(version: int) -> str:
    return f"{version:020}.json"


def _names(lake: Lake) -> list[str]:
    return [Path(file.path).name for file in lake.snapshot().files]


def _compacted_by_another(lake: Lake, make_events: MakeEvents) -> str:
    """Make version 9 by a writer that syncs nothing; return its only file."""
    for number in range(8):
        lake.commit(make_events([number]), {})
    DeltaTable(str(lake.root)).optimize.compact()
    (joined,) = _names(lake)
    return joined


def test_a_commit_syncs_data_then_folder_then_entry_then_log(
    lake: Lake, make_events: MakeEvents, synced: list[str]
) -> None:
    lake.commit(make_events([1]), {})

    (data,) = _names(lake)
    order = [data, "event_date=2026-11-22", _entry(1), "_delta_log"]
    assert [name for name in synced[synced.index(data) :] if name in order] == order


def test_a_new_table_is_durable_before_anyone_uses_it(tmp_path: Path, synced: list[str]) -> None:
    Lake.open(tmp_path / "lake")

    assert synced == [_entry(0), "_delta_log", tmp_path.name, "lake"]


def test_no_entry_follows_one_that_a_power_cut_could_take(
    lake: Lake, make_events: MakeEvents, synced: list[str]
) -> None:
    joined = _compacted_by_another(lake, make_events)
    synced.clear()

    lake.commit(make_events([8]), {})

    assert synced.index(joined) < synced.index(_entry(9)) < synced.index(_entry(10))


def test_what_leaves_the_table_leaves_no_version_that_a_power_cut_could_take(
    lake: Lake, make_events: MakeEvents, noon: datetime, synced: list[str]
) -> None:
    joined = _compacted_by_another(lake, make_events)
    synced.clear()

    retire(lake, before=noon.date() + timedelta(days=1))

    assert synced.index(joined) < synced.index(_entry(9)) < synced.index(_entry(10))


def test_a_repeat_confirms_only_what_is_durable_by_then(
    lake: Lake, make_events: MakeEvents, stream: str, synced: list[str]
) -> None:
    waiting = Lake(lake.root)
    lake.commit(make_events([1]), {stream: 1})
    synced.clear()

    assert waiting.commit(make_events([1]), {stream: 1}).redelivered == 1
    assert _entry(1) in synced


def test_compaction_and_checkpoint_are_durable_when_they_return(
    lake: Lake, make_events: MakeEvents, noon: datetime, synced: list[str]
) -> None:
    for number in range(25):
        lake.commit(make_events([number]), {})
    synced.clear()

    compact(lake, noon.date(), TARGET_BYTES)
    (joined,) = _names(lake)
    assert synced[:2] == [joined, _entry(26)]

    maintain(lake, now=noon)
    assert f"{26:020}.checkpoint.parquet" in synced
    assert "_last_checkpoint" in synced
