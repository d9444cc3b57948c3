"""Tokens and properties, asked for by the real client."""

from datetime import UTC, datetime

import pytest
from azure.eventhub import EventHubProducerClient
from azure.eventhub.exceptions import AuthenticationError, EventHubError

from acrwatch.devhub import DevHub, Retention
from tests.devhub.conftest import MovableClock, Reader

HUB = "acr-audit"

# The client leaks its socket whenever a connect is refused or a connection is reset.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def _client(hub: DevHub, name: str = HUB, connection_string: str | None = None) -> EventHubProducerClient:
    return EventHubProducerClient.from_connection_string(
        connection_string or hub.connection_string, eventhub_name=name, retry_total=0
    )


def test_the_hubs_properties_are_told(clock: MovableClock) -> None:
    with DevHub(hubs={HUB: 3}, clock=clock) as hub, _client(hub) as client:
        assert client.get_eventhub_properties() == {
            "eventhub_name": HUB,
            "created_at": clock.now(),
            "partition_ids": ["0", "1", "2"],
        }


def test_the_properties_of_an_empty_partition_say_so(hub: DevHub) -> None:
    with _client(hub) as client:
        properties = client.get_partition_properties("1")
    assert properties == {
        "eventhub_name": HUB,
        "id": "1",
        "beginning_sequence_number": 0,
        "last_enqueued_sequence_number": -1,
        "last_enqueued_offset": "-1",
        "last_enqueued_time_utc": datetime(1, 1, 1, tzinfo=UTC),
        "is_empty": True,
    }


def test_the_properties_of_a_partition_tell_first_and_last(reading: Reader) -> None:
    with DevHub(hubs={HUB: 1}, retention=Retention(max_messages=2)) as hub:
        for _ in range(5):
            hub.append(HUB, b"x", enqueued_time=NOON)
        with _client(hub) as client:
            properties = client.get_partition_properties("0")
    assert properties["beginning_sequence_number"] == 3
    assert properties["last_enqueued_sequence_number"] == 4
    assert properties["last_enqueued_time_utc"] == NOON
    assert properties["is_empty"] is False
    assert int(properties["last_enqueued_offset"]) > 0


def test_a_wrong_key_is_an_authentication_error(hub: DevHub) -> None:
    key = hub.connection_string.split("SharedAccessKey=")[1].split(";")[0]
    wrong = hub.connection_string.replace(key, "d3Jvbmc=")
    with _client(hub, connection_string=wrong) as client, pytest.raises(AuthenticationError, match="401"):
        client.get_eventhub_properties()


def test_a_hub_that_does_not_exist_is_an_authentication_error_with_404_as_in_azure(hub: DevHub) -> None:
    with _client(hub, "no-such-hub") as client, pytest.raises(AuthenticationError, match="404"):
        client.get_eventhub_properties()


def test_the_name_of_a_hub_is_not_case_sensitive(hub: DevHub) -> None:
    with _client(hub, HUB.upper()) as client:
        assert client.get_eventhub_properties()["eventhub_name"] == HUB


def test_nothing_answers_after_stop(hub: DevHub) -> None:
    hub.stop()
    with _client(hub) as client, pytest.raises(EventHubError):
        client.get_eventhub_properties()
