"""Records on their way into an event hub: grouped into `{"records": [...]}` bodies, and sent."""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from acrwatch.core.errors import ConfigError
from acrwatch.simulate.chance import seeded
from acrwatch.simulate.wire import Record

MAX_BODY_BYTES: Final = 1_000_000
"""Largest body made. Event Hubs takes 1 MiB (Standard, Premium) at once; the rest is left to the envelope."""

_HEAD: Final = b'{"records":['
_TAIL: Final = b"]}"
_ROOM: Final = MAX_BODY_BYTES - len(_HEAD) - len(_TAIL)
_USUAL_SIZES: Final = (1, 1, 2, 3, 5, 8, 13, 30, 80, 250)


def encode_messages(records: Iterable[Record], *, per_message: int | None = None, seed: int = 0) -> Iterator[bytes]:
    """Yield UTF-8 JSON bodies that hold the records in order, each at most MAX_BODY_BYTES.

    `per_message` is how many records a body holds; None mixes sizes from 1 to 250 (chosen by `seed`), as Azure does;
    how large Azure's own messages get is not documented. Raises ConfigError for a size below 1 or a record too large
    for any body.
    """
    if per_message is not None and per_message < 1:
        raise ConfigError(f"a message cannot hold {per_message} records", remedy="Ask for at least 1")
    random = seeded(seed, "messages")
    held: list[bytes] = []
    room, wanted = _ROOM, per_message or random.choice(_USUAL_SIZES)
    for record in records:
        encoded = _encode(record)
        if held and (len(held) >= wanted or len(encoded) + 1 > room):
            yield _body(held)
            held, room, wanted = [], _ROOM, per_message or random.choice(_USUAL_SIZES)
        held.append(encoded)
        room -= len(encoded) + 1
    if held:
        yield _body(held)


def send(
    records: Iterable[Record],
    connection_string: str,
    eventhub: str,
    *,
    per_message: int | None = None,
    seed: int = 0,
) -> int:
    """Send records to an event hub, without partition key as Azure Monitor does, and return the number of messages.

    Bodies are those of `encode_messages`. Raises ConfigError when the hub takes no message of that size, and whatever
    the Azure client raises when it cannot connect.
    """
    from azure.eventhub import EventData, EventHubProducerClient  # the only need for the SDK here, and slow to import

    sent = 0
    producer = EventHubProducerClient.from_connection_string(connection_string, eventhub_name=eventhub)
    with producer:
        for body in encode_messages(records, per_message=per_message, seed=seed):
            batch = producer.create_batch()
            try:
                batch.add(EventData(body))
            except ValueError as error:
                raise ConfigError(
                    f"hub {eventhub} takes at most {batch.max_size_in_bytes} bytes, this message has {len(body)}",
                    remedy="Send fewer records per message",
                ) from error
            producer.send_batch(batch)
            sent += 1
    return sent


def _encode(record: Record) -> bytes:
    encoded = msgspec.json.encode(record)
    if len(_HEAD) + len(encoded) + len(_TAIL) > MAX_BODY_BYTES:
        raise ConfigError(
            f"a record of {len(encoded)} bytes fits no message of {MAX_BODY_BYTES}", remedy="Leave it out"
        )
    return encoded


def _body(encoded: list[bytes]) -> bytes:
    return _HEAD + b",".join(encoded) + _TAIL
