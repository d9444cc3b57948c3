"""AMQP 1.0 framing: cutting a byte stream into frames, and writing frames.

Source: OASIS AMQP 1.0 part 2, section 2.3.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from acrwatch.devhub.refusal import FRAMING_ERROR, RefusedError

AMQP_HEADER: Final = b"AMQP\x00\x01\x00\x00"
SASL_HEADER: Final = b"AMQP\x03\x01\x00\x00"
AMQP_FRAME: Final = 0x00
SASL_FRAME: Final = 0x01
EMPTY_FRAME: Final = b"\x00\x00\x00\x08\x02\x00\x00\x00"

# Event Hubs is remembered to use 64 KiB (not verified against Azure). Small enough that 180 KB messages need several
# frames both ways, so that path is exercised all the time.
MAX_FRAME_SIZE: Final = 65_536
MIN_MAX_FRAME_SIZE: Final = 512  # the least a peer may announce, part 2 section 2.7.1

_HEAD = struct.Struct(">IBBH")
# A whole transfer frame before its payload: frame header, described list32 with 11 fields of which only the handle, the
# delivery id, a four-byte delivery tag and `more` vary. Settled, message format 0.
_TRANSFER = struct.Struct(">IBBH 3s B I I B I B I BB I B B B 5s")
_TRANSFER_LIST_SIZE = _TRANSFER.size - 8 - 3 - 1 - 4
TRANSFER_OVERHEAD: Final = _TRANSFER.size


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame without its header; `body` is empty for a heartbeat."""

    kind: int
    channel: int
    body: bytes


class FrameReader:
    """Collects bytes and yields what is complete: first eight-byte protocol headers, then frames."""

    def __init__(self, max_frame_size: int = MAX_FRAME_SIZE) -> None:
        self._buffer = bytearray()
        self._max_frame_size = max_frame_size

    def feed(self, data: bytes) -> None:
        """Add bytes from the peer."""
        self._buffer += data

    def protocol_header(self) -> bytes | None:
        """Take the next eight bytes as a protocol header, or return None until they are there."""
        if len(self._buffer) < 8:
            return None
        header = bytes(self._buffer[:8])
        del self._buffer[:8]
        return header

    def frame(self) -> Frame | None:
        """Take the next complete frame, or return None until it is there.

        Raises:
            RefusedError: the frame's size or data offset is impossible or above the announced maximum.
        """
        if len(self._buffer) < 8:
            return None
        size, offset, kind, channel = _HEAD.unpack_from(self._buffer)
        if not 8 <= offset * 4 <= size <= self._max_frame_size:
            raise RefusedError(
                FRAMING_ERROR,
                f"AMQP frame of {size} bytes with data offset {offset * 4} is outside 8..{self._max_frame_size}",
            )
        if len(self._buffer) < size:
            return None
        with memoryview(self._buffer) as view:
            body = bytes(view[offset * 4 : size])
        del self._buffer[:size]
        return Frame(kind, channel, body)


def frame_bytes(channel: int, body: bytes, kind: int = AMQP_FRAME) -> bytes:
    """Return one frame around an encoded performative (and its payload)."""
    return _HEAD.pack(len(body) + 8, 2, kind, channel) + body


def transfer_frames(
    channel: int, handle: int, delivery_id: int, payload: bytes, max_frame_size: int
) -> Iterator[tuple[bytes, memoryview]]:
    """Split one settled delivery into (frame head, payload slice) pairs of at most `max_frame_size` bytes each."""
    view = memoryview(payload)
    room = max_frame_size - TRANSFER_OVERHEAD
    for start in range(0, max(len(view), 1), room):
        part = view[start : start + room]
        yield _transfer_head(channel, handle, delivery_id, len(part), start + room < len(view)), part


def _transfer_head(channel: int, handle: int, delivery_id: int, size: int, more: bool) -> bytes:
    return _TRANSFER.pack(
        *(TRANSFER_OVERHEAD + size, 2, AMQP_FRAME, channel),
        *(b"\x00\x53\x14", 0xD0, _TRANSFER_LIST_SIZE, 11),
        *(0x70, handle),
        *(0x70, delivery_id),
        *(0xA0, 4, delivery_id),  # delivery tag
        0x43,  # message format 0
        0x41,  # settled
        0x41 if more else 0x42,
        b"\x40\x40\x42\x42\x42",  # receiver mode, state, resume, aborted, batchable
    )
