"""The real producer client, sync and aio, against the development hub."""

import asyncio

import pytest
from azure.eventhub import EventData, EventDataBatch, EventHubProducerClient
from azure.eventhub.aio import EventHubProducerClient as AioProducerClient
from azure.eventhub.exceptions import EventHubError

from acrwatch.devhub import DevHub, Retention
from tests.devhub.conftest import Reader, body_of

HUB = "acr-audit"

# The client leaks its socket whenever a connect is refused or a connection is reset.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


def test_messages_over_many_frames_keep_every_byte(
    hub: DevHub, producer: EventHubProducerClient, reading: Reader
) -> None:
    bodies = [bytes(range(256)) * 980 + bytes((number,)) for number in range(3)]
    batch = producer.create_batch(partition_id="0")
    for body in bodies:
        batch.add(EventData(body))
    producer.send_batch(batch)
    with reading(hub, partition_id="0") as received:
        assert [body_of(event) for event in received.wait(3)] == bodies


def test_everything_an_event_carries_comes_back(hub: DevHub, producer: EventHubProducerClient, reading: Reader) -> None:
    event = EventData(b"body")
    event.properties = {"text": "é", "number": 7, "flag": True}
    event.content_type = "application/json"
    event.correlation_id = "c-1"
    event.message_id = "m-1"
    producer.send_event(event, partition_key="contoso")
    with reading(hub) as received:
        [back] = received.wait(1)
    assert back.properties == {b"text": "é".encode(), b"number": 7, b"flag": True}
    assert (back.content_type, back.correlation_id, back.message_id) == ("application/json", "c-1", "m-1")
    assert back.partition_key == b"contoso"


def test_events_of_one_key_share_a_partition(hub: DevHub, producer: EventHubProducerClient) -> None:
    for number in range(4):
        producer.send_batch([EventData(str(number)), EventData("more")], partition_key="contoso")
    assert sorted(hub.last_sequence_number(HUB, partition) + 1 for partition in range(2)) == [0, 8]


def test_keys_spread_over_the_partitions(hub: DevHub, producer: EventHubProducerClient) -> None:
    for number in range(16):
        producer.send_batch([EventData("x")], partition_key=f"registry-{number}")
    assert min(hub.last_sequence_number(HUB, partition) for partition in range(2)) >= 1


def test_events_without_key_or_partition_take_turns(hub: DevHub, producer: EventHubProducerClient) -> None:
    for _ in range(6):
        producer.send_event(EventData("x"))
    assert [hub.last_sequence_number(HUB, partition) for partition in range(2)] == [2, 2]


def test_the_client_learns_the_size_limit_from_the_link(producer: EventHubProducerClient) -> None:
    batch: EventDataBatch = producer.create_batch()
    assert batch.max_size_in_bytes == 1_048_576
    batch.add(EventData(b"x" * 1_000_000))
    with pytest.raises(ValueError, match="size limit"):
        batch.add(EventData(b"x" * 100_000))


def test_more_deliveries_than_the_links_credit_are_all_taken(hub: DevHub, producer: EventHubProducerClient) -> None:
    for _ in range(400):
        producer.send_event(EventData("x"), partition_id="0")
    assert hub.last_sequence_number(HUB, 0) == 399


def test_more_frames_than_the_sessions_window_are_all_taken() -> None:
    with (
        DevHub(hubs={HUB: 1}, retention=Retention(max_messages=1)) as hub,
        EventHubProducerClient.from_connection_string(hub.connection_string, eventhub_name=HUB) as client,
    ):
        for _ in range(280):  # 280 x 16 frames is above the 4096 that are announced at once
            client.send_event(EventData(bytes(1_000_000)), partition_id="0")
        assert hub.last_sequence_number(HUB, 0) == 279


def test_the_aio_producer_sends_batches_keys_and_big_events(hub: DevHub, reading: Reader) -> None:
    async def produce() -> None:
        client = AioProducerClient.from_connection_string(hub.connection_string, eventhub_name=HUB)
        async with client:
            batch = await client.create_batch(partition_id="0")
            batch.add(EventData(b"a" * 250_000))
            batch.add(EventData(b"b" * 250_000))
            await client.send_batch(batch)
            await client.send_event(EventData(b"c"), partition_id="0")

    asyncio.run(produce())
    with reading(hub, partition_id="0") as received:
        bodies = [body_of(event) for event in received.wait(3)]
    assert bodies == [b"a" * 250_000, b"b" * 250_000, b"c"]


def test_sending_resumes_after_the_connection_was_reset(hub: DevHub, producer: EventHubProducerClient) -> None:
    producer.send_event(EventData("before"), partition_id="0")
    hub.abort_connections()
    producer.send_event(EventData("after"), partition_id="0")
    assert hub.last_sequence_number(HUB, 0) == 1


def test_sending_fails_while_connections_are_refused_and_works_again_later(hub: DevHub) -> None:
    hub.refuse_connections()
    client = EventHubProducerClient.from_connection_string(hub.connection_string, eventhub_name=HUB, retry_total=0)
    with client:
        with pytest.raises(EventHubError):
            client.send_event(EventData("x"))
        hub.accept_connections()
        client.send_event(EventData("x"), partition_id="0")
    assert hub.last_sequence_number(HUB, 0) == 0
