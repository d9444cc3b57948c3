"""What one batch does to lake, state and source."""

from collections.abc import Callable
from datetime import date

from acrwatch.core.model import Message
from ingest.pipeline import Counts, Pipeline
from ingest.unreadable import Unreadable
from storage.lake import Lake
from storage.state import counts, positions, rejects
from storage.state.database import Database
from tests.ingest_pipeline.scene import STREAM, Script, body, message

MakePipeline = Callable[..., Pipeline]


def rows(lake: Lake) -> int:
    return sum(file.rows for file in lake.snapshot().files)


def test_rows_and_position_are_stored_and_the_source_is_told(lake: Lake, pipeline_of: MakePipeline) -> None:
    source = Script([message(0, body(1, 2)), message(1, body(3))])
    found = pipeline_of(source).run_once()
    assert (found.messages, found.events, rows(lake)) == (2, 3, 3)
    assert lake.position(STREAM) == 1
    assert [told.sequence_number for told in source.told] == [0, 1]


def test_a_message_without_rows_moves_its_position(lake: Lake, pipeline_of: MakePipeline) -> None:
    found = pipeline_of(Script([message(0, b'{"records":[]}')])).run_once()
    assert (found.events, lake.position(STREAM)) == (0, 0)


def test_a_message_that_is_no_json_is_a_reject_and_moves_its_position(
    lake: Lake, database: Database, pipeline_of: MakePipeline
) -> None:
    found = pipeline_of(Script([message(0, b"garbage"), message(1, body(1))])).run_once()
    assert (found.rejects, found.events, lake.position(STREAM)) == (1, 1, 1)
    with database.connect() as connection:
        (kept,) = rejects.recent(connection, limit=10)
    assert (kept.stream, kept.sequence_number, kept.body) == (STREAM, 0, b"garbage")


def test_a_message_that_its_source_cannot_read_is_a_reject(database: Database, pipeline_of: MakePipeline) -> None:
    torn = Unreadable("files/j", 0, b"{", reason="truncated_gzip", detail="a.gz: breaks off", body_length=1)
    assert pipeline_of(Script([torn])).run_once().rejects == 1
    with database.connect() as connection:
        (kept,) = rejects.recent(connection, limit=10)
    assert (kept.reason, kept.detail, kept.ordinal) == ("truncated_gzip", "a.gz: breaks off", -1)


def test_what_comes_again_is_dropped_and_counted(lake: Lake, pipeline_of: MakePipeline) -> None:
    pipeline_of(Script([message(0, body(1)), message(1, body(2))])).run_once()
    again = pipeline_of(Script([message(0, body(1)), message(1, body(2)), message(2, body(3))])).run_once()
    assert (again.redelivered, again.events, rows(lake)) == (2, 1, 3)


def test_a_record_that_azure_sent_twice_is_one_event(lake: Lake, pipeline_of: MakePipeline) -> None:
    found = pipeline_of(Script([message(0, body(1)), message(1, body(1))])).run_once()
    assert (found.events, found.duplicates, rows(lake)) == (1, 1, 1)


def test_files_have_no_position_and_are_known_by_their_ids(lake: Lake, pipeline_of: MakePipeline) -> None:
    for job in ("a", "b"):
        found = pipeline_of(Script([Message(f"files/{job}", 0, body(1))])).run_once()
    assert (found.events, found.duplicates, lake.position("files/b")) == (0, 1, None)


def test_hints_and_counts_are_kept_in_sql(database: Database, pipeline_of: MakePipeline) -> None:
    metric = b'{"records":[{"metricName":"m","timeGrain":"PT1M","time":"2026-11-22T10:00:00Z"}]}'
    found = pipeline_of(Script([message(0, body(1)), message(1, metric)])).run_once()
    assert sum(found.skipped.values()) == 1
    with database.connect() as connection:
        assert positions.hints(connection) == {STREAM: positions.Position("100", 1)}
        (day,) = counts.read(connection, date(2000, 1, 1), date(2999, 1, 1)).values()
    assert day == found.skipped


def test_detection_is_woken_only_by_new_events(pipeline_of: MakePipeline) -> None:
    woken: list[bool] = []
    for _ in range(2):
        pipeline_of(Script([message(0, body(1))]), on_commit=lambda: woken.append(True)).run_once()
    assert woken == [True]


def test_partitions_have_positions_of_their_own(lake: Lake, pipeline_of: MakePipeline) -> None:
    other = STREAM.replace("/0/0", "/1/0")
    pipeline_of(Script([message(5, body(1)), message(2, body(2), other)])).run_once()
    assert (lake.position(STREAM), lake.position(other)) == (5, 2)


def test_a_batch_in_any_order_reaches_its_furthest_message(lake: Lake, pipeline_of: MakePipeline) -> None:
    pipeline_of(Script([message(1, body(2)), message(0, body(1))])).run_once()
    assert (lake.position(STREAM), rows(lake)) == (1, 2)


def test_counts_add_up() -> None:
    total = Counts(1, 2, 3, 4, 5, {"a": 1}) + Counts(1, 1, 1, 1, 1, {"a": 1, "b": 2})
    assert total == Counts(2, 3, 4, 5, 6, {"a": 2, "b": 2})
