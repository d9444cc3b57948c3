"""The installed delta-rs must refuse a second compaction of the same files: 1.6.4 to 1.6.6 double every row."""

from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from acrwatch.core.errors import ConflictError, StoreError
from storage.lake import Lake, compaction
from storage.lake.compaction import TARGET_BYTES, compact
from storage.lake.handle import open_table
from tests.lake.lake_fixtures import Ids, MakeEvents, Stored


def test_a_second_compaction_of_the_same_files_doubles_no_row(tmp_path: Path) -> None:
    for _ in range(5):
        write_deltalake(tmp_path, pa.table({"day": ["d"] * 10, "n": range(10)}), mode="append", partition_by=["day"])
    first, second = DeltaTable(tmp_path), DeltaTable(tmp_path)

    first.optimize.compact()
    with suppress(CommitFailedError):
        second.optimize.compact()

    assert DeltaTable(tmp_path).count() == 50


def test_a_compaction_from_an_old_handle_is_a_conflict(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, noon: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(8):
        lake.commit(make_events([number]), {})
    handles = [DeltaTable(str(lake.root))]
    compact(lake, noon.date(), TARGET_BYTES)
    monkeypatch.setattr(compaction, "open_table", lambda root: handles.pop() if handles else open_table(root))

    with pytest.raises(ConflictError):
        compact(lake, noon.date(), TARGET_BYTES)
    assert stored(lake) == ids(range(8))


def test_rows_that_compaction_did_not_account_for_stop_it(lake: Lake, make_events: MakeEvents, noon: datetime) -> None:
    for number in range(8):
        lake.commit(make_events([number]), {})
    table = DeltaTable(str(lake.root))
    extra = lake.commit(make_events([8]), {}).version
    assert extra is not None
    table.update_incremental()  # stands at a version whose rows differ from the one before, as a doubled one would

    with pytest.raises(StoreError, match="turned 8 rows into 9"):
        compaction._check(lake, table, noon.date())
