"""Encoded messages: what a producer sent, taken apart just enough, and what a consumer gets.

The body is never decoded; its bytes are kept as sent. Source: OASIS AMQP 1.0 part 3, section 3.2.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from acrwatch.devhub.decoder import Buffer, decode, skip
from acrwatch.devhub.encoder import encode
from acrwatch.devhub.wire_types import AmqpDecodeError, Described, Symbol, Timestamp, ULong

HEADER: Final = 0x70
DELIVERY_ANNOTATIONS: Final = 0x71
MESSAGE_ANNOTATIONS: Final = 0x72
PROPERTIES: Final = 0x73
APPLICATION_PROPERTIES: Final = 0x74
DATA: Final = 0x75
VALUE: Final = 0x77
FOOTER: Final = 0x78

BATCH_FORMAT: Final = 0x80013700
PARTITION_KEY: Final = Symbol("x-opt-partition-key")
SEQUENCE_NUMBER: Final = Symbol("x-opt-sequence-number")
OFFSET: Final = Symbol("x-opt-offset")
ENQUEUED_TIME: Final = Symbol("x-opt-enqueued-time")


@dataclass(frozen=True, slots=True)
class IncomingMessage:
    """A message as produced: header section, annotations, and the bare message with its footer, still encoded."""

    header: bytes
    annotations: Mapping[object, object]
    bare: bytes

    @property
    def partition_key(self) -> str | None:
        """The key that chooses the partition, if the producer gave one."""
        key = self.annotations.get(PARTITION_KEY)
        return key.decode("utf-8", "replace") if isinstance(key, bytes) else key if isinstance(key, str) else None

    def seal(self, sequence_number: int, offset: int, enqueued_ms: int) -> bytes:
        """Return the message as consumers get it: the service's annotations win over the producer's."""
        annotations = {
            **self.annotations,
            SEQUENCE_NUMBER: sequence_number,
            OFFSET: str(offset),
            ENQUEUED_TIME: Timestamp(enqueued_ms),
        }
        return self.header + section(MESSAGE_ANNOTATIONS, annotations) + self.bare


@dataclass(frozen=True, slots=True)
class Request:
    """A message to `$cbs` or `$management`, decoded whole: small by nature."""

    message_id: object
    properties: Mapping[object, object]
    value: object


def section(code: int, value: object) -> bytes:
    """Encode one message section; its descriptor takes exactly three bytes, which the Azure client relies on."""
    return encode(Described(ULong(code), value))


def unpack(payload: bytes, message_format: int) -> list[IncomingMessage]:
    """Return the messages of one delivery: one, or those of a batch, with the batch's annotations as defaults.

    Raises:
        AmqpDecodeError: the payload is not a well-formed message or batch.
    """
    outer = _incoming(payload)
    if message_format != BATCH_FORMAT:
        return [outer]
    inner = [_incoming(_binary(payload, start)) for code, _, start, _ in _sections(payload) if code == DATA]
    if not inner:
        raise AmqpDecodeError("An Event Hubs batch without a message")
    return [IncomingMessage(item.header, {**outer.annotations, **item.annotations}, item.bare) for item in inner]


def simple_message(body: bytes, properties: Mapping[str, object] | None = None) -> IncomingMessage:
    """Make a message of one data section and optional application properties."""
    bare = section(APPLICATION_PROPERTIES, dict(properties)) if properties else b""
    return IncomingMessage(b"", {}, bare + section(DATA, body))


def parse_request(payload: bytes) -> Request:
    """Decode a `$cbs` or `$management` request.

    Raises:
        AmqpDecodeError: the payload is not a well-formed message.
    """
    found = {code: decode(payload, start)[0] for code, _, start, _ in _sections(payload)}
    fields = found.get(PROPERTIES)
    properties = found.get(APPLICATION_PROPERTIES)
    fields = fields if isinstance(fields, list) else []
    return Request(
        message_id=fields[0] if fields else None,
        properties=properties if isinstance(properties, dict) else {},
        value=found.get(VALUE),
    )


def reply_message(request: Request, properties: Mapping[str, object], value: object = None) -> bytes:
    """Encode the answer to a request; its correlation id (sixth property) is the request's message id."""
    fields = [None, None, None, None, None, request.message_id] + [None] * 7
    body = section(VALUE, value) if value is not None else b""
    return section(PROPERTIES, fields) + section(APPLICATION_PROPERTIES, dict(properties)) + body


def header_size(payload: Buffer) -> int:
    """Return how many leading bytes are the header section: delivery annotations belong right behind them."""
    code, _, _, end = next(_sections(payload))
    return end if code == HEADER else 0


def _incoming(payload: Buffer) -> IncomingMessage:
    header, annotations, bare = b"", dict[object, object](), bytearray()
    for code, begin, start, end in _sections(payload):
        if code == HEADER:
            header = bytes(payload[begin:end])
        elif code == MESSAGE_ANNOTATIONS:
            value, _ = decode(payload, start)
            annotations = value if isinstance(value, dict) else {}
        elif code != DELIVERY_ANNOTATIONS:
            bare += payload[begin:end]
    return IncomingMessage(header, annotations, bytes(bare))


def _sections(payload: Buffer) -> Iterator[tuple[int, int, int, int]]:
    """Yield (section code, begin, begin of the value, end) for each section, looking only at descriptors and sizes."""
    position = 0
    while position < len(payload):
        begin = position
        if payload[begin] != 0x00:
            raise AmqpDecodeError(f"A message section must be a described value, position {begin}")
        descriptor, start = decode(payload, begin + 1)
        if not isinstance(descriptor, ULong) or not HEADER <= descriptor <= FOOTER:
            raise AmqpDecodeError(f"Unknown message section {descriptor!r} at position {begin}")
        position = skip(payload, start)
        yield int(descriptor), begin, start, position


def _binary(payload: bytes, start: int) -> memoryview:
    value, _ = decode(payload, start)
    if not isinstance(value, bytes):
        raise AmqpDecodeError("A data section must hold binary")
    return memoryview(value)
