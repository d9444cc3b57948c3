"""Which rows are new is a function of the positions: the log only finds them faster."""

from datetime import datetime, timedelta

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from storage.lake import Lake
from storage.lake.entries import entry_path, entry_versions
from storage.lake.maintenance import maintain
from storage.lake.snapshot import Hint, appended, total_rows
from storage.query import Positions, Reader, Slice
from tests.lake.lake_fixtures import Ids, MakeEvents

DAY = timedelta(hours=24)


@pytest.fixture
def filled(lake: Lake, make_events: MakeEvents) -> Lake:
    """Ten commits of two streams, five rows of each in every one, all told apart."""
    for at in range(10):
        first, second = range(at * 5, at * 5 + 5), range(1000 + at * 5, 1000 + at * 5 + 5)
        rows = pa.concat_tables([make_events(first, stream="a"), make_events(second, stream="b")])
        lake.commit(rows, {"a": first[-1], "b": second[-1]})
    return lake


def _slice(lake: Lake, judged: Positions, hint: Hint | None, chunk_rows: int = 1000) -> Slice:
    with Reader(lake.snapshot()) as reader:
        return reader.slice_after(judged, hint, chunk_rows=chunk_rows)


def _new_ids(lake: Lake, part: Slice) -> list[bytes]:
    with Reader(lake.snapshot()) as reader:
        reader.view("v", part, part.files, lateness=DAY, derived={})
        found: list[bytes] = reader.query("SELECT event_id FROM v WHERE is_new").column("event_id").to_pylist()
        return found


def _all_passes(lake: Lake, judged: Positions, hint: Hint | None, chunk_rows: int) -> tuple[list[bytes], Positions]:
    found: list[bytes] = []
    for _ in range(50):
        part = _slice(lake, judged, hint, chunk_rows)
        new = _new_ids(lake, part)
        assert len(new) == part.rows
        found += new
        judged, hint = part.upto, part.hint
        if not part.more:
            return found, judged
    raise AssertionError("never came to an end")


def _forget_the_log(lake: Lake) -> None:
    """Leave only what a checkpoint sums up, as log clean-up does."""
    lake._make_durable(lake.snapshot().version)
    DeltaTable(str(lake.root)).create_checkpoint()
    for version in entry_versions(lake.root)[:-1]:
        entry_path(lake.root, version).unlink()


def test_a_first_pass_sees_every_row(filled: Lake, ids: Ids) -> None:
    part = _slice(filled, {}, None)

    assert (part.rows, part.more, dict(part.upto)) == (100, False, {"a": 49, "b": 1049})
    assert sorted(_new_ids(filled, part)) == sorted(ids([*range(50), *range(1000, 1050)]))


def test_a_later_pass_reads_only_the_files_that_came_since(filled: Lake, make_events: MakeEvents, ids: Ids) -> None:
    before = _slice(filled, {}, None)
    filled.commit(make_events(range(50, 53), stream="a"), {"a": 52})

    part = _slice(filled, before.upto, before.hint)

    assert total_rows(part.files) == part.rows == 3
    assert sorted(_new_ids(filled, part)) == sorted(ids(range(50, 53)))


def test_with_nothing_new_the_slice_is_empty_and_can_be_read(filled: Lake) -> None:
    before = _slice(filled, {}, None)

    part = _slice(filled, before.upto, before.hint)

    assert (part.rows, part.files, part.upto) == (0, (), before.upto)
    assert _new_ids(filled, part) == []


def test_an_empty_lake_has_an_empty_slice(lake: Lake) -> None:
    part = _slice(lake, {}, None)

    assert (part.rows, part.more, dict(part.upto)) == (0, False, {})
    assert _new_ids(lake, part) == []


def test_compaction_brings_nothing_new(filled: Lake, noon: datetime) -> None:
    before = _slice(filled, {}, None)
    maintain(filled, now=noon)

    assert appended(filled.snapshot(), before.hint) == []
    assert _slice(filled, before.upto, before.hint).rows == 0


def test_rows_compacted_before_they_were_judged_are_new_once(
    filled: Lake, make_events: MakeEvents, ids: Ids, noon: datetime
) -> None:
    before = _slice(filled, {}, None)
    filled.commit(make_events(range(50, 53), stream="a"), {"a": 52})
    maintain(filled, now=noon)

    part = _slice(filled, before.upto, before.hint)

    assert sorted(_new_ids(filled, part)) == sorted(ids(range(50, 53)))


@pytest.mark.parametrize("chunk_rows", [3, 10, 33, 1000])
def test_chunks_of_any_size_and_either_way_give_the_same_rows(filled: Lake, ids: Ids, chunk_rows: int) -> None:
    by_log, upto = _all_passes(filled, {}, None, chunk_rows)
    _forget_the_log(filled)
    assert appended(filled.snapshot(), None) is None
    by_position, upto_too = _all_passes(filled, {}, None, chunk_rows)

    assert sorted(by_log) == sorted(by_position) == sorted(ids([*range(50), *range(1000, 1050)]))
    assert upto == upto_too


