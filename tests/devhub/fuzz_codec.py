"""What must hold of the AMQP codec: for any bytes, for any value, and however a stream is cut.

Any bytes are a value, a message, frames or a whole conversation, by their first byte, so that a fuzzer guided by
coverage can reach each of these.
"""

import struct
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, ClassVar, Final

from hypothesis import strategies as st

from acrwatch.devhub.decoder import decode, skip
from acrwatch.devhub.encoder import encode
from acrwatch.devhub.frames import AMQP_HEADER, Frame, FrameReader, frame_bytes
from acrwatch.devhub.message import BATCH_FORMAT, header_size, parse_request, unpack
from acrwatch.devhub.performatives import decode_performative
from acrwatch.devhub.refusal import RefusedError
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
from tests.devhub.fuzzing import Fuzzer

# Kinds of number by width in bits; signed where the second says so.
_INTEGERS: Final[tuple[tuple[type[int], int, bool], ...]] = (
    *((UByte, 8, False), (UShort, 16, False), (UInt, 32, False), (ULong, 64, False), (Byte, 8, True)),
    *((Short, 16, True), (Int, 32, True), (int, 64, True), (Timestamp, 64, True)),
)
_CONSTRUCTORS: Final = st.sampled_from(
    bytes.fromhex("00404142434445505152535455566061707172737480818283849498a0a1a3b0b1b3c0c1d0d1e0f0")
).map(lambda code: bytes((code,)))
_VALUE, _MESSAGE, _FRAMES, _STREAM = range(4)
_KINDS: Final = {_VALUE: "values", _MESSAGE: "messages", _FRAMES: "frames", _STREAM: "conversations"}


class AmqpFuzz:
    """Judges bytes and values. `outcomes` counts them by kind. Raises AssertionError, or what the codec raised."""

    NAME: ClassVar = "amqp"
    INSTRUMENTED: ClassVar = ("acrwatch.devhub",)

    def __init__(self, seed: int = 0) -> None:
        self.outcomes: Counter[str] = Counter()
        self._fuzzer = Fuzzer(seed)
        self._cuts = Random(seed)

    def close(self) -> None:
        """Free the event loop."""
        self._fuzzer.close()

    def make(self, chance: Random) -> bytes:
        """Return bytes of one of the kinds, taken from real ones and mostly changed."""
        kind = chance.choices((_VALUE, _MESSAGE, _FRAMES, _STREAM), (5, 4, 2, 1))[0]
        if kind == _VALUE and chance.random() < 0.5:
            raw = encode(value(chance))
        elif kind in (_VALUE, _MESSAGE):
            raw = self._fuzzer.payload()
        else:  # frames and bytes of which are changed already
            stream = self._fuzzer.stream()
            return bytes((kind,)) + (stream if kind == _STREAM else stream.removeprefix(AMQP_HEADER))
        return bytes((kind,)) + (self._fuzzer.changed(raw) if chance.random() < 0.8 else raw)

    def change(self, data: bytes, chance: Random) -> bytes:
        """Return bytes like these, of the same kind."""
        return data[:1] + self._fuzzer.changed(data[1:]) if chance.random() < 0.8 and data else self.make(chance)

    def strategy(self) -> st.SearchStrategy[bytes]:
        """Return hypothesis' way to make bytes of any kind."""
        parts = (
            st.binary(max_size=4) | _CONSTRUCTORS | st.randoms(use_true_random=False).map(lambda r: encode(value(r)))
        )
        raw = st.binary(max_size=200) | st.lists(parts, max_size=30).map(b"".join)
        bodies = st.tuples(st.integers(0, 3), raw).map(lambda pair: bytes((pair[0],)) + pair[1])
        return bodies | st.randoms(use_true_random=False).map(self.make)

    def step(self, chance: Random) -> None:
        """Judge one input: a value there and back, or bytes."""
        if chance.random() < 0.3:
            self.judge_value(value(chance))
        else:
            self.judge(self.make(chance))

    def judge(self, data: bytes) -> None:
        """Judge bytes by the kind that their first one says."""
        kind, raw = data[0] % 4 if data else _VALUE, data[1:]
        judges: dict[int, Callable[[bytes], bool]] = {
            _VALUE: self._judge_bytes,
            _MESSAGE: self._judge_message,
            _FRAMES: self._judge_frames,
            _STREAM: self._judge_stream,
        }
        taken = judges[kind](raw)
        self.outcomes[f"{_KINDS[kind]} {'taken' if taken else 'refused'}"] += 1

    def settle(self) -> None:
        """Nothing waits: each input is judged at once."""

    def judge_value(self, one: object) -> None:
        """Encode and decode a value: it must come back as it was, and be skipped in one step."""
        wire = encode(one)
        decoded, end = decode(wire)
        assert end == len(wire)
        assert same(decoded, one), (decoded, one)
        assert wire[0] == 0 or skip(wire, 0) == len(wire)
        self.outcomes["values there and back"] += 1

    def _judge_bytes(self, raw: bytes) -> bool:
        """Decode; what can be read must mean the same when it is written and read again."""
        try:
            found, end = decode(raw)
        except AmqpDecodeError:
            return False
        assert 0 < end <= len(raw)
        try:
            wire = encode(found)
        except AmqpEncodeError:  # arrays of described or compound values are read, and never written
            return True
        assert same(decode(wire)[0], found), found
        return True

    def _judge_message(self, raw: bytes) -> bool:
        results = [
            _refused(lambda: parse_request(raw)),
            _refused(lambda: unpack(raw, 0)),
            _refused(lambda: unpack(raw, BATCH_FORMAT)),
            _refused(lambda: decode_performative(raw)),
            _refused(lambda: decode_performative(raw, sasl=True)),
            not raw or _refused(lambda: header_size(raw)),
        ]
        return not all(results)

    def _judge_frames(self, raw: bytes) -> bool:
        whole, split = frames([raw]), frames(cut(raw, self._cuts))
        assert whole == split
        for frame in whole[0]:
            assert frames([frame_bytes(frame.channel, frame.body, frame.kind)])[0] == [frame]
        return whole[1]

    def _judge_stream(self, raw: bytes) -> bool:
        return not self._fuzzer.judge_split(raw).closed


