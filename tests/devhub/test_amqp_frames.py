"""Framing and performatives."""

import pytest

from acrwatch.devhub.decoder import decode
from acrwatch.devhub.frames import (
    AMQP_HEADER,
    EMPTY_FRAME,
    MAX_FRAME_SIZE,
    FrameReader,
    frame_bytes,
    transfer_frames,
)
from acrwatch.devhub.performatives import (
    Attach,
    Begin,
    Close,
    Disposition,
    End,
    Flow,
    Open,
    Transfer,
    decode_performative,
)
from acrwatch.devhub.refusal import FRAMING_ERROR, RefusedError
from acrwatch.devhub.wire_types import AmqpDecodeError, Described, ULong


@pytest.mark.parametrize(
    ("performative", "count"),
    [
        (Open(container_id="c"), 10),
        (Begin(), 8),
        (Attach(name="n", handle=0, role=True), 14),
        (Flow(), 11),
        (Transfer(handle=0), 11),
        (Disposition(role=True, first=0), 6),
        (End(), 1),
        (Close(), 1),
    ],
)
def test_every_field_is_written_and_read_back(
    performative: Open | Begin | Attach | Flow | Transfer | Disposition | End | Close, count: int
) -> None:
    wire = performative.encode()
    described, _ = decode(wire)
    assert wire[:3] == bytes((0, 0x53, performative.CODE))
    assert isinstance(described, Described)
    assert isinstance(described.value, list)
    assert len(described.value) == count
    assert decode_performative(wire) == (performative, len(wire))


def test_a_peer_may_leave_trailing_fields_out() -> None:
    assert decode_performative(b"\x00\x53\x18\x45") == (Close(), 4)


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (b"\x00\x53\x12\x45", "mandatory"),
        (b"\x00\x53\x17\xc0\x03\x02\x40\x40", "1 fields"),
        (b"\x00\x53\x10\xc0\x03\x01\x52\x01", "must be string"),
        (b"\x00\x53\x19\x45", "Unknown AMQP performative"),
        (b"\xa1\x01a", "described list"),
    ],
)
def test_a_performative_with_wrong_fields_is_refused(wire: bytes, reason: str) -> None:
    with pytest.raises(AmqpDecodeError, match=reason):
        decode_performative(wire)


def test_frames_are_found_however_the_bytes_arrive() -> None:
    stream = AMQP_HEADER + frame_bytes(1, b"one") + EMPTY_FRAME + frame_bytes(2, b"two")
    reader = FrameReader()
    bodies = []
    header = None
    for byte in stream:
        reader.feed(bytes((byte,)))
        if header is None:
            header = reader.protocol_header()
        elif (frame := reader.frame()) is not None:
            bodies.append((frame.channel, frame.body))
    assert header == AMQP_HEADER
    assert bodies == [(1, b"one"), (0, b""), (2, b"two")]


def test_a_longer_data_offset_is_honoured() -> None:
    reader = FrameReader()
    reader.feed(b"\x00\x00\x00\x0e\x03\x00\x00\x05skipme"[:8] + b"skip" + b"ok")
    frame = reader.frame()
    assert frame is not None
    assert frame.body == b"ok"


@pytest.mark.parametrize("head", ["00000007020000", "00010001020000", "0000000801000000", "00000008ff000000"])
def test_impossible_frame_sizes_are_refused(head: str) -> None:
    reader = FrameReader()
    reader.feed(bytes.fromhex(head.ljust(16, "0")))
    with pytest.raises(RefusedError) as caught:
        reader.frame()
    assert caught.value.condition == FRAMING_ERROR


@pytest.mark.parametrize("size", [0, 1, MAX_FRAME_SIZE - 100, MAX_FRAME_SIZE, 180_000])
def test_a_delivery_is_cut_into_frames_that_add_up(size: int) -> None:
    payload = bytes(range(256)) * (size // 256) + bytes(size % 256)
    frames = [head + bytes(part) for head, part in transfer_frames(3, 7, 300, payload, MAX_FRAME_SIZE)]
    reader = FrameReader()
    collected, more = b"", []
    for wire in frames:
        assert len(wire) <= MAX_FRAME_SIZE
        reader.feed(wire)
        frame = reader.frame()
        assert frame is not None
        transfer, start = decode_performative(frame.body)
        assert isinstance(transfer, Transfer)
        assert (frame.channel, transfer.handle, transfer.delivery_id, transfer.settled) == (3, 7, 300, True)
        collected += frame.body[start:]
        more.append(transfer.more)
    assert collected == payload
    assert more == [True] * (len(frames) - 1) + [False]


def test_the_fast_transfer_head_equals_the_general_encoding() -> None:
    [(head, _)] = transfer_frames(1, 70_000, 80_000, b"", MAX_FRAME_SIZE)
    general = Transfer(
        handle=70_000, delivery_id=80_000, delivery_tag=(80_000).to_bytes(4, "big"), message_format=0, settled=True
    )
    assert decode_performative(head[8:])[0] == general
    assert decode(head[8:])[0] == Described(ULong(0x14), decode(general.encode())[0].value)  # type: ignore[attr-defined]
