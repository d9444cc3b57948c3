"""AMQP 1.0 bytes to values. Whatever the input, the only exception is `AmqpDecodeError`.

Source: OASIS AMQP 1.0 part 1, sections 1.2 and 1.6. Bounds: a value may nest `MAX_DEPTH` deep and hold `MAX_ITEMS`
items in all, because an array of nulls needs no bytes for its items and could otherwise claim 2**32 of them.
"""

import struct
from collections.abc import Callable
from uuid import UUID

from acrwatch.devhub.wire_types import (
    AmqpDecodeError,
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

MAX_DEPTH = 32
MAX_ITEMS = 65_536

Buffer = bytes | bytearray | memoryview

_U32 = struct.Struct(">I")
_CONSTANTS: dict[int, object] = {0x40: None, 0x41: True, 0x42: False, 0x43: UInt(0), 0x44: ULong(0)}
_NUMBERS: dict[int, tuple[struct.Struct, Callable[..., object]]] = {
    0x50: (struct.Struct(">B"), UByte),
    0x51: (struct.Struct(">b"), Byte),
    0x52: (struct.Struct(">B"), UInt),
    0x53: (struct.Struct(">B"), ULong),
    0x54: (struct.Struct(">b"), Int),
    0x55: (struct.Struct(">b"), int),
    0x60: (struct.Struct(">H"), UShort),
    0x61: (struct.Struct(">h"), Short),
    0x70: (struct.Struct(">I"), UInt),
    0x71: (struct.Struct(">i"), Int),
    0x72: (struct.Struct(">f"), Float),
    0x80: (struct.Struct(">Q"), ULong),
    0x81: (struct.Struct(">q"), int),
    0x82: (struct.Struct(">d"), float),
    0x83: (struct.Struct(">q"), Timestamp),
}
# The high half of a constructor gives the width of what follows, or the width of its length prefix.
_WIDTHS = {0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16}
_PREFIXES = {0xA: 1, 0xB: 4, 0xC: 1, 0xD: 4, 0xE: 1, 0xF: 4}


def decode(buffer: Buffer, position: int = 0) -> tuple[object, int]:
    """Decode the value that starts at `position`; return it and the position behind it.

    Raises:
        AmqpDecodeError: truncated, malformed, unknown constructor, too deep or too many items.
    """
    return _Decoder(buffer).value(position, len(buffer), MAX_DEPTH)


def skip(buffer: Buffer, position: int) -> int:
    """Return the position behind the (not described) value at `position` without looking into it.

    Raises:
        AmqpDecodeError: the value does not end inside the buffer, or its constructor has no known width.
    """
    _need(position, 1, len(buffer))
    return _extent(buffer, buffer[position], position + 1, len(buffer))[1]


def _need(position: int, size: int, end: int) -> None:
    if end - position < size:
        raise AmqpDecodeError(
            f"AMQP value truncated: {size} bytes needed at position {position}, {end - position} left"
        )


def _extent(buffer: Buffer, code: int, position: int, end: int) -> tuple[int, int]:
    """Return where the content of a value begins and ends; `position` is the first byte behind its constructor."""
    kind = code >> 4
    if kind in _WIDTHS:
        start, size = position, _WIDTHS[kind]
    elif kind in _PREFIXES:
        start = position + _PREFIXES[kind]
        _need(position, _PREFIXES[kind], end)
        size = buffer[position] if _PREFIXES[kind] == 1 else _U32.unpack_from(buffer, position)[0]
    else:
        raise AmqpDecodeError(f"Unknown AMQP constructor 0x{code:02x} at position {position - 1}")
    _need(start, size, end)
    return start, start + size


class _Decoder:
    """One decoding run: the buffer and how many items it may still produce."""

    __slots__ = ("_buffer", "_items_left")

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer
        self._items_left = MAX_ITEMS

    def value(self, position: int, end: int, depth: int) -> tuple[object, int]:
        _need(position, 1, end)
        code = self._buffer[position]
        if code == 0x00:
            return self._described(position + 1, end, depth)
        return self._content(code, position + 1, end, depth)

    def _described(self, position: int, end: int, depth: int) -> tuple[object, int]:
        self._enter(depth)
        descriptor, position = self.value(position, end, depth - 1)
        value, position = self.value(position, end, depth - 1)
        return Described(descriptor, value), position

    def _content(self, code: int, position: int, end: int, depth: int) -> tuple[object, int]:
        if code in _CONSTANTS:
            return _CONSTANTS[code], position
        start, stop = _extent(self._buffer, code, position, end)
        if code in _NUMBERS:
            layout, kind = _NUMBERS[code]
            return kind(layout.unpack_from(self._buffer, start)[0]), stop
        if code in (0xC0, 0xD0):
            return self._items(code, start, stop, depth), stop
        if code in (0xC1, 0xD1):
            return _mapping(self._items(code, start, stop, depth)), stop
        if code in (0xE0, 0xF0):
            return self._array(code, start, stop, depth), stop
        return _scalar(code, bytes(self._buffer[start:stop])), stop

    def _items(self, code: int, start: int, stop: int, depth: int) -> list[object]:
        count, position = self._count(code, start, stop)
        self._enter(depth)
        items: list[object] = []
        for _ in range(count):
            item, position = self.value(position, stop, depth - 1)
            items.append(item)
        _must_end(position, stop)
        return items

    def _array(self, code: int, start: int, stop: int, depth: int) -> Array:
        count, position = self._count(code, start, stop)
        self._enter(depth)
        if count == 0:  # Azure's client leaves the constructor of an empty array out
            return Array(())
        _need(position, 1, stop)
        constructor, position = self._buffer[position], position + 1
        descriptors: list[object] = []
        while constructor == 0x00:
            self._enter(depth - len(descriptors))
            descriptor, position = self.value(position, stop, depth - 1)
            descriptors.append(descriptor)
            _need(position, 1, stop)
            constructor, position = self._buffer[position], position + 1
        items: list[object] = []
        for _ in range(count):
            item, position = self._content(constructor, position, stop, depth - 1)
            for descriptor in reversed(descriptors):
                item = Described(descriptor, item)
            items.append(item)
        _must_end(position, stop)
        return Array(tuple(items))

    def _count(self, code: int, start: int, stop: int) -> tuple[int, int]:
        width = _PREFIXES[code >> 4]
        _need(start, width, stop)
        count = int(self._buffer[start] if width == 1 else _U32.unpack_from(self._buffer, start)[0])
        self._items_left -= count
        if self._items_left < 0:
            raise AmqpDecodeError(f"AMQP value holds more than {MAX_ITEMS} items")
        return count, start + width

    def _enter(self, depth: int) -> None:
        if depth <= 0:
            raise AmqpDecodeError(f"AMQP value nests deeper than {MAX_DEPTH}")


def _must_end(position: int, stop: int) -> None:
    if position != stop:
        raise AmqpDecodeError(f"AMQP compound value says it ends at position {stop}, its items end at {position}")


def _mapping(items: list[object]) -> dict[object, object]:
    if len(items) % 2:
        raise AmqpDecodeError(f"AMQP map with {len(items)} items, an odd number")
    try:
        mapping = dict(zip(items[::2], items[1::2], strict=True))
    except TypeError as error:
        raise AmqpDecodeError("AMQP map with a list or map as key") from error
    if len(mapping) * 2 != len(items):
        raise AmqpDecodeError("AMQP map with the same key twice")
    return mapping


def _scalar(code: int, raw: bytes) -> object:
    try:
        return _SCALARS[code](raw)
    except KeyError:
        raise AmqpDecodeError(f"Unknown AMQP constructor 0x{code:02x}") from None
    except ValueError as error:  # UnicodeDecodeError is one
        raise AmqpDecodeError(f"AMQP value with constructor 0x{code:02x} has impossible content") from error


def _boolean(raw: bytes) -> bool:
    if raw[0] > 1:
        raise ValueError(raw)
    return raw[0] == 1


def _char(raw: bytes) -> Char:
    return Char(raw.decode("utf-32-be"))


def _string(raw: bytes) -> str:
    return raw.decode("utf-8")


def _symbol(raw: bytes) -> Symbol:
    return Symbol(raw.decode("ascii"))


def _empty_list(_: bytes) -> list[object]:
    return []


_SCALARS: dict[int, Callable[[bytes], object]] = {
    0x45: _empty_list,
    0x56: _boolean,
    0x73: _char,
    0x74: DecimalBits,
    0x84: DecimalBits,
    0x94: DecimalBits,
    0x98: lambda raw: UUID(bytes=raw),
    0xA0: bytes,
    0xB0: bytes,
    0xA1: _string,
    0xB1: _string,
    0xA3: _symbol,
    0xB3: _symbol,
}