def test_a_hint_that_the_log_no_longer_holds_costs_time_and_no_rows(
    filled: Lake, make_events: MakeEvents, ids: Ids
) -> None:
    before = _slice(filled, {}, None)
    filled.commit(make_events(range(50, 53), stream="a"), {"a": 52})
    _forget_the_log(filled)

    part = _slice(filled, before.upto, before.hint)

    assert len(part.files) == 1  # of eleven: detections read the others no more
    assert sorted(_new_ids(filled, part)) == sorted(ids(range(50, 53)))


def test_a_chunk_by_position_reads_every_file_that_reaches_into_it_and_no_other(
    lake: Lake, make_events: MakeEvents, ids: Ids
) -> None:
    even, odd, later = range(0, 10, 2), range(1, 10, 2), range(10, 20)
    for numbers in (even, odd, later):
        lake.commit(make_events(numbers, stream="a"), {})
    _forget_the_log(lake)

    part = _slice(lake, {}, None, chunk_rows=4)

    assert sorted(_new_ids(lake, part)) == sorted(ids(range(4)))
    assert (part.upto, part.rows, part.more, len(part.files)) == ({"a": 3}, 4, True, 2)


@pytest.mark.parametrize("hint", [Hint(3, "of another table"), Hint(99, "of a longer log")])
def test_a_hint_of_another_table_is_not_believed(filled: Lake, hint: Hint) -> None:
    assert appended(filled.snapshot(), hint) is None
    assert _slice(filled, {"a": 49, "b": 1047}, hint).rows == 2


def test_files_swept_since_are_not_named(filled: Lake, noon: datetime) -> None:
    before = filled.snapshot()
    for file in before.files:
        (filled.root / file.path).rename(filled.root / f"{file.path}.gone")

    assert appended(before, None) is None


def test_a_date_deleted_by_retention_is_not_new(filled: Lake, noon: datetime) -> None:
    DeltaTable(str(filled.root)).delete(f"event_date = '{noon.date()}'")

    assert appended(filled.snapshot(), None) == []


def test_rows_are_new_only_beyond_what_was_judged_and_absent_beyond_the_slice(filled: Lake) -> None:
    part = _slice(filled, {"a": 4}, None, chunk_rows=20)
    with Reader(filled.snapshot()) as reader:
        reader.view("v", part, filled.snapshot().files, lateness=DAY, derived={})
        counts = reader.query("SELECT source, is_new, count(*) AS rows FROM v GROUP BY ALL ORDER BY ALL").to_pylist()

    assert dict(part.upto) == {"a": 9, "b": 1009}
    assert [(row["source"], row["is_new"], row["rows"]) for row in counts] == [
        ("a", False, 5),
        ("a", True, 5),
        ("b", True, 10),
    ]


def test_two_views_of_one_reader_keep_their_own_slices(filled: Lake) -> None:
    small, large = _slice(filled, {}, None, chunk_rows=1), _slice(filled, {}, None)
    with Reader(filled.snapshot()) as reader:
        reader.view("small", small, filled.snapshot().files, lateness=DAY, derived={})
        reader.view("large", large, filled.snapshot().files, lateness=DAY, derived={})

        assert [reader.query(f"SELECT * FROM {name}").num_rows for name in ("small", "large")] == [10, 100]


@pytest.mark.parametrize(
    ("enqueued", "stored", "late"),
    [(24, 99, False), (25, 25, True), (None, 24, False), (None, 25, True)],
)
def test_late_is_told_by_the_hub_and_otherwise_by_the_store(
    lake: Lake, make_events: MakeEvents, noon: datetime, enqueued: int | None, stored: int, late: bool
) -> None:
    accepted = None if enqueued is None else noon + timedelta(hours=enqueued)
    lake.commit(make_events([0], enqueued=accepted, stored=noon + timedelta(hours=stored)), {})
    part = _slice(lake, {}, None)
    with Reader(lake.snapshot()) as reader:
        reader.view("v", part, part.files, lateness=DAY, derived={"hour": "extract('hour' FROM e.event_time)"})

        assert reader.query("SELECT late, hour, event_date FROM v").to_pylist() == [
            {"late": late, "hour": 12, "event_date": noon.date()}
        ]


def test_the_whole_snapshot_as_one_slice_reaches_the_newest_position_of_every_stream(filled: Lake) -> None:
    with Reader(filled.snapshot()) as reader:
        part = reader.whole()

    assert (part.rows, part.more, dict(part.upto)) == (100, False, {"a": 49, "b": 1049})
