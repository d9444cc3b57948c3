"""Maintenance changes how the lake lies on the disk and nothing that anyone reads."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq

from storage.lake import Lake, LakeFile, Snapshot
from storage.lake.compaction import compact, targets
from storage.lake.entries import checkpoint_version, checkpoints, entry_versions, read_actions
from storage.lake.maintenance import crowded_dates, maintain
from tests.lake.lake_fixtures import Ids, MakeEvents, Stored

MB = 1024 * 1024


def test_maintenance_keeps_every_id_and_position(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, stream: str, noon: datetime
) -> None:
    for number in range(25):
        lake.commit(make_events([number]), {stream: number})

    done = maintain(lake, now=noon)

    assert (done.files_removed, done.files_added, done.checkpoint) == (25, 1, True)
    assert stored(lake) == ids(range(25))
    assert Lake.open(lake.root).position(stream) == 24


def test_only_crowded_dates_are_rewritten(lake: Lake, make_events: MakeEvents, noon: datetime) -> None:
    for number in range(8):
        lake.commit(make_events([number]), {})
    for number in range(7):
        lake.commit(make_events([number], at=noon - timedelta(days=1)), {})

    assert crowded_dates(lake.snapshot()) == [noon.date()]
    assert maintain(lake, now=noon).dates == (noon.date(),)
    assert len(lake.snapshot().files) == 8


def test_what_a_day_has_gathered_is_not_rewritten_with_every_few_small_files(noon: datetime) -> None:
    def found(*sizes: int) -> dict[object, int]:
        files = tuple(LakeFile(f"{n}", noon.date(), 1, size) for n, size in enumerate(sizes))
        return {day: target // MB for day, target in targets(Snapshot(Path(), 1, files)).items()}

    assert found(*[MB // 10] * 8, *[3 * MB] * 7, 60 * MB) == {noon.date(): 4}
    assert found(*[MB // 10] * 8, *[3 * MB] * 8) == {noon.date(): 64}
    assert found(*[MB // 10] * 7, *[3 * MB] * 7, *[40 * MB] * 20) == {}


def test_a_file_that_has_reached_its_target_is_left_alone(lake: Lake, make_events: MakeEvents, noon: datetime) -> None:
    lake.commit(make_events(range(2000)), {})
    (large,) = lake.snapshot().files
    for number in range(2000, 2010):
        lake.commit(make_events([number]), {})

    compact(lake, noon.date(), large.size)

    assert large in lake.snapshot().files
    assert len(lake.snapshot().files) == 2


def test_duplicates_are_known_after_compaction_by_another_process(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, noon: datetime
) -> None:
    other = Lake(lake.root)
    for number in range(8):
        lake.commit(make_events([number]), {})
    maintain(other, now=noon)
    other.commit(make_events([8]), {})

    assert lake.commit(make_events(range(10)), {}).duplicates == 9
    assert stored(lake) == ids(range(10))


def test_a_snapshot_is_the_same_before_and_after_a_checkpoint(
    lake: Lake, make_events: MakeEvents, noon: datetime
) -> None:
    for number in range(25):
        lake.commit(make_events([number], at=noon + timedelta(days=number)), {})
    before = lake.snapshot()

    assert maintain(lake, now=noon).checkpoint

    assert Lake.open(lake.root).snapshot() == before
    assert [type(file.date) for file in before.files] == [type(noon.date())] * 25


def test_the_log_is_checkpointed_when_it_has_grown(lake: Lake, make_events: MakeEvents, noon: datetime) -> None:
    for number in range(19):
        lake.commit(make_events([number], at=noon + timedelta(days=number)), {})
    assert not maintain(lake, now=noon).checkpoint

    lake.commit(make_events([19], at=noon), {})

    assert maintain(lake, now=noon).checkpoint
    assert not maintain(lake, now=noon).checkpoint


def test_a_writer_checkpoints_by_itself_where_nobody_maintains(
    lake: Lake, make_events: MakeEvents, stream: str
) -> None:
    for number in range(101):
        lake.commit(make_events([]), {stream: number})

    assert len(checkpoints(lake.root)) == 1


def test_old_log_entries_go_once_a_checkpoint_sums_them_up(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, stream: str
) -> None:
    for number in range(25):
        lake.commit(make_events([number]), {stream: number})
    maintain(lake, now=datetime.now(UTC))
    summed_up = checkpoint_version(checkpoints(lake.root)[0])
    long_ago = (datetime.now(UTC) - timedelta(hours=4)).timestamp()
    for path in (lake.root / "_delta_log").iterdir():
        os.utime(path, (long_ago, long_ago))
    for number in range(25, 50):
        lake.commit(make_events([number]), {stream: number})

    maintain(lake, now=datetime.now(UTC))

    assert entry_versions(lake.root)[0] > summed_up
    assert stored(lake) == ids(range(50))
    assert lake.position(stream) == 49


def test_statistics_cover_the_pruning_columns_and_match_the_file(lake: Lake, make_events: MakeEvents) -> None:
    lake.commit(make_events(range(5)), {})

    (add,) = [action["add"] for action in read_actions(lake.root, 1) if "add" in action]
    found = json.loads(add["stats"])
    assert found["numRecords"] == pq.read_metadata(lake.root / add["path"]).num_rows == 5
    assert found["minValues"] == {"event_time": "2026-11-22T12:00:00.000000Z", "sequence_number": 0}
    assert found["maxValues"] == {"event_time": "2026-11-22T12:00:00.004000Z", "sequence_number": 4}


def test_a_damaged_file_keeps_neither_other_dates_nor_clean_up_from_their_turn(
    lake: Lake, make_events: MakeEvents, noon: datetime
) -> None:
    for number in range(30):
        lake.commit(make_events([number], at=noon + timedelta(days=number % 3)), {})
    first = lake.snapshot().files[0]
    (lake.root / first.path).write_bytes(bytes(first.size))
    stray = lake.root / f"event_date={noon.date()}" / "stray.parquet"
    stray.write_bytes(b"")
    os.utime(stray, (0, 0))

    done = maintain(lake, now=datetime.now(UTC))

    assert done.dates == tuple(noon.date() + timedelta(days=days) for days in (1, 2))
    assert (done.checkpoint, stray.exists()) == (True, False)
    assert done.failed is not None
    assert str(noon.date()) in done.failed.message
    assert "db verify" in done.failed.remedy
