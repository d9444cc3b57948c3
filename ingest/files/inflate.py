"""The content of a file as a stream of bytes: decompressed if it is gzip, UTF-8 whatever it was."""

import codecs
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from ingest.files.piece import KEPT

BLOCK: Final = 256 * 1024
GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP: Final = 16 + zlib.MAX_WBITS
_MARKS: Final = (  # PowerShell's `>` writes UTF-16 with a mark
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LONGEST_MARK: Final = max(len(mark) for mark, _ in _MARKS)
_SHOWN: Final = 100


class BrokenContentError(Exception):
    """The file breaks off or is damaged; everything before was handed out. `reason` is a reject's reason.

    `found` is the beginning of what stands there instead, `length` how long that is, where it can be told.
    """

    def __init__(self, reason: str, detail: str, found: bytes = b"", length: int = 0) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.found = found
        self.length = length


def text_blocks(file: BinaryIO) -> Iterator[bytes]:
    """Yield the content of a file in blocks of about 256 KiB, decompressed by content, without a byte order mark.

    Raises BrokenContentError after the last good byte, and OSError as reading does.
    """
    start = file.read(BLOCK)
    raw = _raw_blocks(start, file)
    yield from _as_utf8(_inflated(raw) if start.startswith(GZIP_MAGIC) else raw)


def _raw_blocks(first: bytes, file: BinaryIO) -> Iterator[bytes]:
    block = first
    while block:
        yield block
        block = file.read(BLOCK)


def _inflated(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress gzip, several members in a row too, never more than a block at a time."""
    member = zlib.decompressobj(_GZIP)
    half = b""  # of what a member begins with, at the end of a block
    for block in blocks:
        rest = half + block
        half = b""
        while rest:
            if member.eof:
                rest = rest.lstrip(b"\0")  # zero padding, as tape-like tools leave it
                if GZIP_MAGIC.startswith(rest):
                    half = rest
                    break
                if not rest.startswith(GZIP_MAGIC):
                    raise _foreign(rest, blocks)
                member = zlib.decompressobj(_GZIP)
            before = member.copy()
            try:
                yield member.decompress(rest, BLOCK)
            except zlib.error as error:
                yield from _up_to_damage(before, rest)
                raise _damaged(error) from error
            rest = member.unconsumed_tail or member.unused_data
    if half:
        raise _foreign(half, blocks)
    if not member.eof:
        try:
            yield member.decompress(b"")  # what did not fit into the last block; `flush` is silent about damage in it
        except zlib.error as error:
            raise _damaged(error) from error
        raise BrokenContentError("truncated_gzip", "the compressed data breaks off before its end")


def _damaged(error: zlib.error) -> BrokenContentError:
    return BrokenContentError("damaged_gzip", f"the compressed data is damaged: {error}")


def _up_to_damage(member: Any, data: bytes) -> Iterator[bytes]:
    """Decompress what is good of data that is not: an error takes with it what the same call had decompressed."""
    try:
        yield member.decompress(b"")
        for place in range(len(data)):
            yield member.decompress(data[place : place + 1])
    except zlib.error:
        return


def _foreign(first: bytes, blocks: Iterator[bytes]) -> BrokenContentError:
    """Return the error for what follows a member and is none; it may be records that somebody appended."""
    found, length = bytearray(first[:KEPT]), len(first)
    for block in blocks:
        found += block[: KEPT - len(found)]
        length += len(block)
    detail = f"{length} bytes that are no gzip follow the compressed data, and are not read: {bytes(found[:_SHOWN])!r}"
    return BrokenContentError("not_gzip", detail, bytes(found), length)


def _from_mark(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the same bytes, a mark whole in the first block."""
    head = b""
    try:
        for block in blocks:
            head += block
            if len(head) >= _LONGEST_MARK:
                break
    except BrokenContentError:
        yield head
        raise
    yield head
    yield from blocks


def _as_utf8(blocks: Iterator[bytes]) -> Iterator[bytes]:
    blocks = _from_mark(blocks)
    first = next(blocks)
    mark, encoding = next(((mark, name) for mark, name in _MARKS if first.startswith(mark)), (b"", "utf-8"))
    first = first.removeprefix(mark)
    if encoding == "utf-8":
        yield first
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    yield decoder.decode(first).encode()
    for block in blocks:
        yield decoder.decode(block).encode()
    yield decoder.decode(b"", final=True).encode()  # half a character
