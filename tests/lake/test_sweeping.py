"""A sweep deletes what no version names, and can never leave a version that names what was deleted."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from storage.lake import Lake, sweeping
from storage.lake import table as table_module
from storage.lake.draft import Draft
from storage.lake.handle import fence_of
from storage.lake.maintenance import maintain, sweep
from tests.lake.lake_fixtures import Ids, MakeEvents, Stored

LATER = datetime.now(UTC) + timedelta(hours=2)


def _orphan(lake: Lake, name: str) -> Path:
    path = lake.root / "event_date=2026-11-22" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"PAR1 of a writer that died PAR1")
    return path


@pytest.mark.parametrize("name", ["0123456789abcdef.parquet", "part-00000-x.zstd.parquet#1"])
def test_an_old_orphan_is_swept_and_a_young_one_is_not(lake: Lake, name: str) -> None:
    orphan = _orphan(lake, name)

    assert sweep(lake, now=datetime.now(UTC)) == 0
    assert orphan.exists()
    assert sweep(lake, now=LATER) == 1
    assert not orphan.exists()


def test_a_temporary_log_entry_is_swept(lake: Lake) -> None:
    (lake.root / "_delta_log" / "00000000000000000001.json#1").touch()

    assert sweep(lake, now=LATER) == 1


def test_live_and_replaced_files_are_kept(lake: Lake, make_events: MakeEvents, noon: datetime) -> None:
    for number in range(8):
        lake.commit(make_events([number]), {})
    maintain(lake, now=noon)
    before = sorted(lake.root.glob("event_date=*/*"))

    assert sweep(lake, now=LATER) == 0
    assert sorted(lake.root.glob("event_date=*/*")) == before
    assert len(before) == 9


def test_with_nothing_to_sweep_no_version_is_made(lake: Lake, make_events: MakeEvents) -> None:
    lake.commit(make_events([1]), {})
    version = lake.snapshot().version
    sweep(lake, now=LATER)

    assert lake.snapshot().version == version


def test_a_writer_asleep_between_file_and_commit_wakes_to_a_refusal_and_stores_all(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Lake(lake.root)
    swept: list[int] = []

    def sleep_long(point: str) -> None:
        if point == "lake.before_commit" and not swept:
            swept.append(sweep(other, now=LATER))

    monkeypatch.setattr(table_module, "reach", sleep_long)
    lake.commit(make_events(range(5)), {stream: 4})

    assert swept == [1]
    assert stored(lake) == ids(range(5))  # reads every file that the table names


def test_a_compaction_asleep_across_a_sweep_is_refused(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids
) -> None:
    for number in range(8):
        lake.commit(make_events([number]), {})
    asleep = DeltaTable(str(lake.root))
    _orphan(lake, "dead.parquet")
    sweep(lake, now=LATER)

    with pytest.raises(CommitFailedError):
        asleep.optimize.compact()
    assert stored(lake) == ids(range(8))


def test_a_file_committed_while_the_sweep_looks_is_kept(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = Draft(lake.root)
    draft.hold(make_events([1]), None)
    _orphan(lake, "dead.parquet")
    fence = sweeping._fence

    def commit_first(root: Path, table: DeltaTable) -> bool:
        lake._log.advance()
        lake._publish(draft, {})
        return fence(root, table)

    monkeypatch.setattr(sweeping, "_fence", commit_first)

    assert sweep(lake, now=LATER) == 1  # of the two files that it had listed
    assert stored(lake) == ids([1])


def test_a_draft_is_kept_over_a_conflict_but_written_anew_after_a_sweep(lake: Lake, make_events: MakeEvents) -> None:
    draft, rows = Draft(lake.root), make_events([1])
    draft.hold(rows, None)
    (first,) = [made.file.path for made in draft]

    draft.hold(rows, None)
    assert [made.file.path for made in draft] == [first]

    _orphan(lake, "dead.parquet")
    sweep(lake, now=LATER)
    draft.hold(rows, fence_of(DeltaTable(str(lake.root))))
    assert [made.file.path for made in draft] != [first]


def test_a_draft_of_other_rows_replaces_the_files(lake: Lake, make_events: MakeEvents) -> None:
    draft = Draft(lake.root)
    draft.hold(make_events([1, 2]), None)
    draft.hold(make_events([2, 3]), None)

    (path,) = lake.root.glob("event_date=*/*")
    assert pq.read_table(path, partitioning=None).column("sequence_number").to_pylist() == [2, 3]


def test_a_replaced_file_goes_once_the_log_has_forgotten_it(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, noon: datetime
) -> None:
    for number in range(8):
        lake.commit(make_events([number]), {})
    maintain(lake, now=noon)
    handle = DeltaTable(str(lake.root))
    handle.alter.set_table_properties({"delta.deletedFileRetentionDuration": "interval 0 seconds"})
    DeltaTable(str(lake.root)).create_checkpoint()

    assert sweep(lake, now=LATER) == 8
    assert stored(lake) == ids(range(8))
