"""One row per event and one position per stream, however often and by whomever they are sent."""

import re
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from acrwatch.core.errors import ConflictError, StoreError
from storage.lake import Lake
from storage.lake.draft import Draft
from storage.lake.reading import read_snapshot
from tests.lake.lake_fixtures import Ids, MakeEvents, Stored


def test_rows_and_position_become_visible_together(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, stream: str
) -> None:
    outcome = lake.commit(make_events(range(5)), {stream: 4})

    assert (outcome.rows, outcome.duplicates, outcome.redelivered) == (5, 0, 0)
    assert stored(lake) == ids(range(5))
    assert lake.position(stream) == 4


def test_a_large_commit_is_a_file_that_several_threads_can_read(
    lake: Lake, make_events: MakeEvents, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.lake.parquet._ROW_GROUP", 3)
    lake.commit(make_events(range(7)), {stream: 6})
    (file,) = lake.snapshot().files
    assert pq.ParquetFile(lake.root / file.path).num_row_groups == 3


def test_a_redelivered_batch_stores_nothing_and_makes_no_version(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, stream: str
) -> None:
    lake.commit(make_events(range(5)), {stream: 4})
    version = lake.snapshot().version

    outcome = lake.commit(make_events(range(5)), {stream: 4})

    assert (outcome.version, outcome.rows, outcome.redelivered) == (None, 0, 5)
    assert lake.snapshot().version == version
    assert stored(lake) == ids(range(5))


def test_of_an_overlapping_redelivery_only_the_new_rows_are_stored(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, stream: str
) -> None:
    lake.commit(make_events(range(5)), {stream: 4})

    outcome = lake.commit(make_events(range(3, 8)), {stream: 7})

    assert (outcome.rows, outcome.redelivered) == (3, 2)
    assert stored(lake) == ids(range(8))


def test_a_position_never_moves_back(lake: Lake, make_events: MakeEvents, stream: str) -> None:
    lake.commit(make_events(range(5)), {stream: 100})

    lake.commit(make_events(range(10, 12)), {stream: 50})

    assert lake.position(stream) == 100


def test_a_message_without_rows_still_moves_its_position(lake: Lake, make_events: MakeEvents, stream: str) -> None:
    outcome = lake.commit(make_events([]), {stream: 9})

    assert outcome.version is not None
    assert lake.position(stream) == 9
    assert lake.snapshot().files == ()


def test_nothing_to_write_makes_no_version(lake: Lake, make_events: MakeEvents) -> None:
    assert lake.commit(make_events([]), {}).version is None


def test_a_position_of_zero_is_not_taken_for_none(lake: Lake, make_events: MakeEvents, stream: str) -> None:
    lake.commit(make_events([0]), {stream: 0})

    assert lake.commit(make_events([0]), {stream: 0}).redelivered == 1
    assert lake.position("another") is None


def test_a_zombie_with_an_old_handle_is_refused(lake: Lake, make_events: MakeEvents, stream: str) -> None:
    zombie = Lake(lake.root)
    zombie._log.advance()
    lake.commit(make_events(range(5)), {stream: 4})

    with pytest.raises(ConflictError, match="Version 1 "):
        zombie._publish(Draft(lake.root), {stream: 2})
    assert lake.position(stream) == 4


def test_one_stream_behind_does_not_hold_up_another(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, stream: str
) -> None:
    lake.commit(make_events(range(5)), {stream: 4})

    rows = pa.concat_tables([make_events(range(5)), make_events(range(5, 9), stream="other")])
    outcome = lake.commit(rows, {stream: 4, "other": 8})

    assert (outcome.rows, outcome.redelivered) == (4, 5)
    assert stored(lake) == ids(range(9))
    assert (lake.position(stream), lake.position("other")) == (4, 8)


def test_a_duplicate_within_a_batch_is_stored_once(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids
) -> None:
    outcome = lake.commit(make_events([1, 2, 1, 1]), {})

    assert (outcome.rows, outcome.duplicates) == (2, 2)
    assert stored(lake) == ids(range(1, 3))


def test_the_same_event_by_another_road_is_stored_once(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, stream: str
) -> None:
    lake.commit(make_events(range(5)), {stream: 4})

    outcome = lake.commit(make_events(range(3, 8), stream="file:export.json"), {})

    assert (outcome.rows, outcome.duplicates) == (3, 2)
    assert stored(lake) == ids(range(8))


def test_the_same_event_under_a_second_sequence_number_is_stored_once(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, stream: str
) -> None:
    lake.commit(make_events([1], sequence=1), {stream: 1})

    assert lake.commit(make_events([1], sequence=2), {stream: 2}).duplicates == 1
    assert stored(lake) == ids(range(1, 2))


def test_two_instances_that_take_turns_know_each_others_events(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids
) -> None:
    other = Lake(lake.root)
    for start in range(0, 40, 10):
        lake.commit(make_events(range(start, start + 10)), {})
        other.commit(make_events(range(start + 5, start + 15)), {})

    assert stored(lake) == ids(range(45))


def test_a_batch_of_several_dates_goes_to_one_file_each_in_one_version(
    lake: Lake, make_events: MakeEvents, stored: Stored, noon: datetime
) -> None:
    days = [noon + timedelta(days=day) for day in range(3)]
    rows = pa.concat_tables([make_events([number, number + 10], at=day) for number, day in enumerate(days)])

    version = lake.commit(rows, {}).version

    assert [(file.date, file.rows) for file in lake.snapshot().files] == [(day.date(), 2) for day in days]
    assert lake.snapshot().version == version
    assert Counter(stored(lake).values()) == {1: 6}


def test_a_duplicate_of_one_date_does_not_cost_the_other_dates_their_rows(
    lake: Lake, make_events: MakeEvents, stored: Stored, noon: datetime
) -> None:
    tomorrow = noon + timedelta(days=1)
    lake.commit(make_events([1], at=noon), {})

    outcome = lake.commit(pa.concat_tables([make_events([1, 2], at=noon), make_events([3], at=tomorrow)]), {})

    assert (outcome.rows, outcome.duplicates) == (2, 1)
    assert Counter(stored(lake).values()) == {1: 3}


@pytest.mark.parametrize("broken", ["event_id", "event_date", "source", "sequence_number"])
def test_rows_without_a_required_value_are_refused_by_name(lake: Lake, make_events: MakeEvents, broken: str) -> None:
    rows = make_events([1])
    at = rows.schema.get_field_index(broken)
    rows = rows.set_column(at, rows.schema.field(at), pa.nulls(1, rows.schema.field(at).type))

    with pytest.raises(ValueError, match=broken):
        lake.commit(rows, {})
    assert lake.snapshot().version == 0


def test_an_id_that_is_not_16_bytes_is_refused(lake: Lake, make_events: MakeEvents) -> None:
    rows = make_events([1]).set_column(0, make_events([1]).schema.field(0), pa.array([b"short"]))

    with pytest.raises(ValueError, match="16 bytes"):
        lake.commit(rows, {})


@pytest.mark.parametrize("name", ["a b", "a#b", "a]b", "a'b", "ü", "a%b"])
def test_a_lake_below_a_folder_of_any_other_name_works(
    tmp_path: Path, name: str, make_events: MakeEvents, stored: Stored, ids: Ids
) -> None:
    lake = Lake.open(tmp_path / name)
    lake.commit(make_events(range(3)), {})
    lake.commit(make_events(range(1, 4)), {})

    assert stored(lake) == ids(range(4))


@pytest.mark.parametrize("name", ["a%20b", "a*b", "a?b", "a[b]"])
def test_a_path_that_libraries_take_for_another_is_refused_before_anything_is_made(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match=re.escape(name)):
        Lake.open(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError, match=re.escape(name)):
        read_snapshot(tmp_path / name)
