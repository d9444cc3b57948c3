"""Seeded random inputs for the AMQP decoder and for whole connections, and what must hold whatever they are.

Conversations are real ones, so that random bytes get past the first frame; then bytes or whole frames are changed.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from acrwatch.devhub.auth import SasVerifier
from acrwatch.devhub.broker import Broker
from acrwatch.devhub.connection import Connection
from acrwatch.devhub.decoder import decode
from acrwatch.devhub.encoder import encode
from acrwatch.devhub.entra import OWNER, TokenIssuer
from acrwatch.devhub.frames import AMQP_HEADER, SASL_HEADER, frame_bytes
from acrwatch.devhub.log import Retention
from acrwatch.devhub.message import APPLICATION_PROPERTIES, BATCH_FORMAT, DATA, VALUE, parse_request, section, unpack
from acrwatch.devhub.performatives import (
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Flow,
    Open,
    Performative,
    SaslInit,
    Transfer,
)
from acrwatch.devhub.wire_types import AmqpDecodeError, Array, Described, Symbol, Timestamp, ULong

_HUB: Final = "acr-audit"
_ENDINGS: Final = 4  # how many frames of a conversation, the last ones, end it or break its order
_EDGES: Final = bytes((0x00, 0x40, 0x45, 0x53, 0x80, 0xA0, 0xB0, 0xC0, 0xC1, 0xD0, 0xD1, 0xE0, 0xF0, 0xFF))
_LIST_AS_KEY: Final = b"\xc1\x03\x02\x45\x40"  # a map that no dict can hold
_VALUES: Final[tuple[object, ...]] = (
    *(None, True, 0, -1, 2**63 - 1, 1.5, "é" * 300, b"\x00" * 300, Symbol("amqp:x"), Timestamp(0), ULong(7)),
    *([1, [2, [3, "x"]]], {"a": {"b": [None]}}, Array((Symbol("a"), Symbol("b"))), Described(ULong(0x28), ["hub"])),
)


class Sink(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False
        self.written = bytearray()

    def write(self, data: Any) -> None:
        assert not self.closed
        self.written += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is buffered."""

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


class _Standing:
    """A clock that stands still: the same conversation gets the same answer."""

    def now(self) -> datetime:
        return datetime(2026, 11, 22, tzinfo=UTC)


