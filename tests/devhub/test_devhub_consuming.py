"""The real consumer client, sync and aio: start positions, system properties, groups, flow control."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.eventhub import EventData
from azure.eventhub.aio import EventHubConsumerClient as AioConsumerClient
from azure.eventhub.exceptions import ConnectError, EventHubError

from acrwatch.devhub import DevHub, Retention
from tests.devhub.conftest import Reader, body_of

HUB = "acr-audit"

# The client leaks its socket whenever a connect is refused or a connection is reset.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


POSITIONS: list[tuple[object, bool, int]] = [
    ("-1", False, 0),
    (6, False, 7),
    (6, True, 6),
    (-1, False, 0),
    (NOON + timedelta(minutes=3), False, 4),
    (NOON + timedelta(minutes=3), True, 3),
    (NOON + timedelta(minutes=3, seconds=1), True, 4),
    (NOON - timedelta(days=1), False, 0),
    ("offset of 4", False, 5),
    ("offset of 4", True, 4),
    ("0", False, 1),
    ("0", True, 0),
]


def _fill(hub: DevHub, partition: int) -> None:
    """Ten events, one a minute from noon on."""
    for number in range(10):
        moment = NOON + timedelta(minutes=number)
        hub.append(HUB, f"event {number}".encode(), partition=partition, enqueued_time=moment)


@pytest.fixture
def filled(hub: DevHub) -> DevHub:
    _fill(hub, 0)
    return hub


def test_the_aio_consumer_starts_where_it_was_told() -> None:
    with DevHub(hubs={HUB: len(POSITIONS)}) as hub:  # one client reads all of them at once, each in its own partition
        for partition in range(len(POSITIONS)):
            _fill(hub, partition)
        fourth = hub._broker.hub(HUB).partition(0).read(4)
        assert fourth is not None
        starts = {str(i): str(fourth.offset) if p == "offset of 4" else p for i, (p, _, _) in enumerate(POSITIONS)}
        inclusive = {str(i): flag for i, (_, flag, _) in enumerate(POSITIONS)}
        found: list[list[int | None]] = [[] for _ in POSITIONS]
        _read_aio(
            hub,
            sum(10 - first for _, _, first in POSITIONS),
            lambda context, event: found[int(context.partition_id)].append(event.sequence_number),
            starting_position=starts,
            starting_position_inclusive=inclusive,
        )
    assert found == [list(range(first, 10)) for _, _, first in POSITIONS]


def test_the_sync_consumer_starts_where_it_was_told(filled: DevHub, reading: Reader) -> None:
    with reading(filled, partition_id="0", starting_position=6, starting_position_inclusive=True) as received:
        assert [event.sequence_number for event in received.wait(4)] == [6, 7, 8, 9]


def test_reading_at_latest_gets_only_what_comes_later(filled: DevHub, reading: Reader) -> None:
    with reading(filled, partition_id="0", starting_position="@latest", prefetch=1) as received:
        deadline = time.monotonic() + 20
        while not received.poll(1, 0.05):
            assert time.monotonic() < deadline
            filled.append(HUB, b"new", partition=0)
        assert {event.body_as_str() for event in received.wait(1)} == {"new"}


def test_a_position_behind_the_end_is_refused_as_azure_does(filled: DevHub, reading: Reader) -> None:
    with reading(filled, partition_id="0", starting_position="999999999", retry_total=0) as received:
        error = received.wait_error()
    assert isinstance(error, ConnectError)
    assert "argument-error" in str(error)
    assert "The supplied offset '999999999' is invalid. The last offset in the system is" in str(error)


def test_a_consumer_that_has_read_everything_waits_for_more(filled: DevHub, reading: Reader) -> None:
    with reading(filled, partition_id="0", starting_position=9) as received:
        filled.append(HUB, b"next", partition=0)
        assert [event.sequence_number for event in received.wait(1)] == [10]
        filled.append(HUB, b"and another", partition=0)
        assert [event.sequence_number for event in received.wait(2)] == [10, 11]


def test_events_carry_body_properties_and_system_properties(hub: DevHub, reading: Reader) -> None:
    for number in range(3):
        moment = NOON + timedelta(minutes=number)
        hub.append(HUB, bytes((number,)), partition=0, enqueued_time=moment, properties={"origin": "test"})
    with reading(hub, partition_id="0") as received:
        events = received.wait(3)
    assert [event.enqueued_time for event in events] == [NOON + timedelta(minutes=number) for number in range(3)]
    assert [event.sequence_number for event in events] == [0, 1, 2]
    assert [body_of(event) for event in events] == [b"\x00", b"\x01", b"\x02"]
    assert all(isinstance(event.offset, str) for event in events)
    assert sorted(events, key=lambda event: int(event.offset or -1)) == events
    assert [(event.partition_key, event.properties) for event in events] == [(None, {b"origin": b"test"})] * 3


def test_a_consumer_reads_all_partitions(hub: DevHub, reading: Reader) -> None:
    for number in range(6):
        hub.append(HUB, str(number).encode())
    with reading(hub) as received:
        assert {event.body_as_str() for event in received.wait(6)} == set("012345")


def test_two_groups_read_the_same_events(filled: DevHub, reading: Reader) -> None:
    with (
        reading(filled, partition_id="0") as first,
        reading(filled, partition_id="0", consumer_group="second") as second,
    ):
        assert [event.sequence_number for event in first.wait(10)] == list(range(10))
        assert [event.sequence_number for event in second.wait(10)] == list(range(10))


def test_a_group_that_does_not_exist_is_refused(filled: DevHub, reading: Reader) -> None:
    with reading(filled, consumer_group="third", partition_id="0", retry_total=0) as received:
        assert "not-found" in str(received.wait_error())


def test_runtime_metrics_tell_how_far_the_partition_goes(filled: DevHub, reading: Reader) -> None:
    with reading(filled, partition_id="0", track_last_enqueued_event_properties=True) as received:
        events = received.wait(10)
    metrics = events[0].raw_amqp_message.delivery_annotations
    assert metrics is not None
    assert metrics[b"last_enqueued_sequence_number"] == 9
    assert metrics[b"last_enqueued_offset"] == (events[9].offset or "").encode()
    assert metrics[b"last_enqueued_time_utc"] == int((NOON + timedelta(minutes=9)).timestamp() * 1000)


def test_what_retention_dropped_is_skipped_without_renumbering(reading: Reader) -> None:
    with DevHub(hubs={HUB: 1}, retention=Retention(max_messages=3)) as hub:
        for number in range(10):
            hub.append(HUB, str(number).encode())
        with reading(hub, starting_position=2) as received:
            assert [event.sequence_number for event in received.wait(3)] == [7, 8, 9]


def test_one_session_carries_many_times_its_window(
    hub: DevHub, reading: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The client announces 65536 frames and again only when all are used up; 50 let that happen often, and in the middle
    # of a message of three frames, too.
    monkeypatch.setattr("azure.eventhub._pyamqp.client.INCOMING_WINDOW", 50)
    for number in range(300):
        hub.append(HUB, bytes(180_000 if number % 7 == 0 else 10), partition=0)
    with reading(hub, partition_id="0") as received:
        events = received.wait(300)
    assert [event.sequence_number for event in events] == list(range(300))
    assert [len(body_of(event)) for event in events] == [180_000 if n % 7 == 0 else 10 for n in range(300)]


def _read_aio(
    hub: DevHub, count: int, note: Callable[[Any, EventData], None] | None = None, **options: Any
) -> list[EventData]:
    """Read `count` events with the aio client."""

    async def read() -> list[EventData]:
        client = AioConsumerClient.from_connection_string(
            hub.connection_string, consumer_group="$Default", eventhub_name=HUB
        )
        events: list[EventData] = []
        enough = asyncio.Event()

        async def on_event(context: Any, event: EventData | None) -> None:
            assert event is not None
            events.append(event)
            if note is not None:
                note(context, event)
            if len(events) >= count:
                enough.set()

        async with client:
            work = asyncio.create_task(client.receive(on_event, **{"starting_position": "-1", **options}))
            await asyncio.wait_for(enough.wait(), 20)
        work.cancel()  # it would sleep on until its next balancing tick, up to 30 seconds
        with contextlib.suppress(asyncio.CancelledError):
            await work
        return events

    return asyncio.run(read())


def test_the_aio_consumer_reads_big_messages_of_all_partitions(hub: DevHub) -> None:
    bodies = [bytes((number,)) * 250_000 for number in range(8)]
    for body in bodies:
        hub.append(HUB, body)
    events = _read_aio(hub, 8)
    assert sorted(body_of(event) for event in events) == bodies


def test_a_newcomer_with_an_equal_epoch_takes_the_partition_over(filled: DevHub, reading: Reader) -> None:
    with reading(filled, partition_id="0", owner_level=0, retry_total=0) as first:
        first.wait(10)
        with reading(filled, partition_id="0", owner_level=0) as second:
            second.wait(10)
            error = first.wait_error()
    assert isinstance(error, EventHubError)
    assert "link:stolen" in str(error) or "LinkStolen" in str(error)
