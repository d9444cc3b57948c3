"""Real processes that write, and compact, one lake at the same time."""

from pathlib import Path

from storage.lake import Lake
from tests.lake.lake_fixtures import Finish, Ids, MakeEvents, Start, Stored


def test_two_processes_with_the_same_stream_store_each_event_once(
    tmp_path: Path, start: Start, finish: Finish, stored: Stored, ids: Ids
) -> None:
    root = tmp_path / "lake"
    writers = [start(root, "hub/0", 0, 200, 10) for _ in range(2)]
    done = [finish(writer) for writer in writers]

    lake = Lake.open(root)
    assert stored(lake) == ids(range(200))
    assert sum(one["rows"] for one in done) == 200
    assert lake.position("hub/0") == 199


def test_two_processes_with_the_same_events_by_different_roads_store_each_once(
    tmp_path: Path, start: Start, finish: Finish, stored: Stored, ids: Ids
) -> None:
    root = tmp_path / "lake"
    writers = [start(root, f"file:{number}", 0, 200, 10) for number in range(2)]
    done = [finish(writer) for writer in writers]

    assert stored(Lake.open(root)) == ids(range(200))
    assert sum(one["rows"] for one in done) == 200


def test_appends_beside_compaction_lose_and_double_nothing(
    tmp_path: Path, start: Start, finish: Finish, stored: Stored, ids: Ids, make_events: MakeEvents
) -> None:
    lake = Lake.open(tmp_path / "lake")
    for number in range(300, 320):  # there is something to join even where the writer is slow to start
        lake.commit(make_events([number], stream="hub/1"), {})
    writer = start(lake.root, "hub/0", 0, 300, 6)
    compactor = start("--compact", lake.root, 50)

    assert finish(writer)["rows"] == 300
    assert finish(compactor)["removed"] >= 20
    assert stored(lake) == ids(range(320))


def test_two_compactors_at_once_lose_and_double_nothing(
    tmp_path: Path, start: Start, finish: Finish, stored: Stored, ids: Ids, make_events: MakeEvents
) -> None:
    lake = Lake.open(tmp_path / "lake")
    for first in range(0, 100, 10):
        lake.commit(make_events(range(first, first + 10)), {})
    compactors = [start("--compact", lake.root, 12) for _ in range(2)]
    writer = start(lake.root, "hub/0", 100, 100, 10)
    for process in (*compactors, writer):
        finish(process)

    assert stored(lake) == ids(range(200))


def test_processes_that_create_the_table_at_once_all_succeed(
    tmp_path: Path, start: Start, finish: Finish, stored: Stored, ids: Ids
) -> None:
    root = tmp_path / "lake"
    writers = [start(root, f"hub/{number}", number, 1, 1) for number in range(4)]

    assert [finish(writer)["rows"] for writer in writers] == [1] * 4
    assert stored(Lake.open(root)) == ids(range(4))
