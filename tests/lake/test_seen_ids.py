"""The index of stored ids: exact whatever its memory holds."""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from acrwatch.core.errors import StoreError
from storage.lake import Lake, Snapshot
from storage.lake.parquet import read_ids
from storage.lake.seen import SeenIds, _Index
from tests.lake.lake_fixtures import MakeEvents


def test_ids_that_share_their_first_half_are_told_apart(lake: Lake, make_events: MakeEvents) -> None:
    rows = make_events([1, 2, 3])
    twins = pa.array([b"8 bytes " + tail for tail in (b"aaaaaaaa", b"bbbbbbbb", b"cccccccc")], pa.binary())
    rows = rows.set_column(0, rows.schema.field(0), twins)

    assert lake.commit(rows.slice(0, 2), {}).rows == 2
    assert lake.commit(rows.slice(1, 2), {}).rows == 1


def test_dates_that_memory_had_to_forget_are_read_again(lake: Lake, make_events: MakeEvents, noon: datetime) -> None:
    days = [noon + timedelta(days=day) for day in range(3)]
    for number, day in enumerate(days):
        lake.commit(make_events(range(number * 10, number * 10 + 5), at=day), {})
    seen = SeenIds(lake.root, max_ids=6)

    for _ in range(2):
        for number, day in enumerate(days):
            rows = make_events(range(number * 10, number * 10 + 6), at=day)
            assert seen.fresh(rows, lake.snapshot()).num_rows == 1
            assert sum(len(index) for index in seen._dates.values()) <= 10


def test_rows_of_a_deleted_date_may_come_again(lake: Lake, make_events: MakeEvents, noon: datetime) -> None:
    lake.commit(make_events([1]), {})
    DeltaTable(str(lake.root)).delete(f"event_date = '{noon.date()}'")

    assert lake.commit(make_events([1]), {}).rows == 1


def test_a_file_swept_before_it_was_read_is_no_reason_to_fail(
    lake: Lake, make_events: MakeEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.commit(make_events([1]), {})
    writer, real = Lake(lake.root), Lake.snapshot_of
    stale = [Snapshot(lake.root, 1, tuple(type(f)(f"{f.path}.swept", f.date, 1, 1) for f in lake.snapshot().files))]
    monkeypatch.setattr(Lake, "snapshot_of", lambda self, table: stale.pop() if stale else real(self, table))

    assert writer.commit(make_events([1, 2]), {}).rows == 1


def test_a_file_that_stays_missing_is_named(lake: Lake, make_events: MakeEvents) -> None:
    lake.commit(make_events([1]), {})
    (file,) = lake.snapshot().files
    (lake.root / file.path).unlink()

    with pytest.raises(StoreError, match=file.path.rpartition("/")[2]):
        Lake(lake.root).commit(make_events([2]), {})


def test_a_damaged_file_is_named(lake: Lake, make_events: MakeEvents) -> None:
    lake.commit(make_events([1]), {})
    (file,) = lake.snapshot().files
    (lake.root / file.path).write_bytes(b"PAR1")

    with pytest.raises(StoreError, match=file.path):
        read_ids(lake.root, [file])


def test_runs_stay_few_and_complete_while_batches_of_all_sizes_come() -> None:
    random = np.random.default_rng(7)
    index, all_ids = _Index(), []
    for size in [1, 1000, 3, 1, 1, 500, 20, 20, 0, 7]:
        prefixes = random.integers(0, 2**64, size, np.uint64)
        index.add(prefixes)
        all_ids.append(prefixes)

    assert index.hits(np.concatenate(all_ids)).all()
    assert not index.hits(random.integers(0, 2**64, 100, np.uint64)).any()
    assert len(index) == sum(map(len, all_ids))
    assert len(index.runs) <= 5


def test_a_slice_of_a_table_is_judged_by_its_own_rows(lake: Lake, make_events: MakeEvents) -> None:
    rows = make_events(range(10))
    lake.commit(rows.slice(0, 5), {})

    fresh = SeenIds(lake.root).fresh(rows.slice(3, 4), lake.snapshot())

    assert pc.equal(fresh.column("sequence_number"), pa.chunked_array([[5, 6]])).to_pylist() == [True, True]
