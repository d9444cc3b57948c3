"""The installed delta-rs must refuse a second compaction of the same files: 1.6.4 to 1.6.6 double every row."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

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


class Overtaken:
    """A handle that appends have moved past its own compaction by the time it is back, as delta-rs's may be."""

    def __init__(self, table: DeltaTable, appends: Callable[[], object]) -> None:
        self._table, self._appends = table, appends

    @property
    def optimize(self) -> "Overtaken":
        return self

    def compact(self, **options: Any) -> dict[str, Any]:
        metrics: dict[str, Any] = self._table.optimize.compact(**options)
        self._appends()
        self._table.update_incremental()
        return metrics

    def version(self) -> int:
        return self._table.version()


@pytest.mark.parametrize("appends", [1, 2])
def test_appends_right_behind_a_compaction_raise_no_alarm(
    lake: Lake,
    make_events: MakeEvents,
    stored: Stored,
    ids: Ids,
    noon: datetime,
    monkeypatch: pytest.MonkeyPatch,
    appends: int,
) -> None:
    def append() -> None:
        for number in range(8, 8 + appends):
            lake.commit(make_events([number]), {})

    for number in range(8):
        lake.commit(make_events([number]), {})
    monkeypatch.setattr(compaction, "open_table", lambda root: Overtaken(open_table(root), append))

    assert compact(lake, noon.date(), TARGET_BYTES) == (8, 1)
    assert stored(lake) == ids(range(8 + appends))


def test_rows_that_compaction_did_not_account_for_stop_it(lake: Lake, make_events: MakeEvents, noon: datetime) -> None:
    for number in range(8):
        lake.commit(make_events([number]), {})
    extra = lake.commit(make_events([8]), {}).version
    assert extra is not None

    # A version whose rows differ from the one before, as a doubled one would.
    with pytest.raises(StoreError, match="turned 8 rows into 9"):
        compaction._check(lake, extra, noon.date())


def test_every_compaction_is_checked(
    lake: Lake, make_events: MakeEvents, noon: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(8):
        lake.commit(make_events([number]), {})
    before = lake.snapshot().version
    monkeypatch.setattr(compaction, "_rows", lambda _lake, version, _day: version)
    with pytest.raises(StoreError, match=f"version {before + 1} .* turned {before} rows into {before + 1}"):
        compact(lake, noon.date(), TARGET_BYTES)


def test_what_is_checked_is_the_compaction_among_appends(lake: Lake, make_events: MakeEvents, noon: datetime) -> None:
    for number in range(8):
        lake.commit(make_events([number]), {})
    before = lake.snapshot().version
    compact(lake, noon.date(), TARGET_BYTES)
    lake.commit(make_events([8]), {})

    assert compaction._moves(lake.root, before - 1, before + 2) == [before + 1]
