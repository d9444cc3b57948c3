"""The next messages are decoded while a batch is being stored: order, failures and stops stay as they were."""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import pyarrow as pa
import pytest

from acrwatch.core.clock import SystemClock
from acrwatch.core.errors import RemoteUnreachableError, StoreError
from acrwatch.core.model import Message
from ingest.backoff import Backoff
from ingest.decoding import PIECE_BYTES, Batch, Decoder
from ingest.normalise import Normalised, Normaliser
from ingest.pipeline import Pipeline, Store
from storage.lake import Commit, Lake
from storage.state.database import Database
from tests.ingest_pipeline.scene import NOW, STREAM, Script, body, message

SECONDS = 20
SOON = timedelta(microseconds=1)


class Watched(Normaliser):
    """Tells when a message has been decoded, and raises once where it is told to."""

    def __init__(self, raise_once: Exception | None = None) -> None:
        super().__init__()
        self.decoded: list[int] = []
        self.changed = threading.Condition()
        self.raise_once = raise_once

    def batch(self, messages: Sequence[Message], *, now: datetime) -> Normalised:
        if self.raise_once is not None:
            error, self.raise_once = self.raise_once, None
            raise error
        found = super().batch(messages, now=now)
        with self.changed:
            self.decoded += [one.sequence_number for one in messages]
            self.changed.notify_all()
        return found

    def wait_for(self, sequence_number: int) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: sequence_number in self.decoded, SECONDS)


class Watching:
    """A lake that notes each attempt to commit; `before` is called first and may raise."""

    def __init__(self, lake: Lake, before: Callable[[int], object]) -> None:
        self.lake = lake
        self.before = before
        self.attempts: list[int] = []

    def commit(self, rows: pa.Table, positions: Mapping[str, int]) -> Commit:
        self.attempts.append(positions[STREAM])
        self.before(positions[STREAM])
        return self.lake.commit(rows, positions)


Make = Callable[..., Pipeline]


@pytest.fixture
def make(database: Database) -> Make:
    def pipeline(source: Script, store: Store, normaliser: Normaliser, interval: timedelta = SOON) -> Pipeline:
        return Pipeline(source, normaliser, store, database, SystemClock(), interval, backoff=Backoff(0.01, 0.02))

    return pipeline


def script(count: int, on_end: Callable[[], object] = lambda: None) -> Script:
    return Script(*([message(number, body(number))] for number in range(count)), on_end=on_end)


def run(pipeline: Pipeline, stop: threading.Event) -> None:
    thread = threading.Thread(target=pipeline.run, args=(stop,))
    thread.start()
    thread.join(SECONDS)
    assert not thread.is_alive()


def full_once() -> Callable[[int], None]:
    refusals = [StoreError("disk full", remedy="Free some space")]

    def before(_position: int) -> None:
        if refusals:
            raise refusals.pop()

    return before


def test_what_comes_next_is_decoded_while_a_batch_is_written(lake: Lake, make: Make) -> None:
    normaliser = Watched()
    begun: list[bool] = []
    big = body(1) + b" " * PIECE_BYTES

    def before(position: int) -> None:
        if position == 0:
            begun.append(normaliser.wait_for(1))

    make(Script([message(0, body(0))], [message(1, big)]), Watching(lake, before), normaliser).run_once()
    assert begun == [True]
    assert lake.position(STREAM) == 1


def test_batches_are_committed_in_order_after_one_was_refused(lake: Lake, make: Make) -> None:
    stop = threading.Event()
    store = Watching(lake, full_once())
    run(make(script(4, on_end=stop.set), store, Watched()), stop)
    assert store.attempts[:2] == [0, 0]
    assert store.attempts == sorted(store.attempts)
    assert lake.position(STREAM) == 3
    assert sum(file.rows for file in lake.snapshot().files) == 4


def test_a_refused_batch_is_decoded_anew_because_the_clock_has_moved_on(lake: Lake, make: Make) -> None:
    stop = threading.Event()
    normaliser = Watched()
    run(make(script(1, on_end=stop.set), Watching(lake, full_once()), normaliser), stop)
    assert normaliser.decoded == [0, 0]


def test_what_was_taken_ahead_is_stored_when_the_pipeline_is_stopped_meanwhile(lake: Lake, make: Make) -> None:
    stop = threading.Event()
    source = script(3)
    store = Watching(lake, lambda _position: stop.set())
    run(make(source, store, Watched()), stop)
    assert [told.sequence_number for told in source.told] == [0, 1]
    assert lake.position(STREAM) == 1


def test_a_source_that_fails_while_a_batch_is_due_costs_that_batch_nothing(lake: Lake, make: Make) -> None:
    stop = threading.Event()
    source = Script([message(0, body(0))], RemoteUnreachableError("away"), on_end=stop.set)
    run(make(source, lake, Watched()), stop)
    assert lake.position(STREAM) == 0
    assert source.starts == 2


def test_decoding_that_fails_is_tried_again_and_passes_nothing_over(lake: Lake, make: Make) -> None:
    stop = threading.Event()
    run(make(script(2, on_end=stop.set), lake, Watched(MemoryError())), stop)
    assert lake.position(STREAM) == 1
    assert sum(file.rows for file in lake.snapshot().files) == 2


def test_no_thread_is_left_behind(lake: Lake, make: Make) -> None:
    make(script(2), lake, Watched()).run_once()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_pieces_make_one_table_in_the_order_of_the_messages() -> None:
    decoder = Decoder(Normaliser())
    try:
        batch = Batch(decoder)
        for number in range(3):
            batch.add([message(number, body(number) + b" " * PIECE_BYTES), message(number, b"no json")], NOW)
        found = batch.decoded(NOW)
    finally:
        decoder.close()
    assert found.events.column("identity").to_pylist() == [f"user{number}@example.com" for number in range(3)]
    assert [reject.sequence_number for reject in found.rejects] == [0, 1, 2]


def test_running_once_waits_for_nothing_once_the_source_is_caught_up(lake: Lake, make: Make) -> None:
    waits: list[float] = []

    class Timed(Script):
        def poll(self, timeout: float) -> Sequence[Message]:
            if self.caught_up():
                waits.append(timeout)
            return super().poll(timeout)

    make(Timed([message(0, body(0))], [message(1, body(1))]), lake, Watched(), timedelta(hours=1)).run_once()
    assert waits
    assert set(waits) == {0}
    assert lake.position(STREAM) == 1
