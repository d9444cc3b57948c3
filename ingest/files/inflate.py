"""The content of a file as a stream of bytes: decompressed if it is gzip, UTF-8 whatever it was."""

import codecs
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final

BLOCK: Final = 256 * 1024
GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP: Final = 16 + zlib.MAX_WBITS
_MARKS: Final = (  # PowerShell's `>` writes UTF-16 with a mark
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class BrokenContentError(Exception):
    """The file breaks off or is damaged; everything before was handed out. `reason` is a reject's reason."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


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
    for block in blocks:
        rest = block
        while rest:
            if member.eof:
                if not rest.startswith(GZIP_MAGIC[:1]):  # zero padding, as tape-like tools leave it
                    break
                member = zlib.decompressobj(_GZIP)
            try:
                yield member.decompress(rest, BLOCK)
            except zlib.error as error:
                raise BrokenContentError("damaged_gzip", f"the compressed data is damaged: {error}") from error
            rest = member.unconsumed_tail or member.unused_data
    if not member.eof:
        yield member.flush()
        raise BrokenContentError("truncated_gzip", "the compressed data breaks off before its end")


def _as_utf8(blocks: Iterator[bytes]) -> Iterator[bytes]:
    first = next(blocks, b"")
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
