"""Closed dates come into an order that look-ups use, and nothing else about them changes."""

import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from acrwatch.core.errors import ConflictError
from storage.lake import Lake, clustering, handle
from storage.lake.clustering import WORTH_ROWS, cluster, due, is_clustered
from storage.lake.compaction import TARGET_BYTES, compact
from storage.lake.maintenance import maintain
from storage.lake.snapshot import appended, total_rows
from storage.lake.sweeping import sweep
from storage.query import Reader
from storage.schema import UTC_MICROSECONDS
from tests.lake.lake_fixtures import MakeEvents, Stored

DAY = date(2026, 11, 22)
ROWS = 2 * WORTH_ROWS
CLOSED = datetime(2026, 11, 25, tzinfo=UTC)
NOON = int(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()) * 1_000_000

MakeMany: TypeAlias = Callable[[int], pa.Table]


@pytest.fixture
def make_many(make_events: MakeEvents) -> MakeMany:
    """Build so many events of one date, addresses and digests scattered over them."""

    def make(rows: int) -> pa.Table:
        rng = np.random.default_rng(1)
        table = make_events([0]).take(pa.array(np.zeros(rows, np.int64)))
        addresses = rng.integers(0, 500, rows)
        columns = {
            "event_id": pa.array([n.to_bytes(16, "little") for n in range(rows)], pa.binary()),
            "sequence_number": pa.array(range(rows), pa.int64()),
            "event_time": pa.array(NOON + rng.integers(0, 3_600_000_000, rows)).cast(UTC_MICROSECONDS),
            "identity": pa.array([f"user{n}" if n else None for n in rng.integers(0, 50, rows)]),
            "ip_key": pa.array([bytes(10) + b"\xff\xff\xc0\x00" + int(n).to_bytes(2, "big") for n in addresses]),
            "digest": pa.array([f"sha256:{n:064x}" for n in rng.integers(0, 900, rows)]),
        }
        for name, column in columns.items():
            table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), column)
        return table

    return make


