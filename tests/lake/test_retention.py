"""Retention takes whole dates out of the table, and readers see rows go, not come."""

from datetime import UTC, date, datetime, timedelta

import pytest
from deltalake import DeltaTable

from storage.lake import Lake
from storage.lake.holding import forget, held_from, named_since
from storage.lake.maintenance import maintain
from storage.lake.retention import Retired, first_kept, retire
from storage.lake.snapshot import appended
from storage.lake.sweeping import sweep, sweepable
from storage.query import Reader
from tests.lake.lake_fixtures import Ids, MakeEvents, Stored


@pytest.fixture
def dated(lake: Lake, make_events: MakeEvents, noon: datetime) -> Lake:
    """Ten dates, the last that of noon, one event each."""
    for number in range(10):
        lake.commit(make_events([number], at=noon - timedelta(days=9 - number)), {})
    return lake


def test_whole_dates_go_and_the_rest_is_not_rewritten(dated: Lake, stored: Stored, ids: Ids, noon: datetime) -> None:
    before = dated.snapshot().files

    done = maintain(dated, now=noon, retention=timedelta(days=7))

    assert done.retired == Retired((noon.date() - timedelta(days=9), noon.date() - timedelta(days=8)), 2)
    assert dated.snapshot().files == before[2:]
    assert stored(dated) == ids(range(2, 10))
    assert Lake.open(dated.root).snapshot().files == before[2:]


def test_without_retention_everything_stays(dated: Lake, noon: datetime) -> None:
    maintain(dated, now=noon + timedelta(days=9999))

    assert len(dated.snapshot().files) == 10


def test_a_date_goes_once_all_of_it_is_too_old() -> None:
    week = timedelta(days=7)
    assert first_kept(week, datetime(2026, 11, 22, 23, 59, tzinfo=UTC)) == date(2026, 11, 15)
    assert first_kept(week, datetime(2026, 11, 23, tzinfo=UTC)) == date(2026, 11, 16)


def test_nothing_to_retire_makes_no_version(dated: Lake) -> None:
    version = dated.snapshot().version

    assert retire(dated, before=date(2000, 1, 1)) == Retired()
    assert dated.snapshot().version == version


def test_a_cursor_goes_on_behind_it(dated: Lake, make_events: MakeEvents, noon: datetime) -> None:
    with Reader(dated.snapshot()) as reader:
        part = reader.slice_after({}, None, chunk_rows=4)
    retire(dated, before=noon.date() - timedelta(days=3))
    dated.commit(make_events([10]), {})

    with Reader(dated.snapshot()) as reader:
        later = reader.slice_after(part.upto, part.hint)
    assert (part.rows, later.rows) == (4, 5)


def test_log_entries_stay_for_the_reader_furthest_behind(dated: Lake) -> None:
    with Reader(dated.snapshot()) as reader:
        hint = reader.slice_after({}, None, chunk_rows=3).hint
    assert hint is not None
    DeltaTable(str(dated.root)).create_checkpoint()
    now = datetime.now(UTC) + timedelta(hours=4)
    held = held_from(dated.root, [9, hint.version], now=now)

    assert forget(dated.root, held, now=now) == hint.version
    found = appended(dated.snapshot(), hint)
    assert found is not None
    assert len(found) == 7


def test_past_a_day_a_hint_is_let_go_and_its_rows_are_found_by_position(dated: Lake) -> None:
    with Reader(dated.snapshot()) as reader:
        part = reader.slice_after({}, None, chunk_rows=3)
    assert part.hint is not None
    DeltaTable(str(dated.root)).create_checkpoint()
    now = datetime.now(UTC) + timedelta(hours=25)
    held = held_from(dated.root, [part.hint.version], now=now)

    assert held is None
    assert forget(dated.root, held, now=now) == 10
    assert appended(dated.snapshot(), part.hint) is None
    with Reader(dated.snapshot()) as reader:
        assert reader.slice_after(part.upto, part.hint).rows == 7


def test_a_reader_that_is_not_behind_holds_nothing_long_ago(dated: Lake) -> None:
    version = dated.snapshot().version

    assert held_from(dated.root, [version], now=datetime.now(UTC) + timedelta(days=9)) == version
    assert named_since(dated.root, version) == set()


def test_young_entries_are_kept(dated: Lake) -> None:
    DeltaTable(str(dated.root)).create_checkpoint()

    assert forget(dated.root, None, now=datetime.now(UTC)) == 0


def test_files_that_a_reader_needs_are_not_swept(lake: Lake, make_events: MakeEvents, noon: datetime) -> None:
    for number in range(8):
        lake.commit(make_events([number]), {})
    maintain(lake, now=noon)
    handle = DeltaTable(str(lake.root))
    handle.alter.set_table_properties({"delta.deletedFileRetentionDuration": "interval 0 seconds"})
    DeltaTable(str(lake.root)).create_checkpoint()
    later = datetime.now(UTC) + timedelta(hours=2)

    assert len(sweepable(lake, now=later)) == 8
    assert len(sweepable(lake, now=later, held=3)) == 3
    assert sweep(lake, now=later, held=3) == 3
