"""A writer that follows the log knows what one that loads the table knows, and never takes a version twice."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable

from acrwatch.core.errors import ConflictError
from storage.lake import Lake, LakeFile, handle, replay
from storage.lake.compaction import TARGET_BYTES, compact
from storage.lake.draft import Draft
from storage.lake.entries import entry_path, entry_versions
from storage.lake.handle import amend_properties, checkpoint
from storage.lake.holding import forget
from storage.lake.parquet import read_ids
from tests.lake.lake_fixtures import Ids, MakeEvents, Stored

CLEAN_UP = "delta.enableExpiredLogCleanup"


def _clean_up(lake: Lake) -> None:
    """Sum the log up and drop all the entries that may go, as if all were four hours old."""
    checkpoint(lake.root)
    assert forget(lake.root, None, now=datetime.now(UTC) + timedelta(hours=4))


def test_a_commit_loads_no_table_once_its_writer_follows(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Lake(lake.root)
    for number in range(2):
        (lake, other)[number].commit(make_events([number]), {stream: number})

    def refuse(root: Path) -> DeltaTable:
        raise AssertionError(f"loaded {root}")

    monkeypatch.setattr(replay, "open_table", refuse)
    for number in range(2, 8):
        (lake, other)[number % 2].commit(make_events([number, number - 1]), {stream: number})

    monkeypatch.undo()
    assert stored(lake) == ids(range(8))


def test_the_ids_of_a_date_are_not_read_again_after_a_compaction_by_others(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, noon: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Lake(lake.root)
    lake.commit(make_events(range(100)), {})
    for number in range(100, 105):
        other.commit(make_events([number]), {})
    compact(other, noon.date(), TARGET_BYTES)
    rows_read: list[int] = []

    def count(root: Path, files: list[LakeFile]) -> object:
        rows_read.append(sum(file.rows for file in files))
        return read_ids(root, files)

    monkeypatch.setattr("storage.lake.seen.read_ids", count)
    lake.commit(make_events([200]), {})

    assert sum(rows_read) == 5  # the other writer's
    assert lake.commit(make_events(range(105)), {}).duplicates == 105
    assert stored(lake) == ids([*range(105), 200])


def test_a_writer_that_clean_up_has_passed_takes_no_old_version(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, stream: str
) -> None:
    behind = Lake(lake.root)
    behind.commit(make_events([0]), {stream: 0})
    for number in range(1, 6):
        lake.commit(make_events([number]), {stream: number})
    _clean_up(lake)

    assert behind.commit(make_events([3, 6]), {stream: 6}).version == 7
    assert stored(lake) == ids(range(7))


def test_a_writer_asleep_between_look_and_commit_looks_again(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, stream: str
) -> None:
    asleep, also, draft = Lake(lake.root), Lake(lake.root), Draft(lake.root)
    for writer in (asleep, also):
        writer._log.advance()
    draft.hold(make_events([1]), None)
    for number in range(6):
        lake.commit(make_events([number]), {stream: number})
    _clean_up(lake)

    with pytest.raises(ConflictError, match="passed version 0"):
        asleep._publish(draft, {stream: 1})
    assert entry_path(lake.root, 1).exists()  # which no reader looks at

    assert also.commit(make_events([6]), {stream: 6}).version == 7  # and no writer takes for the newest
    assert asleep.commit(make_events([1, 7]), {stream: 7}).version == 8
    assert stored(lake) == ids(range(8))


def test_another_table_in_the_place_of_ours_is_loaded(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, stream: str
) -> None:
    for number in range(3):
        lake.commit(make_events([number]), {stream: number})
    shutil.rmtree(lake.root)
    other = Lake.open(lake.root)
    for number in range(10, 14):
        other.commit(make_events([number]), {stream: number - 10})

    assert lake.commit(make_events([0, 4]), {stream: 4}).rows == 1
    assert stored(lake) == ids([4, *range(10, 14)])


def test_an_entry_of_another_kind_of_writer_is_left_to_delta_rs(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids
) -> None:
    lake.commit(make_events([0]), {})
    Lake(lake.root).commit(make_events([1]), {})
    later = entry_path(lake.root, 2)
    later.write_text(later.read_text().replace("numRecords", "unheard-of"))

    assert lake.commit(make_events([0, 1, 2]), {}).rows == 1
    assert stored(lake) == ids(range(3))


def test_a_position_is_never_newer_than_what_the_writer_made_durable(
    lake: Lake, make_events: MakeEvents, stream: str
) -> None:
    waiting = Lake(lake.root)
    waiting._log.advance()
    lake.commit(make_events([1]), {stream: 1})

    with pytest.raises(ConflictError, match="came after 0"):
        waiting._log.positions([stream])
    assert waiting.commit(make_events([1]), {stream: 1}).redelivered == 1


def test_positions_of_streams_beyond_memory_are_looked_up(
    lake: Lake, make_events: MakeEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "_MAX_STREAMS", 2)
    for _ in range(2):
        for number in range(6):
            lake.commit(make_events([number], stream=f"file:{number}"), {f"file:{number}": number, "hub": 9})

    assert entry_versions(lake.root)[-1] == 6
    assert len(lake._log._positions) <= 4


@pytest.mark.parametrize("writers", [1, 2])
def test_a_table_of_an_earlier_version_gets_what_it_lacks_in_one_commit(lake: Lake, writers: int) -> None:
    DeltaTable(str(lake.root)).alter.set_table_properties({CLEAN_UP: "true"})

    for _ in range(writers):
        Lake.open(lake.root)

    table = DeltaTable(str(lake.root))
    assert table.metadata().configuration[CLEAN_UP] == "false"
    assert table.version() == 2


def test_of_two_that_amend_a_table_at_once_one_does(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    DeltaTable(str(lake.root)).alter.set_table_properties({CLEAN_UP: "true"})
    others: list[bool] = []

    def open_and_be_overtaken(root: Path) -> DeltaTable:
        table = DeltaTable(str(root))
        monkeypatch.undo()
        others.append(amend_properties(root))
        return table

    monkeypatch.setattr(handle, "open_table", open_and_be_overtaken)

    assert not amend_properties(lake.root)
    assert others == [True]
    assert lake.snapshot().version == 2