@pytest.fixture
def closed(lake: Lake, make_many: MakeMany) -> Lake:
    """A lake of one date, in two files, that has been quiet since its end."""
    rows = make_many(ROWS)
    for first in (0, ROWS // 2):
        lake.commit(rows.slice(first, ROWS // 2), {})
    _age(lake)
    return lake


def _age(lake: Lake) -> None:
    long_ago = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
    for file in lake.snapshot().files:
        os.utime(lake.root / file.path, (long_ago, long_ago))


def test_a_round_of_maintenance_orders_a_closed_date_once(closed: Lake, stored: Stored) -> None:
    before = stored(closed)

    assert maintain(closed, now=CLOSED).clustered == (DAY,)

    assert stored(closed) == before
    (file,) = closed.snapshot().files
    assert is_clustered(file)
    _age(closed)
    assert maintain(closed, now=CLOSED).clustered == ()


def test_rows_keep_every_value(closed: Lake) -> None:
    def everything() -> list[dict[str, object]]:
        with Reader(closed.snapshot()) as reader:
            reader.view("v", (part := reader.whole()), part.files, lateness=timedelta(1), derived={})
            found = reader.query("SELECT * FROM v ORDER BY sequence_number LIMIT 3000")
            rows: list[dict[str, object]] = found.to_pylist()
            return rows

    before = everything()
    cluster(closed, DAY)

    assert everything() == before


def test_one_address_is_found_in_few_row_groups(closed: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clustering, "ROW_GROUP", ROWS // 4)
    asked = bytes(10) + b"\xff\xff\xc0\x00\x00\x07"

    def holding() -> tuple[int, int]:
        groups = []
        for file in closed.snapshot().files:
            found = pq.ParquetFile(closed.root / file.path)
            for number in range(found.num_row_groups):
                keys = found.read_row_group(number, columns=["ip_key"]).column("ip_key").to_pylist()
                at = next(i for i, name in enumerate(found.schema_arrow.names) if name == "ip_key")
                low_high = found.metadata.row_group(number).column(at).statistics
                possible = low_high is None or low_high.min <= asked <= low_high.max
                assert possible or asked not in keys
                groups.append(possible)
        return sum(groups), len(groups)

    cluster(closed, DAY)

    candidates, groups = holding()
    assert groups == 4
    assert candidates < groups


def test_a_cursor_sees_nothing_new(closed: Lake) -> None:
    with Reader(closed.snapshot()) as reader:
        part = reader.slice_after({}, None)
    cluster(closed, DAY)

    assert appended(closed.snapshot(), part.hint) == []
    with Reader(closed.snapshot()) as reader:
        assert reader.slice_after(part.upto, part.hint).rows == 0
        assert reader.slice_after(part.upto, None).rows == 0


def test_within_a_row_group_rows_stand_by_time(closed: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clustering, "ROW_GROUP", ROWS // 4)
    cluster(closed, DAY)

    (file,) = closed.snapshot().files
    found = pq.ParquetFile(closed.root / file.path)
    groups = [found.read_row_group(n, columns=["event_time"]).column(0).to_pylist() for n in range(4)]
    assert all(times == sorted(times) for times in groups)


def test_dates_too_small_to_gain_from_it_are_left_alone(lake: Lake, make_many: MakeMany) -> None:
    lake.commit(make_many(WORTH_ROWS - 1), {})
    _age(lake)
    assert due(lake.snapshot(), now=CLOSED) == []


@pytest.mark.parametrize(
    ("now", "found"),
    [(datetime(2026, 11, 24, 11, 59, tzinfo=UTC), []), (datetime(2026, 11, 24, 12, tzinfo=UTC), [DAY])],
)
def test_a_date_is_closed_36_hours_after_its_end(closed: Lake, now: datetime, found: list[date]) -> None:
    assert due(closed.snapshot(), now=now) == found


def test_a_late_event_keeps_its_date_open(closed: Lake, make_many: MakeMany) -> None:
    closed.commit(make_many(ROWS + 1), {})
    late = max(closed.root.glob("event_date=*/*.parquet"), key=lambda path: path.stat().st_mtime)
    arrived = CLOSED - timedelta(hours=35)
    os.utime(late, (arrived.timestamp(), arrived.timestamp()))

    assert due(closed.snapshot(), now=CLOSED) == []
    assert due(closed.snapshot(), now=CLOSED + timedelta(hours=1)) == [DAY]


def test_a_few_late_events_do_not_rewrite_a_date_and_many_do(closed: Lake, make_many: MakeMany) -> None:
    cluster(closed, DAY)
    for rows, found in ((ROWS + 1, []), (ROWS + ROWS // 10, [DAY])):
        closed.commit(make_many(rows), {})
        _age(closed)
        assert due(closed.snapshot(), now=CLOSED) == found


def test_appends_beside_it_are_kept(
    closed: Lake, make_many: MakeMany, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = make_many(ROWS + 5).slice(ROWS)
    opened = handle.open_table
    calls: list[int] = []

    def open_late(root: Path) -> object:
        table = opened(root)
        calls.append(1)
        if len(calls) == 2:  # the handle that the exchange stands on
            Lake(closed.root).commit(later, {})
        return table

    monkeypatch.setattr(clustering, "open_table", open_late)
    cluster(closed, DAY)

    assert total_rows(closed.snapshot().files) == ROWS + 5
    assert len(stored(closed)) == ROWS + 5


@pytest.mark.parametrize("other", ["compaction", "sweep"])
def test_files_taken_by_others_are_left_to_them(
    closed: Lake, stored: Stored, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    written = clustering._write
    before = stored(closed)

    def late(*arguments: object) -> object:
        made = written(*arguments)  # type: ignore[arg-type]
        if other == "compaction":
            compact(closed, DAY, TARGET_BYTES)
        else:
            (closed.root / f"event_date={DAY}" / "dead.parquet").touch()
            sweep(Lake(closed.root), now=datetime.now(UTC) + timedelta(hours=2))
        return made

    monkeypatch.setattr(clustering, "_write", late)
    with pytest.raises(ConflictError):
        cluster(closed, DAY)

    assert stored(closed) == before


def test_duplicates_are_known_across_it(closed: Lake, make_many: MakeMany) -> None:
    other = Lake(closed.root)
    cluster(other, DAY)

    assert closed.commit(make_many(ROWS), {}).duplicates == ROWS


def test_a_large_date_is_ordered_in_portions(closed: Lake, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    before = stored(closed)
    monkeypatch.setattr(clustering, "_PORTION_ROWS", ROWS // 2)

    cluster(closed, DAY)
    cluster(closed, DAY)

    assert [is_clustered(file) for file in closed.snapshot().files] == [True, True]
    assert stored(closed) == before
