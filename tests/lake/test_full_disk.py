"""A disk that takes no more: a clear error, nothing half-written visible, nothing left behind, and a repeat works.

RLIMIT_FSIZE makes the kernel refuse to write a file past a size, below us and below delta-rs alike.
"""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable

from acrwatch.core.errors import ConflictError, StoreError
from storage.lake import Lake
from storage.lake.compaction import TARGET_BYTES, compact
from storage.lake.entries import entry_path
from tests.lake.lake_fixtures import Ids, MakeEvents, Stored


@contextmanager
def _files_limited_to(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _files(lake: Lake) -> list[Path]:
    return sorted(path for path in lake.root.rglob("*") if path.is_file())


def test_a_data_file_that_does_not_fit_leaves_nothing_and_may_be_repeated(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, stream: str
) -> None:
    lake.commit(make_events([0]), {stream: 0})
    before = _files(lake)

    with _files_limited_to(20_000), pytest.raises(StoreError, match="Cannot write events") as refused:
        lake.commit(make_events(range(1, 5000)), {stream: 4999})

    assert not isinstance(refused.value, ConflictError)
    assert _files(lake) == before
    assert lake.position(stream) == 0
    assert lake.commit(make_events(range(1, 5000)), {stream: 4999}).rows == 4999
    assert stored(lake) == ids(range(5000))


def test_a_log_entry_that_does_not_fit_is_no_conflict_and_leaves_no_data_file(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, stream: str
) -> None:
    lake.commit(make_events([0]), {stream: 0})
    before = _files(lake)
    many = {f"eventhub/example/audit/{number}/0": 1 for number in range(2000)}

    with _files_limited_to(50_000), pytest.raises(StoreError, match="Cannot commit") as refused:
        lake.commit(make_events([1]), {**many, stream: 1})

    assert not isinstance(refused.value, ConflictError)
    left = [path for path in _files(lake) if path not in before and "#" not in path.name]
    assert left == []
    assert lake.commit(make_events([1]), {stream: 1}).rows == 1
    assert stored(lake) == ids(range(2))


@pytest.mark.parametrize("limit", [4_000, 14_000])
def test_a_compaction_that_does_not_fit_is_no_conflict_and_changes_nothing(
    limit: int, lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, noon: datetime
) -> None:
    """The joined file takes some 11 kB, the log entry that replaces 60 files some 17 kB."""
    for number in range(60):
        lake.commit(make_events([number]), {})
    before = lake.snapshot()

    with _files_limited_to(limit), pytest.raises(StoreError, match="Free disk space") as refused:
        compact(lake, noon.date(), TARGET_BYTES)

    assert not isinstance(refused.value, ConflictError)
    assert lake.snapshot() == before
    assert stored(lake) == ids(range(60))
    assert compact(lake, noon.date(), TARGET_BYTES) == (60, 1)
    (joined,) = lake.snapshot().files
    assert joined.size < 14_000 < entry_path(lake.root, lake.snapshot().version).stat().st_size


def test_a_commit_whose_checkpoint_fails_is_a_commit(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, stream: str
) -> None:
    DeltaTable(str(lake.root)).alter.set_table_properties({"delta.checkpointInterval": "1"})
    (lake.root / "_delta_log" / f"{2:020}.checkpoint.parquet").mkdir()

    assert lake.commit(make_events([1]), {stream: 1}).version == 2
    assert stored(lake) == ids([1])
    assert lake.position(stream) == 1
