"""After a power cut: what is torn at the end is taken back whole, what is damaged elsewhere is left alone."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable

from storage.lake import Lake, LakeFile
from storage.lake.compaction import TARGET_BYTES, compact
from storage.lake.entries import checkpoints, entry_path
from storage.lake.handle import checkpoint
from storage.lake.maintenance import maintain
from storage.lake.mending import mend
from tests.lake.lake_fixtures import Ids, MakeEvents, Stored


def _commit_ten(lake: Lake, make_events: MakeEvents, stream: str) -> None:
    for number in range(10):
        lake.commit(make_events([number]), {stream: number})


@pytest.mark.parametrize("left", [b"", b"\x00" * 300, b'{"commitInfo":{"timest'])
def test_a_torn_last_entry_goes_with_its_position_and_is_stored_again(
    left: bytes, lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, stream: str
) -> None:
    _commit_ten(lake, make_events, stream)
    entry_path(lake.root, 10).write_bytes(left)

    mended = Lake.open(lake.root)

    assert mended.position(stream) == 8
    assert stored(mended) == ids(range(9))
    assert mended.commit(make_events([9]), {stream: 9}).rows == 1
    assert stored(mended) == ids(range(10))


def test_a_torn_data_file_takes_its_entry_back(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, stream: str
) -> None:
    _commit_ten(lake, make_events, stream)
    (last,) = set(lake.snapshot().files) - set(_at(lake, 9))
    (lake.root / last.path).write_bytes(b"")

    assert mend(lake.root) == [10]
    assert stored(lake) == ids(range(9))


def test_a_torn_compaction_gives_way_to_the_files_it_replaced(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, stream: str, noon: datetime
) -> None:
    _commit_ten(lake, make_events, stream)
    compact(lake, noon.date(), TARGET_BYTES)
    (joined,) = lake.snapshot().files
    (lake.root / joined.path).write_bytes(b"PAR1")

    mend(lake.root)

    assert stored(lake) == ids(range(10))
    assert lake.position(stream) == 9


def test_files_that_compaction_replaced_may_be_gone(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, stream: str, noon: datetime
) -> None:
    for number in range(4):
        lake.commit(make_events([number]), {stream: number})
    DeltaTable(str(lake.root)).create_checkpoint()
    lake.commit(make_events([4]), {stream: 4})
    replaced = lake.snapshot().files
    compact(lake, noon.date(), TARGET_BYTES)
    for file in replaced:
        (lake.root / file.path).unlink()

    assert mend(lake.root) == []
    assert stored(lake) == ids(range(5))


def test_a_torn_first_entry_makes_way_for_a_new_table(
    tmp_path: Path, make_events: MakeEvents, stored: Stored, ids: Ids
) -> None:
    root = tmp_path / "lake"
    entry_path(Lake.open(root).root, 0).write_bytes(b"")

    lake = Lake.open(root)
    lake.commit(make_events([1]), {})

    assert stored(lake) == ids([1])


def test_damage_before_whole_commits_is_left_for_a_person(
    lake: Lake, make_events: MakeEvents, stream: str, caplog: pytest.LogCaptureFixture
) -> None:
    _commit_ten(lake, make_events, stream)
    entry_path(lake.root, 7).write_bytes(b"")

    assert mend(lake.root) == []
    assert "version 7" in caplog.text
    assert entry_path(lake.root, 10).exists()


def test_a_torn_checkpoint_is_removed_while_the_entries_say_the_same(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, stream: str
) -> None:
    for number in range(25):
        lake.commit(make_events([number]), {stream: number})
    maintain(lake, now=datetime.now(UTC))
    checkpoints(lake.root)[-1].write_bytes(b"")

    mended = Lake.open(lake.root)

    assert stored(mended) == ids(range(25))
    assert mended.position(stream) == 24


def test_a_torn_entry_that_a_checkpoint_sums_up_stops_nobody(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, stream: str
) -> None:
    _commit_ten(lake, make_events, stream)
    checkpoint(lake.root)
    entry_path(lake.root, 10).write_bytes(b"")

    assert Lake.open(lake.root).commit(make_events([9, 10]), {stream: 10}).rows == 1
    assert stored(lake) == ids(range(11))


def test_damage_further_back_keeps_no_torn_end_from_being_taken_back(
    lake: Lake, make_events: MakeEvents, stream: str
) -> None:
    _commit_ten(lake, make_events, stream)
    (lake.root / _at(lake, 7)[-1].path).unlink()
    entry_path(lake.root, 10).write_bytes(b"")

    assert mend(lake.root) == [10]


def test_a_sound_lake_is_left_as_it_is(lake: Lake, make_events: MakeEvents, stream: str, noon: datetime) -> None:
    _commit_ten(lake, make_events, stream)
    maintain(lake, now=noon)
    before = sorted(lake.root.rglob("*"))

    assert mend(lake.root) == []
    assert sorted(lake.root.rglob("*")) == before


def _at(lake: Lake, version: int) -> tuple[LakeFile, ...]:
    return lake.snapshot_of(DeltaTable(str(lake.root), version=version)).files
