"""Real damage is found and named; a repair mends it and says what it cost."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from deltalake import DeltaTable

from acrwatch.core.errors import StoreError
from storage.lake import Lake
from storage.lake.compaction import TARGET_BYTES, compact
from storage.lake.draft import Draft
from storage.lake.entries import checkpoints, entry_path
from storage.lake.repair import Lost, repair
from storage.lake.snapshot import LakeFile
from storage.lake.verifying import verify
from tests.lake.lake_fixtures import Ids, MakeEvents, Stored


@pytest.fixture
def ten(lake: Lake, make_events: MakeEvents, stream: str) -> Lake:
    """Ten commits of one event each, a checkpoint after the fifth."""
    for number in range(10):
        if number == 5:
            DeltaTable(str(lake.root)).create_checkpoint()
        lake.commit(make_events([number]), {stream: number})
    return lake


def _last(lake: Lake) -> LakeFile:
    return max(lake.snapshot().files, key=lambda file: (lake.root / file.path).stat().st_mtime_ns)


def _truncate_last_entry(lake: Lake) -> None:
    entry_path(lake.root, 10).write_bytes(entry_path(lake.root, 10).read_bytes()[:40])


def _empty_last_entry(lake: Lake) -> None:
    entry_path(lake.root, 10).write_bytes(b"")


def _delete_file(lake: Lake) -> None:
    (lake.root / lake.snapshot().files[0].path).unlink()


def _shorten_file(lake: Lake) -> None:
    path = lake.root / lake.snapshot().files[0].path
    path.write_bytes(path.read_bytes()[:-9])


def _corrupt_checkpoint(lake: Lake) -> None:
    (path,) = checkpoints(lake.root)
    path.write_bytes(b"PAR1" + bytes(500) + b"PAR1")


def _change_bytes(lake: Lake) -> None:
    path = lake.root / lake.snapshot().files[0].path
    content = path.read_bytes()
    path.write_bytes(content[:4] + bytes(byte ^ 0x5A for byte in content[4:-200]) + content[-200:])


def _blank(lake: Lake) -> None:
    path = lake.root / lake.snapshot().files[0].path
    path.write_bytes(bytes(path.stat().st_size))


def _delete_checkpoint(lake: Lake) -> None:
    (path,) = checkpoints(lake.root)
    path.unlink()


DAMAGE = [
    (_delete_checkpoint, "checkpoint_missing"),
    (_change_bytes, "file_unreadable"),
    (_blank, "file_unreadable"),
    (_truncate_last_entry, "entry_torn"),
    (_empty_last_entry, "entry_torn"),
    (_delete_file, "file_missing"),
    (_shorten_file, "file_damaged"),
    (_corrupt_checkpoint, "checkpoint_unreadable"),
]


def test_a_whole_lake_has_no_findings(ten: Lake, noon: datetime) -> None:
    assert verify(ten) == verify(ten, full=True) == []
    compact(ten, noon.date(), TARGET_BYTES)
    assert verify(ten, full=True) == []


@pytest.mark.parametrize(("damage", "kind"), DAMAGE)
def test_damage_is_found_and_nothing_is_touched(ten: Lake, damage: Callable[[Lake], None], kind: str) -> None:
    damage(ten)
    before = sorted(ten.root.rglob("*"))

    assert kind in {finding.kind for finding in verify(ten)}
    assert sorted(ten.root.rglob("*")) == before


@pytest.mark.parametrize(("damage", "kind"), DAMAGE)
def test_after_a_repair_the_lake_is_whole(ten: Lake, damage: Callable[[Lake], None], kind: str) -> None:
    damage(ten)
    repair(ten)

    assert verify(ten, full=True) == []


def test_a_copy_made_while_others_wrote_opens_though_its_newest_checkpoint_is_missing(
    ten: Lake, make_events: MakeEvents
) -> None:
    _delete_checkpoint(ten)

    assert Lake.open(ten.root).commit(make_events([10]), {}).rows == 1
    assert verify(ten, full=True) == []


def test_a_repair_that_cannot_be_says_what_is_left_to_do(ten: Lake) -> None:
    entry_path(ten.root, 8).unlink()

    with pytest.raises(StoreError, match="restore the folder _delta_log from a backup"):
        repair(ten)


def test_a_gap_in_the_log_is_found(ten: Lake) -> None:
    entry_path(ten.root, 8).unlink()

    (finding, *_) = verify(ten)
    assert (finding.kind, "version 8" in finding.message) == ("log_gap", True)


def test_entries_that_a_checkpoint_sums_up_may_be_gone(ten: Lake) -> None:
    for version in range(5):
        entry_path(ten.root, version).unlink()

    assert verify(ten) == []


def test_repeated_events_are_found_in_all_dates_only_with_full(
    lake: Lake, make_events: MakeEvents, noon: datetime
) -> None:
    for days in range(9):
        lake.commit(make_events([days], at=noon - timedelta(days=days)), {})
    draft = Draft(lake.root)
    draft.hold(make_events([8], at=noon - timedelta(days=8)), None)
    lake._publish(draft, {})

    assert verify(lake) == []
    assert [finding.kind for finding in verify(lake, full=True)] == ["duplicate_ids"]


def test_a_repair_says_which_rows_it_gave_up(
    ten: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, stream: str, noon: datetime
) -> None:
    lost = _last(ten)
    ten.commit(make_events([10]), {})
    (ten.root / lost.path).unlink()

    done = repair(ten)

    assert done.lost == (Lost(lost.path, noon.date(), 1, (stream,)),)
    assert stored(ten) == ids([*range(9), 10])
    assert ten.position(stream) == 9


@pytest.mark.parametrize("damage", [_change_bytes, _blank])
def test_a_file_changed_in_place_is_named_and_its_date_takes_events_again_after_a_repair(
    ten: Lake, make_events: MakeEvents, damage: Callable[[Lake], None]
) -> None:
    broken = ten.snapshot().files[0].path
    damage(ten)

    (finding,) = verify(ten)
    assert broken in finding.message
    assert "--repair" in finding.remedy
    with pytest.raises(StoreError, match="--repair"):
        Lake(ten.root).commit(make_events([99]), {})
    assert [lost.path for lost in repair(ten).lost] == [broken]
    assert Lake(ten.root).commit(make_events([99]), {}).rows == 1


def test_a_file_that_may_not_be_read_is_not_given_up(ten: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("storage.lake.parquet.pq.read_table", refuse)

    with pytest.raises(StoreError, match="Check the disk"):
        repair(ten)
    monkeypatch.undo()
    assert verify(ten) == []


def test_what_was_given_up_can_be_stored_again(ten: Lake, make_events: MakeEvents, stored: Stored, ids: Ids) -> None:
    _delete_file(ten)
    repair(ten)

    assert ten.commit(make_events(range(10)), {}).rows == 1
    assert stored(ten) == ids(range(10))


def test_a_sound_lake_is_repaired_by_doing_nothing(ten: Lake) -> None:
    version = ten.snapshot().version

    done = repair(ten)

    assert (done.taken_back, done.lost, ten.snapshot().version) == ((), (), version)


def test_a_torn_end_is_no_loss(ten: Lake) -> None:
    _truncate_last_entry(ten)

    done = repair(ten)

    assert (done.taken_back, done.lost) == ((10,), ())
