"""Python stand-ins for the AMQP 1.0 types that Python itself cannot tell apart.

Plain values map one to one: `None` null, `bool` boolean, `int` long, `float` double, `str` string, `bytes` binary,
`uuid.UUID` uuid, `list` list, `dict` map. Everything else is one of the subclasses here, so that a decoded value
encodes back to the same type. Source: OASIS AMQP 1.0 part 1, section 1.6.
"""

from dataclasses import dataclass

from acrwatch.core.errors import AcrWatchError


class AmqpDecodeError(AcrWatchError):
    """Bytes from the peer are not valid AMQP 1.0, or larger or deeper than this endpoint accepts."""


class AmqpEncodeError(AcrWatchError):
    """A value has no AMQP 1.0 encoding: wrong type, or a number out of its type's range."""


class UByte(int):
    """0 to 2**8 - 1."""


class UShort(int):
    """0 to 2**16 - 1."""


class UInt(int):
    """0 to 2**32 - 1."""


class ULong(int):
    """0 to 2**64 - 1; also the usual type of a descriptor."""


class Byte(int):
    """-2**7 to 2**7 - 1."""


class Short(int):
    """-2**15 to 2**15 - 1."""


class Int(int):
    """-2**31 to 2**31 - 1."""


class Timestamp(int):
    """Milliseconds since 1970-01-01T00:00:00Z, may be negative."""


class Float(float):
    """IEEE 754 single precision."""


class Char(str):
    """One Unicode scalar value."""

    __slots__ = ()


class Symbol(str):
    """An ASCII name out of a constrained domain."""

    __slots__ = ()


class DecimalBits(bytes):
    """An IEEE 754 decimal kept as its 4, 8 or 16 raw bytes: Event Hubs never computes with one."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Described:
    """A value with a descriptor that gives it meaning, such as a performative or a message section."""

    descriptor: object
    value: object


@dataclass(frozen=True, slots=True)
class Array:
    """Values that all have the same type and share one constructor on the wire."""

    items: tuple[object, ...]
