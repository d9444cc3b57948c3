"""Sources and stores that fail: seen, waited for, and nothing is lost."""

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta

import pyarrow as pa
import pytest

from acrwatch.core.errors import AuthError, RemoteUnreachableError, StoreError
from ingest.pipeline import Pipeline
from storage.lake import Commit, Lake
from storage.state import incidents
from storage.state.database import Database
from storage.state.incidents import Incident
from tests.ingest_pipeline.scene import STREAM, Script, body, message

MakePipeline = Callable[..., Pipeline]


class FullDisk:
    """A lake whose disk is full for the first commits."""

    def __init__(self, lake: Lake, refusals: int) -> None:
        self.lake = lake
        self.refusals = refusals

    def commit(self, rows: pa.Table, positions: Mapping[str, int]) -> Commit:
        if self.refusals:
            self.refusals -= 1
            raise StoreError("disk full", remedy="Free some space")
        return self.lake.commit(rows, positions)


def all_incidents(database: Database) -> dict[str, Incident]:
    with database.connect() as connection:
        return {incident.kind: incident for incident in incidents.current(connection)}


def run(pipeline: Pipeline, stop: threading.Event) -> None:
    thread = threading.Thread(target=pipeline.run, args=(stop,))
    thread.start()
    thread.join(30)
    assert not thread.is_alive()


def test_a_failing_source_is_an_incident_and_is_started_again(
    lake: Lake, database: Database, pipeline_of: MakePipeline
) -> None:
    stop = threading.Event()
    source = Script(RemoteUnreachableError("hub away", remedy="Wait"), [message(0, body(1))], on_end=stop.set)
    seen: list[dict[str, Incident]] = []
    start = source.start

    def watched() -> None:
        seen.append(all_incidents(database))
        start()

    source.start = watched  # type: ignore[method-assign]
    run(pipeline_of(source), stop)
    assert (seen[1]["source_down"].message, seen[1]["source_down"].remedy) == ("hub away", "Wait")
    assert (source.starts, source.stops) == (2, 2)
    assert lake.position(STREAM) == 0


def test_an_incident_is_resolved_once_messages_come(database: Database, pipeline_of: MakePipeline) -> None:
    stop = threading.Event()
    run(pipeline_of(Script(AuthError("no"), [message(0, body(1))], on_end=stop.set)), stop)
    assert all_incidents(database) == {}


def test_an_unexpected_error_does_not_end_the_loop(lake: Lake, database: Database, pipeline_of: MakePipeline) -> None:
    stop = threading.Event()
    run(pipeline_of(Script(ZeroDivisionError("odd"), [message(0, body(1))], on_end=stop.set)), stop)
    assert lake.position(STREAM) == 0


def test_what_was_taken_before_the_source_failed_is_stored(lake: Lake, pipeline_of: MakePipeline) -> None:
    stop = threading.Event()
    run(pipeline_of(Script([message(0, body(1))], RemoteUnreachableError("away"), on_end=stop.set)), stop)
    assert lake.position(STREAM) == 0


def test_a_full_disk_is_waited_out_and_costs_nothing(lake: Lake, database: Database, pipeline_of: MakePipeline) -> None:
    stop = threading.Event()
    source = Script([message(0, body(1)), message(1, body(2))])
    run(pipeline_of(source, store=FullDisk(lake, 3), on_commit=stop.set), stop)
    assert lake.position(STREAM) == 1
    assert sum(file.rows for file in lake.snapshot().files) == 2
    assert source.starts == 1
    assert all_incidents(database) == {}


def test_a_full_disk_is_an_incident_while_it_lasts(lake: Lake, database: Database, pipeline_of: MakePipeline) -> None:
    stop = threading.Event()
    run(pipeline_of(Script([message(0, body(1))], on_end=stop.set), store=FullDisk(lake, 10**9)), stop)
    assert all_incidents(database)["store_failed"].remedy == "Free some space"
    assert lake.position(STREAM) is None


def test_a_stop_finishes_what_was_taken(lake: Lake, pipeline_of: MakePipeline) -> None:
    stop = threading.Event()
    source = Script([message(0, body(1))], on_end=stop.set)
    run(pipeline_of(source, interval=timedelta(hours=1)), stop)
    assert lake.position(STREAM) == 0
    assert source.stops == 1


def test_running_once_raises_what_the_source_raises_and_stops_it(pipeline_of: MakePipeline) -> None:
    source = Script(AuthError("no"))
    with pytest.raises(AuthError):
        pipeline_of(source).run_once()
    assert source.stops == 1


def test_running_once_raises_what_the_store_raises(lake: Lake, pipeline_of: MakePipeline) -> None:
    with pytest.raises(StoreError):
        pipeline_of(Script([message(0, body(1))]), store=FullDisk(lake, 1)).run_once()
