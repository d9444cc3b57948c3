"""The AMQP 1.0 performatives as frozen values, and their two-way mapping to bytes.

Every field is always written, trailing nulls too: the Azure client reads fields by position without checking how many
there are. Sources: OASIS AMQP 1.0 part 2 section 2.7 (transport) and part 5 section 5.3 (SASL); defaults are the
specification's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Final, Self

from acrwatch.devhub.decoder import Buffer, decode
from acrwatch.devhub.encoder import encode, encode_list
from acrwatch.devhub.wire_types import AmqpDecodeError, Array, Described, Symbol, UByte, UInt, ULong, UShort

# Field kind -> the types a decoded field may have. "any" fields are described values (states, sources, errors).
_ACCEPTED: Final[Mapping[str, tuple[type, ...]]] = {
    "bool": (bool,),
    "ubyte": (UByte,),
    "ushort": (UShort,),
    "uint": (UInt,),
    "ulong": (ULong,),
    "string": (str,),
    "symbol": (Symbol,),
    "symbols": (Symbol, Array),
    "binary": (bytes,),
    "map": (dict,),
    "any": (object,),
}
_WRAP: Final[Mapping[str, type]] = {"ubyte": UByte, "ushort": UShort, "uint": UInt, "ulong": ULong, "symbol": Symbol}


@dataclass(frozen=True, slots=True)
class Performative:
    """Base of all performatives: `CODE` is the descriptor, `KINDS` the wire kind of each field in order."""

    CODE: ClassVar[int]
    KINDS: ClassVar[tuple[str, ...]]
    REQUIRED: ClassVar[int] = 0  # how many leading fields must not be null

    @classmethod
    def from_fields(cls, values: list[object]) -> Self:
        """Build from decoded fields; missing or null ones take the specification's default."""
        names = _FIELD_NAMES[cls.CODE]
        if len(values) > len(names):
            raise AmqpDecodeError(f"{cls.__name__} has {len(names)} fields, not {len(values)}")
        given = {}
        for index, (name, kind, value) in enumerate(zip(names, cls.KINDS, values, strict=False)):
            if value is None:
                continue
            if not isinstance(value, _ACCEPTED[kind]):
                raise AmqpDecodeError(
                    f"{cls.__name__} field {index} ({name}) must be {kind}, is {type(value).__name__}"
                )
            given[name] = value
        missing = [name for name in names[: cls.REQUIRED] if name not in given]
        if missing:
            raise AmqpDecodeError(f"{cls.__name__} lacks its mandatory field {missing[0]}")
        return cls(**given)

    def encode(self) -> bytes:
        """Return the described list with a one-byte descriptor and every field."""
        encoded = [
            _encode_field(kind, getattr(self, name))
            for name, kind in zip(_FIELD_NAMES[self.CODE], self.KINDS, strict=True)
        ]
        return bytes((0x00, 0x53, self.CODE)) + encode_list(encoded)


def _encode_field(kind: str, value: object) -> bytes:
    if value is not None and kind in _WRAP:
        value = _WRAP[kind](value)
    return encode(value)


@dataclass(frozen=True, slots=True)
class Open(Performative):
    CODE: ClassVar[int] = 0x10
    KINDS: ClassVar[tuple[str, ...]] = (
        *("string", "string", "uint", "ushort", "uint", "symbols", "symbols", "symbols", "symbols", "map"),
    )
    REQUIRED: ClassVar[int] = 1
    container_id: str
    hostname: str | None = None
    max_frame_size: int = 4_294_967_295
    channel_max: int = 65_535
    idle_timeout_ms: int | None = None
    outgoing_locales: object = None
    incoming_locales: object = None
    offered_capabilities: object = None
    desired_capabilities: object = None
    properties: Mapping[object, object] | None = None


@dataclass(frozen=True, slots=True)
class Begin(Performative):
    CODE: ClassVar[int] = 0x11
    KINDS: ClassVar[tuple[str, ...]] = ("ushort", "uint", "uint", "uint", "uint", "symbols", "symbols", "map")
    remote_channel: int | None = None
    next_outgoing_id: int = 0
    incoming_window: int = 0
    outgoing_window: int = 0
    handle_max: int = 4_294_967_295
    offered_capabilities: object = None
    desired_capabilities: object = None
    properties: Mapping[object, object] | None = None


@dataclass(frozen=True, slots=True)
class Attach(Performative):
    CODE: ClassVar[int] = 0x12
    KINDS: ClassVar[tuple[str, ...]] = (
        *("string", "uint", "bool", "ubyte", "ubyte", "any", "any", "map", "bool", "uint", "ulong"),
        *("symbols", "symbols", "map"),
    )
    REQUIRED: ClassVar[int] = 3
    name: str
    handle: int
    role: bool  # False: the one who attaches sends; True: receives
    snd_settle_mode: int = 2
    rcv_settle_mode: int = 0
    source: object = None
    target: object = None
    unsettled: Mapping[object, object] | None = None
    incomplete_unsettled: bool = False
    initial_delivery_count: int | None = None
    max_message_size: int | None = None
    offered_capabilities: object = None
    desired_capabilities: object = None
    properties: Mapping[object, object] | None = None


