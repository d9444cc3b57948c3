"""Cuts a stream of bytes into records, each as one line, a megabyte of them at a time.

Two ways: by lines, where the first line is a whole JSON value (JSON Lines, as Azure Monitor archives write it);
else by brackets. Neither holds more than such a megabyte and one record.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from ingest.files.brackets import BracketScanner
from ingest.files.inflate import BrokenContentError
from ingest.files.lines import RUN_BYTES, LineRuns
from ingest.files.piece import KEPT, SPACE, Piece, record, too_long

PEEK: Final = 64 * 1024
# As objects they take 40 bytes more each: a million empty ones would take as much memory as all else forty times.
MOST_TOGETHER: Final = 8_192
_JSON: Final = msgspec.json.Decoder(msgspec.Raw)


def pieces(blocks: Iterable[bytes]) -> Iterator[Piece]:
    """Yield the records of a file, in pieces that end with a record and have at most RUN_BYTES or a little more.

    A break in the file becomes the last piece; what stood before it is kept. Raises OSError as reading does, after
    what was read before.
    """
    source = _Source(iter(blocks))
    yield from _lines(source) if is_lines(source.head[:PEEK]) else _gathered(_elements(source))
    if source.broken is not None:
        left, broken = source.unfinished, source.broken
        yield Piece((left + broken.found)[:KEPT], len(left) + broken.length, broken.reason, broken.detail)


class _Source:
    """Blocks whose end may be a break: then `broken` says so, and `unfinished` holds what belongs to no record."""

    def __init__(self, stream: Iterator[bytes]) -> None:
        self.broken: BrokenContentError | None = None
        self.unfinished = b""
        self._stream = self._guarded(stream)
        head = bytearray()
        for block in self._stream:
            head += block
            if len(head) >= PEEK:
                break
        self.head = bytes(head)

    def blocks(self) -> Iterator[bytes]:
        yield self.head
        yield from self._stream

    def end(self, unfinished: bytes) -> Iterator[Piece]:
        """Deal with what stands after the last whole record."""
        unfinished = unfinished.strip(SPACE)
        if unfinished and (self.broken is None or is_json(unfinished)):
            yield record(unfinished)
        else:
            self.unfinished = unfinished

    def _guarded(self, stream: Iterator[bytes]) -> Iterator[bytes]:
        try:
            yield from stream
        except BrokenContentError as error:
            self.broken = error


def is_json(text: bytes) -> bool:
    """Return whether this is one whole JSON value."""
    try:
        _JSON.decode(text)
    except (ValueError, RecursionError):  # msgspec.DecodeError and UnicodeDecodeError are ValueErrors
        return False
    return True


def is_lines(head: bytes) -> bool:
    """Return whether this looks like JSON Lines.

    A damaged first line does, too: it breaks off inside a value, while the first line of a laid-out document ends
    between tokens.
    """
    line, end, _ = head.lstrip(SPACE).partition(b"\n")
    line = line.rstrip(SPACE)
    if not end:
        return False
    return is_json(line) or not (line.startswith(b"[") or line.endswith((b"{", b"[", b",", b":")))


def _elements(source: _Source) -> Iterator[Piece]:
    scanner = BracketScanner()
    for block in source.blocks():
        yield from scanner.feed(block)
    if scanner.overlong:
        yield too_long(scanner.rest(), scanner.overlong)
    else:
        yield from source.end(scanner.rest())


def _gathered(found: Iterator[Piece]) -> Iterator[Piece]:
    """Join single records into pieces of RUN_BYTES, or of MOST_TOGETHER where they are tiny.

    What is none stays by itself, and in its place.
    """
    lines: list[bytes] = []
    size = 0
    for piece in found:
        if not piece.reason:
            lines.append(piece.body)
            size += piece.length
        if lines and (piece.reason or size >= RUN_BYTES or len(lines) >= MOST_TOGETHER):
            yield _joined(lines)
            lines, size = [], 0
        if piece.reason:
            yield piece
    if lines:
        yield _joined(lines)


def _joined(lines: list[bytes]) -> Piece:
    body = b"\n".join(lines)
    return Piece(body, len(body), records=len(lines))


def _lines(source: _Source) -> Iterator[Piece]:
    runs = LineRuns()
    for block in source.blocks():
        yield from runs.feed(block)
    yield from runs.flush()
    if runs.overlong:
        yield too_long(runs.rest(), runs.overlong)
    else:
        yield from source.end(runs.rest())
