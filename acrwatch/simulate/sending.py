"""Records into a real event hub, or the development hub, through the Azure client."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from acrwatch.core.errors import AuthError, ConfigError, RemoteUnreachableError
from acrwatch.simulate.messages import encode_messages
from acrwatch.simulate.wire import Record

if TYPE_CHECKING:
    from azure.eventhub import EventHubProducerClient


_RETRIES: Final = 1
"""Whoever sends practice traffic is watching: the client's own three retries keep them 13 s for a mistyped key."""


def send(
    records: Iterable[Record],
    connection_string: str,
    eventhub: str,
    *,
    per_message: int | None = None,
    seed: int = 0,
) -> int:
    """Send records to an event hub, without partition key as Azure Monitor does, and return the number of messages.

    Bodies are those of `encode_messages`, each sent before the next record is taken, so that a caller may pace the
    records. Raises ConfigError for an unusable connection string or a hub that takes no message of that size, AuthError
    when the hub refuses the key, RemoteUnreachableError when it does not answer or there is no such hub. What was sent
    before an error stays sent.
    """
    sent = 0
    with _producer(connection_string, eventhub) as producer:
        for body in encode_messages(records, per_message=per_message, seed=seed):
            _send_body(producer, body)
            sent += 1
    return sent


@contextmanager
def _producer(connection_string: str, eventhub: str) -> Iterator["EventHubProducerClient"]:
    # Imported here: the SDK takes a good part of a second to load, and only sending needs it.
    from azure.eventhub import EventHubProducerClient
    from azure.eventhub.exceptions import AuthenticationError, EventHubError

    try:
        producer = EventHubProducerClient.from_connection_string(
            connection_string, eventhub_name=eventhub, retry_total=_RETRIES
        )
    except ValueError as error:
        raise ConfigError(
            "the connection string cannot be used", remedy="Copy it from the namespace's shared access policy"
        ) from error
    try:
        with producer:
            yield producer
    except AuthenticationError as error:
        raise AuthError(f"hub {eventhub} refused the key", remedy="Use a policy with the Send right") from error
    except EventHubError as error:
        first_line = str(error.message).strip().partition("\n")[0].rstrip(".")
        raise RemoteUnreachableError(
            f"hub {eventhub} took no message: {first_line}", remedy="Check the endpoint and the hub's name"
        ) from error


def _send_body(producer: "EventHubProducerClient", body: bytes) -> None:
    from azure.eventhub import EventData

    batch = producer.create_batch()
    try:
        batch.add(EventData(body))
    except ValueError as error:
        raise ConfigError(
            f"the hub takes at most {batch.max_size_in_bytes} bytes at once, a message has {len(body)}",
            remedy="Send fewer records per message",
        ) from error
    producer.send_batch(batch)
