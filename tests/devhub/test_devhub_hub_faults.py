"""What happens to a hub while it is read: made anew, truncated, links taken away. Read by the real client."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.eventhub import EventData, EventHubProducerClient

from acrwatch.core.errors import NotFoundError
from acrwatch.devhub import DevHub, Retention
from acrwatch.devhub.performatives import Close
from tests.devhub.conftest import HUB, WAIT, RawClient, Reader, until

# The client leaks its socket when a connection or a link is dropped.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


@pytest.fixture
def stopped() -> DevHub:
    return DevHub(hubs={HUB: 2})


def test_a_hub_made_anew_counts_from_0_and_is_read_from_its_beginning(hub: DevHub, reading: Reader) -> None:
    for _ in range(5):
        hub.append(HUB, b"old", partition=0)
    hub.recreate_hub(HUB)
    assert hub.last_sequence_number(HUB, 0) == -1
    hub.append(HUB, b"new", partition=0)
    with reading(hub, partition_id="0") as received:
        event = received.wait(1)[0]
    assert (event.sequence_number, event.offset, event.body_as_str()) == (0, "0", "new")


def test_making_a_hub_anew_drops_its_readers_and_refuses_positions_of_the_old_log(hub: DevHub, reading: Reader) -> None:
    for _ in range(5):
        hub.append(HUB, b"old", partition=0)
    with reading(hub, partition_id="0") as received:
        received.wait(5)
        made = hub.connections_made
        hub.recreate_hub(HUB)
        until(lambda: hub.connections_made > made)  # the client comes back with its old position
        hub.append(HUB, b"new", partition=0)
        assert not received.poll(6, 0.5)


def test_a_hub_made_anew_keeps_its_name_and_partitions(hub: DevHub, producer: EventHubProducerClient) -> None:
    hub.recreate_hub(HUB.upper())
    assert producer.get_partition_ids() == ["0", "1"]
    assert producer.get_eventhub_properties()["eventhub_name"] == HUB


def test_only_a_hub_that_exists_can_be_made_anew(hub: DevHub) -> None:
    with pytest.raises(NotFoundError, match="'other'"):
        hub.recreate_hub("other")


def test_a_running_consumer_jumps_over_what_was_truncated(hub: DevHub, reading: Reader) -> None:
    hub.append(HUB, b"x", partition=0)
    with reading(hub, partition_id="0", retry_total=100) as received:
        received.wait(1)
        hub.refuse_connections()
        hub.abort_connections()
        for _ in range(9):
            hub.append(HUB, b"x", partition=0)
        assert hub.truncate(HUB, 0, before=7) == 7
        hub.accept_connections()
        events = received.wait_for_sequence_number(9)
    assert {event.sequence_number for event in events} == {0, 7, 8, 9}


def test_truncation_shows_in_the_partitions_properties(hub: DevHub, producer: EventHubProducerClient) -> None:
    for _ in range(5):
        hub.append(HUB, b"x", partition=0)
    hub.truncate(HUB, 0, before=3)
    found = producer.get_partition_properties("0")
    assert (found["beginning_sequence_number"], found["last_enqueued_sequence_number"], found["is_empty"]) == (
        3,
        4,
        False,
    )


def test_truncation_may_leave_nothing_and_numbers_go_on(stopped: DevHub) -> None:
    for _ in range(3):
        stopped.append(HUB, b"x", partition=0)
    assert stopped.truncate(HUB, 0, before=99) == 3
    assert stopped.last_sequence_number(HUB, 0) == 2
    assert stopped.append(HUB, b"x", partition=0) == 3


@pytest.mark.parametrize("before", [-1, 0, 3])
def test_truncating_below_the_oldest_message_drops_nothing(before: int) -> None:
    hub = DevHub(hubs={HUB: 1}, retention=Retention(max_messages=2))
    for _ in range(5):
        hub.append(HUB, b"x", partition=0)
    assert hub.truncate(HUB, 0, before) == 0


def test_a_consumer_whose_link_was_detached_goes_on_without_loss(hub: DevHub, reading: Reader) -> None:
    hub.append(HUB, b"x", partition=0)
    with reading(hub, partition_id="0", retry_total=100) as received:
        received.wait(1)
        assert hub.detach_links(HUB, partition=0) == 1
        hub.append(HUB, b"x", partition=0)
        events = received.wait_for_sequence_number(1)
    assert {event.sequence_number for event in events} == {0, 1}


def test_a_consumer_is_told_the_condition_of_its_detach(hub: DevHub, reading: Reader) -> None:
    hub.append(HUB, b"x", partition=0)
    with reading(hub, partition_id="0", retry_total=0) as received:
        received.wait(1)
        hub.detach_links(HUB, condition="amqp:resource-limit-exceeded", description="The quota is used up")
        assert "The quota is used up" in str(received.wait_error())


def test_a_producer_whose_link_was_detached_sends_again(hub: DevHub, producer: EventHubProducerClient) -> None:
    producer.send_batch([EventData(b"x")], partition_id="0")
    assert hub.detach_links(HUB, partition=0) == 1
    producer.send_batch([EventData(b"y")], partition_id="0")
    assert hub.last_sequence_number(HUB, 0) == 1


def test_only_the_chosen_links_are_detached(hub: DevHub, reading: Reader) -> None:
    hub.append(HUB, b"x", partition=0)
    hub.append(HUB, b"x", partition=1)
    with reading(hub, partition_id="0") as first, reading(hub, partition_id="1", consumer_group="second") as second:
        first.wait(1)
        second.wait(1)
        assert hub.detach_links(HUB, consumer_group="other") == 0
        assert hub.detach_links("other") == 0
        assert hub.detach_links(HUB, partition=0, consumer_group="second") == 0
        assert hub.detach_links(HUB, partition=1, consumer_group="SECOND") == 1


def test_ending_connections_waits_for_no_newer_ones(hub: DevHub, raw: RawClient) -> None:
    raw.open()
    with ThreadPoolExecutor(1) as worker:
        closing = worker.submit(hub.close_connections)
        assert isinstance(raw.receive(), Close)
        with socket.create_connection(("127.0.0.1", hub.port), WAIT):  # comes while the first one is still going
            until(lambda: hub.connections_made == 2)
            closing.result(WAIT)
            assert hub.connection_count == 1
