"""A disk that takes no more: a clear error, nothing half-written visible, nothing left behind, and a repeat works.

RLIMIT_FSIZE makes the kernel refuse to write a file past a size, below us and below delta-rs alike.
"""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from acrwatch.core.errors import ConflictError, StoreError
from storage.lake import Lake
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