@dataclass(frozen=True, slots=True)
class Flow(Performative):
    CODE: ClassVar[int] = 0x13
    KINDS: ClassVar[tuple[str, ...]] = (
        *("uint", "uint", "uint", "uint", "uint", "uint", "uint", "uint", "bool", "bool", "map"),
    )
    next_incoming_id: int | None = None
    incoming_window: int = 0
    next_outgoing_id: int = 0
    outgoing_window: int = 0
    handle: int | None = None
    delivery_count: int | None = None
    link_credit: int | None = None
    available: int | None = None
    drain: bool = False
    echo: bool = False
    properties: Mapping[object, object] | None = None


@dataclass(frozen=True, slots=True)
class Transfer(Performative):
    CODE: ClassVar[int] = 0x14
    KINDS: ClassVar[tuple[str, ...]] = (
        *("uint", "uint", "binary", "uint", "bool", "bool", "ubyte", "any", "bool", "bool", "bool"),
    )
    REQUIRED: ClassVar[int] = 1
    handle: int
    delivery_id: int | None = None
    delivery_tag: bytes | None = None
    message_format: int | None = None
    settled: bool | None = None
    more: bool = False
    rcv_settle_mode: int | None = None
    state: object = None
    resume: bool = False
    aborted: bool = False
    batchable: bool = False


@dataclass(frozen=True, slots=True)
class Disposition(Performative):
    CODE: ClassVar[int] = 0x15
    KINDS: ClassVar[tuple[str, ...]] = ("bool", "uint", "uint", "bool", "any", "bool")
    REQUIRED: ClassVar[int] = 2
    role: bool
    first: int
    last: int | None = None
    settled: bool = False
    state: object = None
    batchable: bool = False


@dataclass(frozen=True, slots=True)
class Detach(Performative):
    CODE: ClassVar[int] = 0x16
    KINDS: ClassVar[tuple[str, ...]] = ("uint", "bool", "any")
    REQUIRED: ClassVar[int] = 1
    handle: int
    closed: bool = False
    error: object = None


@dataclass(frozen=True, slots=True)
class End(Performative):
    CODE: ClassVar[int] = 0x17
    KINDS: ClassVar[tuple[str, ...]] = ("any",)
    error: object = None


@dataclass(frozen=True, slots=True)
class Close(Performative):
    CODE: ClassVar[int] = 0x18
    KINDS: ClassVar[tuple[str, ...]] = ("any",)
    error: object = None


@dataclass(frozen=True, slots=True)
class SaslMechanisms(Performative):
    CODE: ClassVar[int] = 0x40
    KINDS: ClassVar[tuple[str, ...]] = ("symbols",)
    mechanisms: object = None


@dataclass(frozen=True, slots=True)
class SaslInit(Performative):
    CODE: ClassVar[int] = 0x41
    KINDS: ClassVar[tuple[str, ...]] = ("symbol", "binary", "string")
    REQUIRED: ClassVar[int] = 1
    mechanism: str
    initial_response: bytes | None = None
    hostname: str | None = None


@dataclass(frozen=True, slots=True)
class SaslOutcome(Performative):
    CODE: ClassVar[int] = 0x44
    KINDS: ClassVar[tuple[str, ...]] = ("ubyte", "binary")
    code: int = 0
    additional_data: bytes | None = None


_TRANSPORT: Final = {kind.CODE: kind for kind in (Open, Begin, Attach, Flow, Transfer, Disposition, Detach, End, Close)}
_SASL: Final = {kind.CODE: kind for kind in (SaslMechanisms, SaslInit, SaslOutcome)}

_FIELD_NAMES: Final = {
    kind.CODE: tuple(field.name for field in fields(kind)) for kind in (*_TRANSPORT.values(), *_SASL.values())
}


def error_value(condition: str, description: str) -> Described:
    """Return an AMQP error (descriptor 0x1d) as carried by Detach, End, Close and Rejected."""
    return Described(ULong(0x1D), [Symbol(condition), description, None])


def decode_performative(body: Buffer, *, sasl: bool = False) -> tuple[Performative, int]:
    """Decode the performative at the start of a frame body; return it and where its payload begins.

    Raises:
        AmqpDecodeError: not a known performative, or a field of a wrong type.
    """
    value, position = decode(body)
    known: Mapping[int, type[Performative]] = _SASL if sasl else _TRANSPORT
    if not isinstance(value, Described) or not isinstance(value.descriptor, ULong) or not isinstance(value.value, list):
        raise AmqpDecodeError("A frame body must start with a described list whose descriptor is a ulong")
    if value.descriptor not in known:
        raise AmqpDecodeError(f"Unknown AMQP performative 0x{int(value.descriptor):02x}")
    return known[value.descriptor].from_fields(value.value), position
