"""Cuts JSON Lines into runs of whole lines of about a megabyte, without looking at the single line.

A line costs a microsecond to cut out and to put back beside its neighbours; a run costs one search from its end.
"""

from collections.abc import Generator, Iterator
from typing import Final

from ingest.files.piece import KEPT, MAX_RECORD, SPACE, Piece, too_long

RUN_BYTES: Final = 1024 * 1024
"""As much as the largest message of an event hub."""

TAIL_BYTES: Final = 1024
"""More than a record's length, and with it a time and a request's id that no other place has."""


class LineRuns:
    """Feed it blocks, and exhaust what each call yields; then `end` is where the last piece ends, and `tail` the bytes
    before it, up to TAIL_BYTES."""

    def __init__(self, at: int = 0, tail: bytes = b"") -> None:
        """`at` is where the first block begins, in bytes of the whole; `tail` what stands before."""
        self.end = at
        self.tail = tail
        self._held: list[bytes] = []  # from `end` on, but for what was dropped of a line that is too long
        self._size = 0
        self._dropped = 0

    def feed(self, block: bytes) -> Iterator[Piece]:
        """Yield the pieces that this block completes, once there is enough of them."""
        if self._dropped:
            block = yield from self._past_overlong(block)
        if block:
            self._held.append(block)
            self._size += len(block)
        if self._size >= RUN_BYTES:
            yield from self.flush()

    def flush(self) -> Iterator[Piece]:
        """Yield all whole lines that are held."""
        if self._dropped:
            return
        data = b"".join(self._held)
        cut = data.rfind(b"\n") + 1
        rest = data[cut:]
        self._held, self._size = [rest] if rest else [], len(rest)
        if cut:
            yield from _run(data[:cut])
            self.end += cut
            self.tail = (self.tail + data[max(0, cut - TAIL_BYTES) : cut])[-TAIL_BYTES:]
        if len(rest) > MAX_RECORD:
            self._dropped = len(rest)
            self._held, self._size = [rest[:KEPT]], 0

    def rest(self) -> bytes:
        """Return the unfinished line, of one that is too long the beginning; `flush` first."""
        return b"".join(self._held)

    @property
    def overlong(self) -> int:
        """Length of the unfinished line if it has passed the limit, else 0."""
        return self._dropped

    def _past_overlong(self, block: bytes) -> Generator[Piece, None, bytes]:
        before, newline, after = block.partition(b"\n")
        self._dropped += len(before)
        if not newline:
            return b""
        length, start = self._dropped, b"".join(self._held)
        self._held, self._size, self._dropped = [], 0, 0
        yield too_long(start, length)
        self.end += length + 1
        self.tail = b"\n"
        return after


def _run(lines: bytes) -> Iterator[Piece]:
    body = lines.strip(SPACE)
    if len(body) <= MAX_RECORD:
        if body:
            yield Piece(body, len(body), records=body.count(b"\n") + 1)
        return
    for line in body.split(b"\n"):  # one of them, perhaps, is too long
        if line := line.strip(SPACE):
            yield Piece(line, len(line)) if len(line) <= MAX_RECORD else too_long(line, len(line))