class Fuzzer:
    """One run: the same seed gives the same inputs. `refused` counts the inputs that were not taken as they are."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._issuer = TokenIssuer()
        self.broker = self._new_broker()
        token = self._issuer.issue([OWNER], _Standing().now(), lifetime=timedelta(days=1))
        self._frames = _conversation(token)
        self._payloads = [encode(value) for value in _VALUES] + [_batch(), _put_token(token), _LIST_AS_KEY]
        self.refused = 0

    def close(self) -> None:
        """Free the event loop."""
        self._loop.close()

    def judge_decoder(self) -> None:
        """Decode one changed value or message. Raises anything but AmqpDecodeError if the decoder does."""
        payload = self.changed(self.payload())
        reading: tuple[Callable[[bytes], object], ...] = (
            decode,
            parse_request,
            lambda raw: unpack(raw, 0),
            lambda raw: unpack(raw, BATCH_FORMAT),
        )
        try:
            self._random.choice(reading)(payload)
        except AmqpDecodeError:
            self.refused += 1

    def judge_connection(self) -> None:
        """Play one changed conversation. Raises whatever the connection raises, or if anything of it stays behind."""
        self.refused += self._play(self.broker, self._pieces(self.stream())).closed

    def judge_split(self, stream: bytes) -> Sink:
        """Play a stream in one piece and in several, to a new hub each: both must get the same answer; return it."""
        whole = self._play(self._new_broker(), [stream])
        split = self._play(self._new_broker(), self._pieces(stream))
        assert (whole.closed, bytes(whole.written)) == (split.closed, bytes(split.written))
        return whole

    def _new_broker(self) -> Broker:
        keys, retention = SasVerifier("Root", "key"), Retention(max_messages=20)
        return Broker({_HUB: 1}, ("$Default",), keys, self._issuer, _Standing(), retention)

    def _play(self, broker: Broker, pieces: Sequence[bytes]) -> Sink:
        sink = Sink()
        errors: list[dict[str, Any]] = []
        self._loop.set_exception_handler(lambda _loop, context: errors.append(context))
        connection = Connection(broker, self._loop, 240.0, _nothing, _nothing)
        connection.connection_made(sink)
        for part in pieces:
            if not sink.closed:
                connection.data_received(part)
        self._turn()
        connection.connection_lost(None)
        self._turn()
        assert not errors, errors
        assert not broker.receivers._receivers
        assert not broker.hub(_HUB).partition(0)._listeners
        return sink

    def _turn(self) -> None:
        """Let the loop do what is due."""
        self._loop.call_soon(self._loop.stop)
        self._loop.run_forever()

    def stream(self) -> bytes:
        """Return a conversation, some of it changed or out of order."""
        opening = [AMQP_HEADER, *self._frames[:4]]
        if self._random.random() < 0.2:
            opening[:0] = [SASL_HEADER, frame_bytes(0, SaslInit(mechanism="ANONYMOUS").encode(), kind=1)]
        rest = [frame for frame in self._frames[4:-_ENDINGS] if self._random.random() < 0.7]
        if self._random.random() < 0.3:
            rest = self._random.choices(self._frames, k=12)
        parts = opening + rest
        for _ in range(self._random.randrange(3)):
            index = self._random.randrange(len(parts))
            parts[index] = self._framed(parts[index]) if self._random.random() < 0.7 else self.changed(parts[index])
        return b"".join(parts)

    def _framed(self, frame: bytes) -> bytes:
        """Change what is in a frame and leave its length right, so that the change reaches the state machine."""
        return frame_bytes(self._random.choice((0, 0, 0, 1, 300)), self.changed(frame[8:]))

    def payload(self) -> bytes:
        """Return the bytes of a value or message."""
        return self._random.choice(self._payloads)

    def changed(self, raw: bytes) -> bytes:
        """Return bytes like these."""
        data = bytearray(raw)
        for _ in range(self._random.randrange(1, 5)):
            place = self._random.randrange(len(data) + 1)
            match self._random.randrange(5):
                case 0:
                    data[place : place + 1] = bytes((self._random.choice(_EDGES),))
                case 1:
                    data[place : place + 1] = bytes((self._random.randrange(256),))
                case 2:
                    del data[place : place + self._random.randrange(1, 9)]
                case 3:
                    data[place:place] = self._random.randbytes(self._random.randrange(1, 9))
                case _:
                    other = self._random.choice(self._payloads)
                    data[place:place] = other[: self._random.randrange(1, 40)]
        return bytes(data)

    def _pieces(self, data: bytes) -> list[bytes]:
        """Cut a stream as a network might."""
        cuts = sorted(self._random.randrange(len(data) + 1) for _ in range(self._random.randrange(4)))
        return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def _conversation(token: str) -> list[bytes]:
    """Frames that each make sense somewhere; the first four open a session and put a token."""
    reader = f"{_HUB}/ConsumerGroups/$Default/Partitions/0"
    links: Sequence[Performative] = (
        _attach(0, "$cbs", role=True),
        _attach(2, reader, role=True),
        _attach(3, _HUB, role=False),
        _attach(4, f"amqps://localhost/{_HUB}/Partitions/0", role=False),
        _attach(5, "$management", role=True),
        _attach(6, "$management", role=False),
    )
    others: Sequence[Performative] = (
        Flow(handle=2, delivery_count=0, link_credit=10, next_incoming_id=0, incoming_window=100, echo=True),
        Flow(handle=0, delivery_count=0, link_credit=10, incoming_window=0, drain=True),
        Flow(echo=True, incoming_window=1),
        Disposition(role=True, first=0, settled=True),
        *(Detach(handle=2, closed=True), Detach(handle=3), End(), Begin(), Close(), Open(container_id="again")),
    )
    puts = Transfer(handle=1, delivery_id=0, delivery_tag=b"1").encode() + _put_token(token)
    sends = Transfer(handle=3, delivery_id=1, delivery_tag=b"2", message_format=BATCH_FORMAT).encode() + _batch()
    begun = Transfer(handle=4, delivery_id=2, delivery_tag=b"3", more=True).encode() + section(DATA, b"x" * 50)
    opening = [Open(container_id="fuzz"), Begin(incoming_window=5, outgoing_window=5), _attach(1, "$cbs", role=False)]
    first = [frame_bytes(0, performative.encode()) for performative in opening]
    middle = [frame_bytes(0, performative.encode()) for performative in links]
    last = [frame_bytes(0, performative.encode()) for performative in others]
    return [*first, frame_bytes(0, puts), *middle, frame_bytes(0, sends), frame_bytes(0, begun), *last]


def _attach(handle: int, address: str, *, role: bool) -> Attach:
    node, own = Described(ULong(0x28 if role else 0x29), [address]), Described(ULong(0x29 if role else 0x28), ["me"])
    source, target = (node, own) if role else (own, node)
    return Attach(name=str(handle), handle=handle, role=role, source=source, target=target, initial_delivery_count=0)


def _put_token(token: str) -> bytes:
    properties = {"operation": "put-token", "type": "jwt", "name": f"sb://localhost/{_HUB}"}
    return section(APPLICATION_PROPERTIES, properties) + section(VALUE, token)


def _batch() -> bytes:
    return section(DATA, section(DATA, b"one")) + section(DATA, section(DATA, b"two"))


def _nothing(_connection: object) -> None:
    """Nobody keeps count of these connections."""


def run(seed: int, decoder_inputs: int, connection_inputs: int) -> tuple[int, int]:
    """Judge that many inputs of each kind; return how many of each were refused."""
    with contextlib.closing(Fuzzer(seed)) as fuzzer:
        for _ in range(decoder_inputs):
            fuzzer.judge_decoder()
        decoding, fuzzer.refused = fuzzer.refused, 0
        for _ in range(connection_inputs):
            fuzzer.judge_connection()
        return decoding, fuzzer.refused
