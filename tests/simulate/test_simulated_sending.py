"""Records sent through the Azure client reach a hub whole, and failures come as our own errors."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from azure.eventhub import EventData, EventHubConsumerClient, PartitionContext

from acrwatch.core.errors import AuthError, ConfigError, RemoteUnreachableError
from acrwatch.devhub import DevHub
from acrwatch.simulate import Scenario, send, simulate

START = datetime(2026, 2, 2, 8, tzinfo=UTC)
HUB = "acr-audit"


@pytest.fixture
def hub() -> Iterator[DevHub]:
    with DevHub(hubs={HUB: 2}) as hub:
        yield hub


def _records(count: int) -> list[dict[str, Any]]:
    scenario = Scenario(start=START, end=START + timedelta(days=1))
    return [item.record for item in islice(simulate(scenario), count)]


def _received(hub: DevHub, messages: int) -> list[dict[str, Any]]:
    """Read a number of messages back with the Azure client, waiting at most 20 seconds."""
    bodies: list[bytes] = []
    done = threading.Event()

    def keep(_context: PartitionContext, event: EventData | None) -> None:
        assert event is not None
        bodies.append(event.body_as_str().encode())
        if len(bodies) == messages:
            done.set()

    client = EventHubConsumerClient.from_connection_string(hub.connection_string, "$Default", eventhub_name=HUB)
    reader = threading.Thread(target=client.receive, args=(keep,), kwargs={"starting_position": "-1"})
    reader.start()
    assert done.wait(20)
    client.close()
    reader.join(20)
    return [record for body in bodies for record in json.loads(body)["records"]]


def _key(record: dict[str, Any]) -> str:
    return str(record["correlationId"])


def test_everything_sent_is_received_over_both_partitions(hub: DevHub) -> None:
    records = _records(300)
    assert send(records, hub.connection_string, HUB, per_message=30) == 10
    assert sorted(_received(hub, 10), key=_key) == sorted(records, key=_key)
    assert min(hub.last_sequence_number(HUB, partition) for partition in range(2)) >= 0


def test_a_message_is_sent_before_the_next_record_is_asked_for(hub: DevHub) -> None:
    counts = []

    def paced() -> Iterator[dict[str, Any]]:
        for record in _records(4):
            counts.append(sum(hub.last_sequence_number(HUB, partition) + 1 for partition in range(2)))
            yield record

    send(paced(), hub.connection_string, HUB, per_message=1)
    assert counts == [0, 1, 2, 3]


def test_a_wrong_key_is_an_auth_error(hub: DevHub) -> None:
    wrong = hub.connection_string.replace("SharedAccessKey=", "SharedAccessKey=AAAA")
    with pytest.raises(AuthError, match="refused the key"):
        send(_records(1), wrong, HUB)


def test_a_hub_that_does_not_exist_is_reported(hub: DevHub) -> None:
    with pytest.raises((RemoteUnreachableError, AuthError), match="nowhere"):
        send(_records(1), hub.connection_string, "nowhere")


def test_a_connection_string_without_endpoint_is_refused() -> None:
    with pytest.raises(ConfigError, match="connection string"):
        send(_records(1), "SharedAccessKeyName=a;SharedAccessKey=b", HUB)
