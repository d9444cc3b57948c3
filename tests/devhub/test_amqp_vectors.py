"""Byte-exact encodings out of the AMQP 1.0 specification, part 1 sections 1.2, 1.4 and 1.6."""

import struct
from uuid import UUID

import pytest

from acrwatch.devhub.decoder import decode, skip
from acrwatch.devhub.encoder import encode
from acrwatch.devhub.wire_types import (
    AmqpDecodeError,
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

# The smallest encoding of each value, which is the one that the encoder must choose.
SMALLEST = [
    (None, "40"),
    (True, "41"),
    (False, "42"),
    (UByte(255), "50ff"),
    (UShort(65535), "60ffff"),
    (UInt(0), "43"),
    (UInt(255), "52ff"),
    (UInt(256), "7000000100"),
    (ULong(0), "44"),
    (ULong(255), "53ff"),
    (ULong(2**64 - 1), "80ffffffffffffffff"),
    (Byte(-128), "5180"),
    (Short(-2), "61fffe"),
    (Int(-128), "5480"),
    (Int(128), "7100000080"),
    (127, "557f"),
    (-129, "81ffffffffffffff7f"),
    (Timestamp(-1), "83ffffffffffffffff"),
    (Float(1.0), "723f800000"),
    (1.0, "823ff0000000000000"),
    (Char("€"), "73000020ac"),
    (DecimalBits(b"\x22\x50\x00\x01"), "7422500001"),
    (UUID("f275ea5e-0c57-4ad7-b11a-b20c563d3b71"), "98f275ea5e0c574ad7b11ab20c563d3b71"),
    (b"\x01\x02", "a0020102"),
    ("é", "a102c3a9"),
    (Symbol("abc"), "a303616263"),
    ([], "45"),
    ([True, UInt(1)], "c004024152" + "01"),
    ({}, "c10100"),
    ({"a": None}, "c10502a1016140"),
    (Array((Symbol("a"), Symbol("b"))), "e00c02b3" + "0000000161" + "0000000162"),
    (Array((UByte(1), UByte(2))), "e00402500102"),
]

# Other encodings that a peer may choose for the same values.
ALTERNATIVES = [
    (True, "5601"),
    (False, "5600"),
    (UInt(1), "7000000001"),
    (ULong(1), "800000000000000001"),
    (Int(1), "7100000001"),
    (1, "810000000000000001"),
    (b"\x01", "b00000000101"),
    ("a", "b10000000161"),
    (Symbol("a"), "b30000000161"),
    ([None], "c0020140"),
    ([None], "d0000000050000000140"),
    ({"a": None}, "d10000000800000002a1016140"),
    (Array((UByte(1),)), "f0000000060000000150" + "01"),
    (Array(()), "e0020040"),
    (Array(()), "e00100"),  # the Azure client leaves the constructor out
    (Array((None, None)), "e0020240"),
    (Array(((), ())), "e0020245"),
]

BOOK = Described(
    Symbol("example:book:list"), ["AMQP for & by Dummies", Array(("Rob J. Godfrey", "Rafael H. Schloming")), None]
)
BOOK_BYTES = (
    b"\x00\xa3\x11example:book:list\xc0\x40\x03\xa1\x15AMQP for & by Dummies"
    b"\xe0\x25\x02\xa1\x0eRob J. Godfrey\x13Rafael H. Schloming\x40"
)


@pytest.mark.parametrize(("value", "wire"), SMALLEST, ids=[f"{type(v).__name__}-{w}"[:40] for v, w in SMALLEST])
def test_a_value_is_written_in_its_smallest_form_and_read_back(value: object, wire: str) -> None:
    assert encode(value).hex() == wire
    decoded, end = decode(bytes.fromhex(wire))
    assert (decoded, type(decoded), end) == (value, type(value), len(wire) // 2)


@pytest.mark.parametrize(("value", "wire"), ALTERNATIVES, ids=[w[:40] for _, w in ALTERNATIVES])
def test_every_other_form_is_read_too(value: object, wire: str) -> None:
    decoded, _ = decode(bytes.fromhex(wire))
    expected = Array(([], [])) if value == Array(((), ())) else value
    assert (decoded, type(decoded)) == (expected, type(expected))


def test_the_specifications_string_example_is_read() -> None:
    wire = b"\xa1\x1eHello Glorious Messaging World"
    assert decode(wire) == ("Hello Glorious Messaging World", len(wire))


def test_the_specifications_described_example_goes_both_ways() -> None:
    url = Described("URL", "http://example.org/hello-world")
    assert encode(url) == b"\x00\xa1\x03URL\xa1\x1ehttp://example.org/hello-world"
    assert decode(encode(url))[0] == url


def test_the_specifications_composite_example_is_read() -> None:
    assert decode(BOOK_BYTES) == (BOOK, len(BOOK_BYTES))


def test_an_array_of_described_values_is_read() -> None:
    wire = b"\xe0\x0a\x02\x00\xa1\x03URL\x50\x01\x02"
    assert decode(wire)[0] == Array((Described("URL", UByte(1)), Described("URL", UByte(2))))


def test_a_descriptor_below_256_takes_one_byte_because_the_client_skips_it_blindly() -> None:
    assert encode(Described(ULong(0x14), [None]))[:3] == b"\x00\x53\x14"


@pytest.mark.parametrize("size", [254, 255, 256, 70_000])
def test_lists_and_binaries_change_to_32_bit_sizes_where_they_must(size: int) -> None:
    for value in (b"x" * size, [None] * min(size, 60_000), Array((b"y" * size,))):
        wire = encode(value)
        assert decode(wire) == (value, len(wire))
        assert skip(wire, 0) == len(wire)


@pytest.mark.parametrize(
    "value",
    [UByte(256), UInt(-1), Int(2**31), 2**63, Symbol("é"), "\ud800", Char("ab"), DecimalBits(b"123"), object()],
)
def test_a_value_without_an_encoding_is_refused(value: object) -> None:
    with pytest.raises(AmqpEncodeError):
        encode(value)


def test_an_array_of_mixed_types_is_refused() -> None:
    with pytest.raises(AmqpEncodeError, match="one type"):
        encode(Array((UByte(1), UInt(1))))


BAD = {
    "nothing at all": b"",
    "unknown constructor": b"\x3f",
    "unassigned constructor of a known width": b"\x5f\x00",
    "truncated number": b"\x70\x00\x00",
    "truncated string": b"\xa1\x05abc",
    "string that is not UTF-8": b"\xa1\x01\xff",
    "symbol that is not ASCII": b"\xa3\x01\xff",
    "boolean of 2": b"\x56\x02",
    "surrogate as char": b"\x73\x00\x00\xd8\x00",
    "list whose size leaves no room for its count": b"\xc0\x00",
    "list with more items than bytes": b"\xc0\x01\x05",
    "list with fewer items than bytes": b"\xc0\x03\x01\x40\x40",
    "list that runs over the end": b"\xc0\xff\x01\x40",
    "item that runs over the end of its list": b"\xc0\x03\x01\xa1\x05abcde",
    "map with an odd number of items": b"\xc1\x04\x03\x40\x41\x42",
    "map with a list as key": b"\xc1\x03\x02\x45\x40",
    "map with one key twice": b"\xc1\x05\x04\x41\x40\x41\x40",
    "array of four billion nulls": b"\xf0\x00\x00\x00\x05\xff\xff\xff\xff\x40",
    "arrays of nulls that multiply": encode([0])[:0]
    + b"\xd0"
    + struct.pack(">II", 4 + 5000 * 4, 5000)
    + b"\xe0\x02\xff\x40" * 5000,
    "lists nested too deep": b"\xc0\xff\x01" * 40,
    "descriptors nested too deep": b"\x00" * 10_000,
    "array descriptors nested too deep": b"\xf0\x00\x00\x27\x10\x00\x00\x00\x01" + b"\x00" * 10_000,
}


@pytest.mark.parametrize("wire", BAD.values(), ids=BAD.keys())
def test_bad_input_raises_the_one_clear_error(wire: bytes) -> None:
    with pytest.raises(AmqpDecodeError):
        decode(wire)


def test_a_truncated_value_cannot_be_skipped() -> None:
    with pytest.raises(AmqpDecodeError):
        skip(b"\xb0\x00\x00\x01\x00abc", 0)
