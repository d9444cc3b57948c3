"""Values to AMQP 1.0 bytes, always in the smallest form. Source: OASIS AMQP 1.0 part 1, sections 1.2 and 1.6."""

import struct
from collections.abc import Callable, Sequence
from uuid import UUID

from acrwatch.devhub.wire_types import (
    AmqpEncodeError,
    Array,
    Byte,
    Char,
    DecimalBits,
    Described,
    Float,
    Int,
    Short,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
)

_U32 = struct.Struct(">I")
_I8 = struct.Struct(">b")

# type -> (constructor, full-width layout)
_FIXED: dict[type, tuple[int, struct.Struct]] = {
    bool: (0x56, struct.Struct(">?")),
    UByte: (0x50, struct.Struct(">B")),
    UShort: (0x60, struct.Struct(">H")),
    UInt: (0x70, struct.Struct(">I")),
    ULong: (0x80, struct.Struct(">Q")),
    Byte: (0x51, struct.Struct(">b")),
    Short: (0x61, struct.Struct(">h")),
    Int: (0x71, struct.Struct(">i")),
    int: (0x81, struct.Struct(">q")),
    Timestamp: (0x83, struct.Struct(">q")),
    Float: (0x72, struct.Struct(">f")),
    float: (0x82, struct.Struct(">d")),
}
# type -> (constructor for zero or None, constructor for one byte, signed?)
_SHORT_FORMS: dict[type, tuple[int | None, int, bool]] = {
    UInt: (0x43, 0x52, False),
    ULong: (0x44, 0x53, False),
    Int: (None, 0x54, True),
    int: (None, 0x55, True),
}
_DECIMALS = {4: 0x74, 8: 0x84, 16: 0x94}
# type -> (constructor with 8-bit length, with 32-bit length)
_VARIABLE: dict[type, tuple[int, int]] = {bytes: (0xA0, 0xB0), str: (0xA1, 0xB1), Symbol: (0xA3, 0xB3)}


def encode(value: object) -> bytes:
    """Encode one value with its constructor.

    Raises:
        AmqpEncodeError: the type has no AMQP form, or a number exceeds its type.
    """
    output = bytearray()
    _append(output, value)
    return bytes(output)


def encode_list(items: Sequence[bytes]) -> bytes:
    """Wrap already encoded items into a list; never the empty short form, which the Azure client misreads."""
    return _compound(0xC0, len(items), b"".join(items))


def _append(output: bytearray, value: object) -> None:
    if value is None:
        output.append(0x40)
    elif isinstance(value, bool):
        output.append(0x41 if value else 0x42)
    elif type(value) in _FIXED:
        _append_number(output, value)
    else:
        _appender(value)(output, value)


def _append_number(output: bytearray, value: object) -> None:
    code, layout = _FIXED[type(value)]
    zero, small, signed = _SHORT_FORMS.get(type(value), (None, None, False))
    if zero is not None and value == 0:
        output.append(zero)
    elif small is not None and _fits_byte(value, signed):
        output.append(small)
        output += _pack(_I8, value) if signed else bytes((int(value),))  # type: ignore[call-overload]
    else:
        output.append(code)
        output += _pack(layout, value)


def _fits_byte(value: object, signed: bool) -> bool:
    assert isinstance(value, int)
    return -128 <= value <= 127 if signed else 0 <= value <= 255


def _pack(layout: struct.Struct, value: object) -> bytes:
    try:
        return layout.pack(value)
    except (struct.error, OverflowError) as error:
        raise AmqpEncodeError(f"{value!r} does not fit AMQP type {type(value).__name__}") from error


def _appender(value: object) -> Callable[[bytearray, object], None]:
    for kind, appender in _APPENDERS:
        if isinstance(value, kind):
            return appender
    raise AmqpEncodeError(f"A {type(value).__name__} has no AMQP encoding")


def _append_variable(output: bytearray, value: object) -> None:
    short, long = _VARIABLE[type(value) if type(value) in _VARIABLE else str]
    raw = _raw(value)
    output += bytes((short, len(raw))) if len(raw) < 256 else bytes((long,)) + _U32.pack(len(raw))
    output += raw


def _raw(value: object) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    assert isinstance(value, str)
    try:
        return value.encode("ascii" if isinstance(value, Symbol) else "utf-8")
    except UnicodeEncodeError as error:
        raise AmqpEncodeError(f"{value!r} is not valid text for AMQP type {type(value).__name__}") from error


def _append_char(output: bytearray, value: object) -> None:
    assert isinstance(value, str)
    if len(value) != 1:
        raise AmqpEncodeError(f"An AMQP char is one character, not {value!r}")
    output += b"\x73" + _U32.pack(ord(value))


def _append_decimal(output: bytearray, value: object) -> None:
    assert isinstance(value, bytes)
    if len(value) not in _DECIMALS:
        raise AmqpEncodeError(f"An AMQP decimal has 4, 8 or 16 bytes, not {len(value)}")
    output.append(_DECIMALS[len(value)])
    output += value


def _append_uuid(output: bytearray, value: object) -> None:
    assert isinstance(value, UUID)
    output += b"\x98" + value.bytes


def _append_described(output: bytearray, value: object) -> None:
    assert isinstance(value, Described)
    output.append(0x00)
    _append(output, value.descriptor)
    _append(output, value.value)


def _append_list(output: bytearray, value: object) -> None:
    assert isinstance(value, list)
    if value:
        output += _compound(0xC0, len(value), b"".join(map(encode, value)))
    else:
        output.append(0x45)


def _append_map(output: bytearray, value: object) -> None:
    assert isinstance(value, dict)
    body = b"".join(encode(key) + encode(item) for key, item in value.items())
    output += _compound(0xC1, 2 * len(value), body)


def _append_array(output: bytearray, value: object) -> None:
    assert isinstance(value, Array)
    constructor, items = _array_body(value.items)
    output += _compound(0xE0, len(items), constructor + b"".join(items))


def _compound(short_code: int, count: int, body: bytes) -> bytes:
    """Size counts everything after itself; the 32-bit constructor is the 8-bit one plus 0x10."""
    if len(body) + 1 < 256 and count < 256:
        return bytes((short_code, len(body) + 1, count)) + body
    return bytes((short_code + 0x10,)) + _U32.pack(len(body) + 4) + _U32.pack(count) + body


def _array_body(items: tuple[object, ...]) -> tuple[bytes, list[bytes]]:
    """Return the shared constructor and the items without one."""
    if not items:
        return b"\x40", []
    kind = type(items[0])
    if any(type(item) is not kind for item in items):
        raise AmqpEncodeError("The items of an AMQP array must all have one type")
    if kind in _FIXED:
        code, layout = _FIXED[kind]
        return bytes((code,)), [_pack(layout, item) for item in items]
    if kind in _VARIABLE:
        return bytes((_VARIABLE[kind][1],)), [_U32.pack(len(raw)) + raw for raw in map(_raw, items)]
    if kind is UUID:
        return b"\x98", [encode(item)[1:] for item in items]
    raise AmqpEncodeError(f"An AMQP array of {kind.__name__} is not supported")


_APPENDERS: tuple[tuple[type, Callable[[bytearray, object], None]], ...] = (
    (Char, _append_char),
    (DecimalBits, _append_decimal),
    (str, _append_variable),
    (bytes, _append_variable),
    (UUID, _append_uuid),
    (Described, _append_described),
    (list, _append_list),
    (dict, _append_map),
    (Array, _append_array),
)
