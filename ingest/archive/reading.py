"""Reading one blob from where we stopped, while it may grow, be replaced or vanish.

Append blobs only grow, but nothing keeps people from writing a blob anew. So every request begins some bytes before
what is wanted, at those that were read last: if they are the same, what follows is their continuation, whichever
version of the blob it is of; else the blob is another one, and is read from its beginning, which costs no more than
time, since an event is stored once.
"""

import hashlib
import logging
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from typing import BinaryIO, Final, cast

from acrwatch.core.errors import RemoteUnreachableError
from ingest.archive.blobs import Blobs, OutOfRangeError, Range
from ingest.archive.layout import Listed
from ingest.files.inflate import GZIP_MAGIC, text_blocks
from ingest.files.lines import RUN_BYTES, TAIL_BYTES, LineRuns
from ingest.files.piece import KEPT, SPACE, Piece, too_long
from ingest.files.split import is_json, is_lines, pieces
from storage.state.blobs import BlobProgress

log = logging.getLogger(__name__)

RANGE_BYTES: Final = 4 * 1024 * 1024
"""Asked for at once: the largest that the service answers within its promised time, and what is held per blob."""

HELD: Final = "held/"
"""Before the etag of a version whose end may still become a record: read again once the blob is final."""

_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Cut:
    """Records of a blob, or why there are none, from byte `start` on; and what holds once they are stored.

    Without `piece` nothing need be stored for it; without `progress` the next cut says how far we are.
    """

    piece: Piece | None
    start: int
    progress: BlobProgress | None


class _ReplacedError(Exception):
    """The blob does not hold any more what was read of it."""


