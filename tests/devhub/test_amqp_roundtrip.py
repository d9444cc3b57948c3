"""Properties of the codec over generated values and generated garbage."""

import contextlib
import math
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from acrwatch.devhub.decoder import decode, skip
from acrwatch.devhub.encoder import encode
from acrwatch.devhub.message import BATCH_FORMAT, parse_request, unpack
from acrwatch.devhub.performatives import Open, decode_performative
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


def _integers(kind: type, bits: int, *, signed: bool) -> st.SearchStrategy[Any]:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    edges = st.sampled_from([low, high, 0, max(low, -129), max(low, -128), 127, min(high, 255), min(high, 256)])
    return (st.integers(low, high) | edges).map(kind)


ARRAY_ITEMS: list[st.SearchStrategy[Any]] = [
    st.booleans(),
    _integers(UByte, 8, signed=False),
    _integers(UShort, 16, signed=False),
    _integers(UInt, 32, signed=False),
    _integers(ULong, 64, signed=False),
    _integers(Byte, 8, signed=True),
    _integers(Short, 16, signed=True),
    _integers(Int, 32, signed=True),
    _integers(int, 64, signed=True),
    _integers(Timestamp, 64, signed=True),
    st.floats(allow_nan=False, width=32).map(Float),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="ascii"), max_size=300).map(Symbol),
    st.text(max_size=300),
    st.binary(max_size=300),
    st.uuids(),
]
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    *ARRAY_ITEMS,
    st.characters(codec="utf-8").map(Char),
    st.sampled_from([4, 8, 16]).flatmap(lambda size: st.binary(min_size=size, max_size=size)).map(DecimalBits),
)
ARRAYS = st.one_of(*(st.lists(items, max_size=6).map(tuple).map(Array) for items in ARRAY_ITEMS))
KEYS = st.text(max_size=8) | st.uuids() | st.binary(max_size=8)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: (
        st.lists(inner, max_size=8)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.builds(Described, st.integers(0, 2**64 - 1).map(ULong) | st.just(Symbol("d")), inner)
    ),
    max_leaves=20,
)


def _same(left: object, right: object) -> bool:
    """Equal in value and in type, all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return _same(list(left), list(right)) and _same(list(left.values()), list(right.values()))
    if isinstance(left, Array) and isinstance(right, Array):
        return _same(left.items, right.items)
    if isinstance(left, Described) and isinstance(right, Described):
        return _same(left.descriptor, right.descriptor) and _same(left.value, right.value)
    return left == right


@given(VALUES)
@example(Array((math.inf, -math.inf)))
def test_every_value_comes_back_as_it_was(value: object) -> None:
    wire = encode(value)
    decoded, end = decode(wire)
    assert end == len(wire)
    assert _same(decoded, value)


@given(VALUES, st.binary(max_size=5), st.binary(max_size=5))
def test_a_value_is_found_at_any_position_and_nothing_behind_it_is_touched(
    value: object, before: bytes, after: bytes
) -> None:
    wire = encode(value)
    assert decode(memoryview(before + wire + after), len(before))[1] == len(before) + len(wire)
    if wire[0] != 0:
        assert skip(before + wire + after, len(before)) == len(before) + len(wire)


@given(VALUES, st.data())
def test_a_truncated_value_is_never_taken_for_a_whole_one(value: object, data: st.DataObject) -> None:
    wire = encode(value)
    cut = wire[: data.draw(st.integers(0, len(wire) - 1))]
    try:
        decode(cut)
    except AmqpDecodeError:
        return
    raise AssertionError(f"{cut.hex()} was read as a value")


def _survives(wire: bytes) -> None:
    """Run every reader of foreign bytes; anything but AmqpDecodeError fails the test."""
    for read in (
        decode,
        decode_performative,
        lambda raw: decode_performative(raw, sasl=True),
        lambda raw: unpack(raw, 0),
        lambda raw: unpack(raw, BATCH_FORMAT),
        parse_request,
    ):
        with contextlib.suppress(AmqpDecodeError):
            read(wire)


CONSTRUCTORS = st.sampled_from(
    bytes.fromhex("00404142434445505152535455566061707172737480818283849498a0a1a3b0b1b3c0c1d0d1e0f0")
).map(lambda code: bytes((code,)))


@given(st.binary(max_size=200) | st.lists(CONSTRUCTORS | st.binary(max_size=3), max_size=40).map(b"".join))
def test_garbage_raises_nothing_but_the_decode_error(wire: bytes) -> None:
    _survives(wire)


@given(st.sampled_from([*range(0x10, 0x19), 0x40, 0x41, 0x44, *range(0x70, 0x79)]), st.lists(SCALARS, max_size=15))
def test_frames_and_sections_with_wrong_fields_raise_nothing_but_the_decode_error(code: int, fields: list[Any]) -> None:
    _survives(encode(Described(ULong(code), fields)))


@given(st.integers(0, 200), st.integers(0, 255))
def test_a_flipped_byte_raises_nothing_but_the_decode_error(position: int, value: int) -> None:
    wire = bytearray(Open(container_id="c", hostname="localhost", properties={Symbol("a"): [1, "b"]}).encode())
    wire[position % len(wire)] = value
    _survives(bytes(wire))
