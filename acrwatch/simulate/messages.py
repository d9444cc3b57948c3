"""Records grouped into the `{"records": [...]}` bodies Azure Monitor puts on an event hub."""

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

    A body is yielded as soon as it holds enough, before the next record is taken. `per_message` is how many records it
    holds; None mixes sizes from 1 to 250 (chosen by `seed`), as Azure does; how large Azure's own messages get is not
    documented. Raises ConfigError for a size below 1 or a record too large for any body.
    """
    if per_message is not None and per_message < 1:
        raise ConfigError(f"a message cannot hold {per_message} records", remedy="Ask for at least 1")
    random = seeded(seed, "messages")
    held: list[bytes] = []
    room, wanted = _ROOM, per_message or random.choice(_USUAL_SIZES)
    for record in records:
        encoded = _encode(record)
        if len(encoded) > room:
            yield _body(held)
            held, room = [], _ROOM
        held.append(encoded)
        room -= len(encoded) + 1
        if len(held) >= wanted:
            yield _body(held)
            held, room, wanted = [], _ROOM, per_message or random.choice(_USUAL_SIZES)
    if held:
        yield _body(held)


def _encode(record: Record) -> bytes:
    encoded = msgspec.json.encode(record)
    if len(_HEAD) + len(encoded) + len(_TAIL) > MAX_BODY_BYTES:
        raise ConfigError(
            f"a record of {len(encoded)} bytes fits no message of {MAX_BODY_BYTES}", remedy="Leave it out"
        )
    return encoded


def _body(encoded: list[bytes]) -> bytes:
    return _HEAD + b",".join(encoded) + _TAIL
