"""What waits to be judged, and since when: known from the log, counted only where it must be said."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from deltalake import DeltaTable

from acrwatch.core.errors import StoreError
from storage import backlog as module
from storage.backlog import Backlog, backlog
from storage.lake import Lake
from storage.lake.compaction import TARGET_BYTES, compact
from storage.lake.entries import entry_path, entry_versions
from storage.lake.snapshot import Hint, stored_after
from storage.query import Reader
from storage.state.runs import Cursor
from tests.lake.lake_fixtures import MakeEvents

THEN = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def filled(lake: Lake, make_events: MakeEvents, stream: str) -> Lake:
    """Four commits of five events each, a minute apart from THEN on."""
    for at in range(4):
        numbers = range(at * 5, at * 5 + 5)
        dated(lake, lake.commit(make_events(numbers), {stream: numbers[-1]}).version, THEN + at * MINUTE)
    return lake


def dated(lake: Lake, version: int | None, moment: datetime) -> None:
    assert version is not None
    os.utime(entry_path(lake.root, version), (moment.timestamp(), moment.timestamp()))


def cursor_after(lake: Lake, events: int, *, moved: datetime = THEN, name: str = "mass-delete") -> Cursor:
    """Return the cursor of a detection that has judged so many events of `filled`, whole commits of them."""
    if not events:
        return Cursor(name, 0, {}, None, "v", moved)
    with Reader(lake.snapshot()) as reader:
        part = reader.slice_after({}, None, chunk_rows=events)
    return Cursor(name, 1, part.upto, part.hint, "v", moved)


def waiting(lake: Lake, *cursors: Cursor, before: datetime = THEN + timedelta(days=1)) -> Backlog | None:
    found: Mapping[str, Cursor] = {f"{number}": one for number, one in enumerate(cursors)}
    return backlog(lake.root, found, before=before)


def forget_the_log(lake: Lake) -> None:
    lake._make_durable(lake.snapshot().version)
    DeltaTable(str(lake.root)).create_checkpoint()
    for version in entry_versions(lake.root)[:-1]:
        entry_path(lake.root, version).unlink()


def test_where_none_ever_judged_everything_waits(filled: Lake) -> None:
    assert waiting(filled, before=THEN) == Backlog(20, more=False, since=None, judged_at=None)


def test_an_empty_lake_and_no_lake_have_nothing_that_waits(lake: Lake) -> None:
    assert waiting(lake) is None
    assert backlog(lake.root / "elsewhere", {}, before=THEN) is None


def test_what_came_after_the_cursor_is_counted_and_dated(filled: Lake) -> None:
    assert waiting(filled, cursor_after(filled, 10)) == Backlog(10, False, THEN + 2 * MINUTE, THEN)
    assert waiting(filled, cursor_after(filled, 0)) == Backlog(20, False, THEN, THEN)


def test_no_row_is_read_where_all_is_judged_or_what_waits_is_young(
    filled: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, behind = cursor_after(filled, 20), cursor_after(filled, 15)
    monkeypatch.setattr(module, "_counted", None)  # whoever calls it fails
    assert waiting(filled, done) is None
    assert waiting(filled, behind, before=THEN + 3 * MINUTE) is None


def test_a_compaction_is_nothing_to_judge(filled: Lake, noon: datetime) -> None:
    done = cursor_after(filled, 20)
    compact(filled, noon.date(), TARGET_BYTES)
    assert waiting(filled, done) is None
    assert done.hint is not None
    assert filled.snapshot().version > done.hint.version


def test_a_cursor_left_behind_says_nothing_of_the_others(filled: Lake) -> None:
    gone = cursor_after(filled, 5, name="not-installed-any-more")
    assert waiting(filled, gone, cursor_after(filled, 20)) is None
    found = waiting(filled, gone, cursor_after(filled, 15, moved=THEN + MINUTE))
    assert found == Backlog(5, False, THEN + 3 * MINUTE, THEN + MINUTE)


def test_where_the_log_was_cleaned_up_positions_tell(filled: Lake) -> None:
    behind, done = cursor_after(filled, 10), cursor_after(filled, 20)
    forget_the_log(filled)
    assert waiting(filled, behind, before=THEN) == Backlog(10, False, None, THEN)
    lost = Cursor("mass-delete", 1, done.positions, None, "v", THEN)
    assert waiting(filled, lost) is None


def test_counting_that_takes_too_long_is_left(filled: Lake) -> None:
    found = backlog(filled.root, {"a": cursor_after(filled, 10)}, before=THEN + timedelta(days=1), seconds=0.0)
    assert found == Backlog(None, False, THEN + 2 * MINUTE, THEN)


def test_a_lake_that_cannot_be_read_is_no_lake_without_backlog(lake: Lake) -> None:
    entry_path(lake.root, 0).write_text("{}")
    with pytest.raises(StoreError):
        waiting(lake)


def test_another_table_in_its_place_is_not_what_the_hint_knew(filled: Lake) -> None:
    with pytest.raises(LookupError):
        stored_after(filled.root, Hint(2, "0" * 64))