def frames(pieces: Sequence[bytes]) -> tuple[list[Frame], bool]:
    """Return the frames of a stream that comes in pieces, and whether it was taken to its end."""
    reader, found = FrameReader(), list[Frame]()
    for piece in pieces:
        reader.feed(piece)
        try:
            while (frame := reader.frame()) is not None:
                found.append(frame)
        except RefusedError:
            return found, False
    return found, True


def cut(raw: bytes, chance: Random) -> list[bytes]:
    """Cut bytes at up to eight places."""
    cuts = sorted(chance.randrange(len(raw) + 1) for _ in range(chance.randrange(9)))
    return [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]


def value(chance: Random, depth: int = 3) -> Any:
    """Return a value of any AMQP type, nested up to so deep."""
    kind = chance.randrange(10 if depth else 7)
    if kind < 5:
        return scalar(chance, chance.randrange(_SCALARS))
    if kind == 5:
        return None
    if kind == 6:
        one = chance.randrange(_IN_ARRAYS)
        return Array(tuple(scalar(chance, one) for _ in range(chance.randrange(6))))
    items = [value(chance, depth - 1) for _ in range(chance.choice((0, 1, 2, 3, 90)) if depth < 3 else 3)]
    if kind == 7:
        return items
    if kind == 8:
        return {_text(chance) + str(number): item for number, item in enumerate(items)}
    return Described(chance.choice((ULong(chance.randrange(256)), Symbol("d"))), value(chance, depth - 1))


_IN_ARRAYS: Final = 16
_SCALARS: Final = 18


def scalar(chance: Random, kind: int) -> object:
    """Return a value of one of the types that need no others; those below 16 may stand in arrays."""
    if kind < len(_INTEGERS):
        return _integer(chance, *_INTEGERS[kind])
    match kind:
        case 9:
            return chance.random() < 0.5
        case 10:
            return Float(struct.unpack(">f", chance.randbytes(4))[0])
        case 11:
            return struct.unpack(">d", chance.randbytes(8))[0]
        case 12:
            return Symbol("s" * chance.choice((0, 1, 255, 256)))
        case 13:
            return _text(chance)
        case 14:
            return chance.randbytes(chance.choice((0, 1, 255, 256)))
        case 15:
            return uuid.UUID(bytes=chance.randbytes(16))
        case 16:
            return Char(chance.choice("a\0é\U0001f600\uffff"))
        case _:
            return DecimalBits(chance.randbytes(chance.choice((4, 8, 16))))


def same(left: object, right: object) -> bool:
    """Equal in value and in type, all the way down; every NaN is the same."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return same(list(left), list(right)) and same(list(left.values()), list(right.values()))
    if isinstance(left, Array) and isinstance(right, Array):
        return same(left.items, right.items)
    if isinstance(left, Described) and isinstance(right, Described):
        return same(left.descriptor, right.descriptor) and same(left.value, right.value)
    return left == right or (left != left and right != right)


def _integer(chance: Random, kind: type[int], bits: int, signed: bool) -> int:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    edges = (low, high, 0, max(low, -129), max(low, -128), 127, min(high, 255), min(high, 256))
    return kind(chance.choice(edges) if chance.random() < 0.5 else chance.randint(low, high))


def _text(chance: Random) -> str:
    return chance.choice(("", "a", "é", "\U0001f600", "\0")) * chance.choice((1, 1, 2, 63, 64, 255, 256))


def _refused(read: Callable[[], object]) -> bool:
    try:
        read()
    except AmqpDecodeError:
        return True
    return False
