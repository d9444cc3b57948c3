"""Messages from files: JSON Lines, arrays, `records` documents, storage archives, plain or gzip, of any size."""

import hashlib
import itertools
import logging
import os
import threading
import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from acrwatch.core.model import Message
from acrwatch.core.setting import REQUIRED, Setting, paths
from ingest.files.inflate import text_blocks
from ingest.files.ledger import Ledger
from ingest.files.listing import content_hash, files
from ingest.files.split import pieces
from ingest.opening import Opening
from ingest.unreadable import Unreadable
from storage.state.ledger import ImportedFile

log = logging.getLogger(__name__)

_SHOWN: Final = 120  # characters of a path in a name, which is part of keys

TYPE: Final = "files"
SETTINGS: Final[tuple[Setting[Any], ...]] = (
    Setting("paths", paths, REQUIRED, "Files, or folders with .json, .jsonl and .gz files below."),
)


@dataclass(slots=True)
class Progress:
    """How far an import is. Bytes are as the files lie on disk; a file finished by an earlier import is skipped."""

    bytes_total: int = 0
    bytes_done: int = 0
    files_total: int = 0
    files_done: int = 0
    files_skipped: int = 0
    current: str = ""


class FilesSource:
    """See ingest.sources.Source. Reads only while polled; nothing runs behind the caller's back.

    Its stream is `files/<job>`: no position is stored for it, and rows read twice are known by their ids.
    """

    def __init__(self, paths: Sequence[str | Path], opening: Opening, *, job: str | None = None) -> None:
        """`job` must be unique for each run; generated if not given."""
        self.name = _name(paths)
        self.progress = Progress()
        self._paths = paths
        self._stream = f"files/{job or uuid.uuid4().hex}"
        self._ledger = Ledger(opening.database, opening.clock)
        self._messages: Iterator[Message] = iter(())
        self._number = -1
        self._exhausted = False
        self._stopped = threading.Event()

    def start(self) -> None:
        """List the files. Raises NotFoundError for a path that does not exist."""
        found = files(self._paths)
        sizes = {path: _size(path) for path in found}
        self.progress = Progress(bytes_total=sum(sizes.values()), files_total=len(found))
        self._exhausted = False
        self._stopped.clear()
        self._messages = self._read_all(sizes)

    def poll(self, timeout: float) -> Sequence[Message]:
        self._ledger.settle()
        message = None if self._exhausted else next(self._messages, None)
        if message is not None:
            return [message]
        if not self._exhausted:
            self._exhausted = True
            self._ledger.settle()
        else:
            self._stopped.wait(timeout)
        return []

    def stored(self, messages: Sequence[Message]) -> None:
        self._ledger.stored(max(message.sequence_number for message in messages))
        self._ledger.settle()

    def caught_up(self) -> bool:
        return self._exhausted

    def stop(self) -> None:
        self._stopped.set()
        self._messages = iter(())

    def _read_all(self, sizes: Mapping[Path, int]) -> Iterator[Message]:
        seen = self._ledger.finished(set(sizes.values()))
        done = 0
        for path, size in sizes.items():
            self.progress.current = _written(path)
            try:
                before = _state(path)
                sha256 = content_hash(path)
                if sha256 in seen:
                    self.progress.files_skipped += 1
                else:
                    records = yield from self._read(path, sha256, done)
                    if _state(path) == before:
                        seen.add(sha256)
                        self._ledger.note(self._number, ImportedFile(sha256, _written(path), size, records))
                    else:  # what was read need not be what was hashed, which may live on under another name
                        log.warning("%s changed while it was read; the next import reads it again", path)
            except OSError as error:
                under = f"path/{hashlib.sha256(os.fsencode(path)).hexdigest()}"
                yield self._unreadable(path, (under, 0), b"", 0, "unreadable_file", error.strerror or str(error))
            done += size
            self.progress.files_done += 1
            self.progress.bytes_done = done

    def _read(self, path: Path, sha256: str, done: int) -> Generator[Message, None, int]:
        """Yield the messages of a file; return how many records there were."""
        records = 0
        # What a file rejects is kept under its content: the stream is new with every import.
        under = ((f"file/{sha256}", number) for number in itertools.count())
        with path.open("rb") as file:
            for piece in pieces(text_blocks(file)):
                if piece.reason:
                    yield self._unreadable(path, next(under), piece.body, piece.length, piece.reason, piece.detail)
                    continue
                records += piece.records
                message = self._message(piece.body, next(under))
                self.progress.bytes_done = done + file.tell()
                yield message
        return records

    def _message(self, body: bytes, under: tuple[str, int]) -> Message:
        self._number += 1
        return Message(self._stream, self._number, body, rejects_under=under)

    def _unreadable(
        self, path: Path, under: tuple[str, int], body: bytes, length: int, reason: str, detail: str
    ) -> Unreadable:
        self._number += 1
        return Unreadable(
            self._stream,
            self._number,
            body,
            rejects_under=under,
            reason=reason,
            detail=f"{path}: {detail}",
            body_length=length,
        )


def _name(paths: Sequence[str | Path]) -> str:
    """Return what these paths are called in every process: an incident of one is over with a good read of the next."""
    words = [_written(path) for path in paths]
    first = words[0] if words else "none"
    if len(words) < 2 and len(first) <= _SHOWN:
        return f"files/{first}"
    every = hashlib.sha256("\0".join(words).encode()).hexdigest()[:8]
    return f"files/{first[:_SHOWN]} and others {every}"


def _written(path: str | Path) -> str:
    """Return a path as text that a database takes, for its bytes may be no UTF-8."""
    return str(path).encode(errors="backslashreplace").decode()


def _state(path: Path) -> tuple[int, int, int, int] | None:
    """Return what changes when a file is written to, or another takes its place; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # what is wrong with it is said when it is read


def open(values: Mapping[str, object], opening: Opening) -> FilesSource:  # noqa: A001 - the contract's word
    """Return a source that reads the configured paths once."""
    configured = values["paths"]
    assert isinstance(configured, tuple)
    return FilesSource(configured, opening)