class Reading:
    """One blob at one look. `final` says that nobody writes to it any more."""

    def __init__(self, blobs: Blobs, listed: Listed, progress: BlobProgress, *, final: bool) -> None:
        self.listed = listed
        self._blobs = blobs
        self._progress = progress
        self._final = final
        self._first: Future[Range] | None = None

    @property
    def due(self) -> bool:
        """Whether the blob holds more than was read of it."""
        known = self._progress.etag
        return bool(self.listed.size) and not (
            known == self.listed.etag or (not self._final and known == HELD + self.listed.etag)
        )

    def begin(self, pool: Executor) -> None:
        """Ask for the first bytes on another thread."""
        self._first = pool.submit(self._fetch, self._progress.offset - self._progress.tail_length)

    def cuts(self) -> Iterator[Cut]:
        """Yield what is new. Raises GoneError, RefusedBlobError, AuthError, NotFoundError, RemoteUnreachableError; what
        was yielded before stays right."""
        for _ in range(_TRIES):
            try:
                yield from self._cuts()
                return
            except (_ReplacedError, OutOfRangeError):
                log.warning("%s was written anew; reading it from its beginning", self._progress.name)
                self._progress, self._first = begun(self._progress.name), None
        raise RemoteUnreachableError(
            f"{self._progress.name} is written anew again and again while it is read", remedy="Look for who does that"
        )

    def _cuts(self) -> Iterator[Cut]:
        done = self._progress
        found = self._fetch(done.offset - done.tail_length) if self._first is None else self._first.result()
        tail, data = found.data[: done.tail_length], found.data[done.tail_length :]
        if len(tail) != done.tail_length or (tail and _sha256(tail) != done.tail_sha256):
            raise _ReplacedError
        if done.offset or _by_line(data):
            yield from self._lines(found, tail, data)
        elif self._final:
            yield from self._whole(found)
        else:
            yield Cut(None, 0, replace(done, etag=HELD + found.etag))

    def _lines(self, found: Range, tail: bytes, data: bytes) -> Iterator[Cut]:
        runs = LineRuns(self._progress.offset, tail)
        at = self._progress.offset
        while True:
            more = len(found.data) == RANGE_BYTES
            for first in range(0, len(data), RUN_BYTES):
                start = runs.end
                yield from self._runs(start, list(runs.feed(data[first : first + RUN_BYTES])), runs)
            at += len(data)
            if not more:
                break
            before = (tail + data)[-TAIL_BYTES:]
            found = self._fetch(at - len(before))
            tail, data = found.data[: len(before)], found.data[len(before) :]
            if tail != before:
                raise _ReplacedError
        start = runs.end
        yield from self._runs(start, list(runs.flush()), runs)
        yield from self._end(runs, found.etag)

    def _runs(self, start: int, found: list[Piece], runs: LineRuns) -> Iterator[Cut]:
        records = self._progress.records + sum(piece.records for piece in found)
        if runs.end > start:
            self._progress = self._at(runs.end, records, runs.tail)
        for number, piece in enumerate(found, 1):
            yield Cut(piece, start + number - 1, self._progress if number == len(found) else None)

    def _at(self, offset: int, records: int, tail: bytes) -> BlobProgress:
        return BlobProgress(self._progress.name, offset, records, len(tail), _sha256(tail), "")

    def _end(self, runs: LineRuns, etag: str) -> Iterator[Cut]:
        """Deal with a last line without an end: a whole record is one, half of one may still be completed."""
        rest = runs.rest()
        line = rest.strip(SPACE)
        if line.startswith(b"{") and not runs.overlong and is_json(line):
            end = self._at(runs.end + len(rest), self._progress.records + 1, (runs.tail + rest)[-TAIL_BYTES:])
            yield Cut(Piece(line, len(line)), runs.end, replace(end, etag=etag))
            return
        if line and self._final:
            detail = "the blob breaks off within a record, and nothing was added to it since"
            torn = Piece(line[:KEPT], len(line), "truncated_record", detail)
            yield Cut(too_long(line, runs.overlong) if runs.overlong else torn, runs.end, None)
        held = HELD if line and not self._final else ""
        yield Cut(None, runs.end, replace(self._progress, etag=held + etag))

    def _whole(self, found: Range) -> Iterator[Cut]:
        """What is no JSON Lines (gzip, or one document) cannot be gone on with: it is read from its beginning."""
        records = 0
        for number, piece in enumerate(pieces(text_blocks(cast("BinaryIO", _Sequence(self, found))))):
            records += 0 if piece.reason else piece.records
            yield Cut(piece, number, None)
        yield Cut(None, 0, replace(self._progress, records=records, etag=found.etag))

    def _fetch(self, start: int) -> Range:
        return self._blobs.read(self.listed.name, start, RANGE_BYTES)


class _Sequence:
    """One version of a blob as a file to read from; raises _ReplacedError where it became another version."""

    def __init__(self, reading: Reading, first: Range) -> None:
        self._reading = reading
        self._found = first
        self._at = 0
        self._taken = 0

    def read(self, size: int) -> bytes:
        if self._taken == len(self._found.data) and len(self._found.data) == RANGE_BYTES:
            # Beginning with the last byte that was read, for there is always that one: how long this version is, the
            # listing, which may be of another, does not tell, and behind its end the service refuses to answer.
            self._at += RANGE_BYTES - 1
            found = self._reading._fetch(self._at)  # noqa: SLF001 - its other half
            if found.etag != self._found.etag:
                raise _ReplacedError
            self._found, self._taken = found, 1
        block = self._found.data[self._taken : self._taken + size]
        self._taken += len(block)
        return block


def begun(name: str) -> BlobProgress:
    """Return the progress in a blob of which nothing was read."""
    return BlobProgress(name, 0, 0, 0, "", "")


def _by_line(head: bytes) -> bool:
    """Return whether a blob that begins so is read line by line."""
    if head.startswith((GZIP_MAGIC, *_UTF16)):
        return False
    text = head.strip(SPACE)
    return is_lines(head) or (text.startswith(b"{") and b"\n" not in text and is_json(text))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
