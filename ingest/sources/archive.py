"""Messages from a storage archive: one container of blobs that Azure Monitor appends to, followed as they grow."""

import hashlib
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from acrwatch.core.errors import AcrWatchError
from acrwatch.core.model import Message
from acrwatch.core.setting import REQUIRED, Setting, duration, text
from ingest.archive import address as addresses
from ingest.archive.address import Address
from ingest.archive.blobs import Blobs, GoneError, RefusedBlobError
from ingest.archive.layout import HOUR, Listed, floor
from ingest.archive.ledger import BlobLedger
from ingest.archive.look import Hours, Looker
from ingest.archive.reading import Cut, Reading
from ingest.eventhub.address import Start, parse_start
from ingest.files.piece import Piece
from ingest.notices import Notices
from ingest.opening import Opening
from ingest.sources.files import Progress
from ingest.unreadable import Unreadable

log = logging.getLogger(__name__)

TYPE: Final = "archive"
RELIST: Final = timedelta(hours=3)
EVERY: Final = timedelta(minutes=1)

SETTINGS: Final[tuple[Setting[Any], ...]] = (
    *addresses.SETTINGS,
    Setting(
        "container",
        text,
        REQUIRED,
        "Container to follow, such as insights-logs-containerregistryrepositoryevents; a source for each.",
    ),
    Setting(
        "start",
        parse_start,
        "latest",
        "latest (from the present hour on), earliest or an ISO time; only where nothing was read before.",
    ),
    Setting("every", duration, EVERY, "How often to look for what was added."),
    Setting(
        "relist",
        duration,
        RELIST,
        "How long after the end of its hour a blob may still grow; later additions are not looked for.",
    ),
    Setting("commit_interval", duration, timedelta(seconds=5), "What was read is stored at least this often."),
)


class ArchiveSource:
    """See ingest.sources.Source. Looks at its container again and again, or once at the hours of `backfill`.

    Its stream belongs to this object alone, so that several processes may read one container: they do the same work,
    and every event is stored once, by its id. A stream whose messages are all stored when reading ends is put down, and
    whoever reads the container next goes on with it; so a detection's cursor does not grow with every start.
    """

    def __init__(
        self,
        address: Address,
        opening: Opening,
        *,
        start: Start = "latest",
        every: timedelta = EVERY,
        relist: timedelta = RELIST,
        backfill: Hours | None = None,
        road: str = "",
        connect: Callable[[Address], Blobs] | None = None,
    ) -> None:
        """`road` stands before the stream's name, as `backfill/` does; `connect` makes what the container is asked by,
        where it is not the service."""
        self.name = f"{road}{address.name}"
        self.progress = Progress()
        self._address = address
        self._opening = opening
        self._start = start
        self._every = every.total_seconds()
        self._relist = relist
        self._backfill = backfill
        self._connect = connect or _service
        self._ledger = BlobLedger(opening.database, opening.clock, address.name)
        self._notices = Notices(opening.database, opening.clock)
        self._looker: Looker | None = None
        self._stream = ""
        self._number = self._stored = -1
        self._first: datetime | None = None
        self._refused: set[tuple[str, str]] = set()  # blobs by name and version
        self._look: Iterator[Message] | None = None
        self._looked_at: datetime | None = None  # when the look began whose end has to be remembered
        self._next_look = 0.0
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin a look. Raises StoreError; what the service says is raised by `poll`."""
        self._stopped.clear()
        if not self._stream:
            self._take_stream()
        self._looker = Looker(self._connect(self._address), self._ledger, relist=self._relist)
        self._begin_look()

    def poll(self, timeout: float) -> Sequence[Message]:
        self._notices.flush()
        self._ledger.settle()
        if self._look is None and self._backfill is None and time.monotonic() >= self._next_look:
            self._begin_look()
        if self._look is not None:
            message = next(self._look, None)
            if message is not None:
                return [message]
            self._look = None
            self._next_look = time.monotonic() + self._every
            self._ledger.settle()
            self._remember_look()
            return []
        left = timeout if self._backfill else min(timeout, self._next_look - time.monotonic())
        self._stopped.wait(max(0.0, left))
        return []

    def stored(self, messages: Sequence[Message]) -> None:
        self._stored = max(self._stored, *(message.sequence_number for message in messages))
        self._ledger.stored(self._stored)
        self._ledger.settle()
        self._remember_look()

    def caught_up(self) -> bool:
        return self._look is None

    def stop(self) -> None:
        self._stopped.set()
        self._look = None
        if self._looker is None:
            return
        self._looker.close()
        self._looker = None
        try:
            self._notices.flush()
            if self._backfill is None and self._stored == self._number:
                self._ledger.put_down_stream(self._stream, self._number)
                self._stream = ""
        except AcrWatchError as error:
            log.warning("%s: what stopping would write waits for the next start: %s", self.name, error)

    def _take_stream(self) -> None:
        self._ledger.settle()
        taken = None if self._backfill else self._ledger.claim_stream()
        self._stream, self._number = taken or (f"{self.name}/{uuid.uuid4().hex[:8]}", -1)
        self._stored = self._number
        self._ledger.begin(self._number)

    def _begin_look(self) -> None:
        now = self._opening.clock.now()
        self._look = self._messages(self._backfill or self._hours(now), now)

    def _hours(self, now: datetime) -> Hours:
        """Return what a look has to go through: nothing that the last one knew to be final.

        Where our clock has been ahead, nobody knows when that look was: then all that is followed is listed once more.
        """
        known = self._ledger.looked()
        if known is not None:
            self._first, looked_at = min(known[0], floor(now)), known[1]
            if looked_at > now + HOUR:
                log.warning("%s: our clock was ahead when it was last read (%s); listing all", self.name, looked_at)
                return Hours(self._first, now + HOUR)
            return Hours(max(self._first, floor(looked_at - self._relist)), now + HOUR)
        if self._start == "earliest":
            return Hours(None, now + HOUR)
        self._first = floor(self._start if isinstance(self._start, datetime) else now)
        self._ledger.remember_look(self._first, self._first)  # "latest" means the first start, not a later one
        return Hours(self._first, now + HOUR)

    def _messages(self, hours: Hours, now: datetime) -> Iterator[Message]:
        looker = self._looker
        assert looker is not None
        listed = looker.listed(hours)
        found = looker.due(listed, now)
        due = [one for one in found if (one.listed.name, one.listed.etag) not in self._refused]
        skipped = len(listed) - len(due)
        total = sum(one.size for one in listed)
        done = total - sum(reading.listed.size for reading in due)
        self.progress = Progress(total, done, len(listed), skipped, skipped)
        if self._first is None and self._backfill is None:
            self._first = listed[0].hour if listed else floor(now)
        for reading in looker.begun(due):
            self.progress.current = reading.listed.name
            yield from self._read(reading)
            done += reading.listed.size
            self.progress.bytes_done, self.progress.files_done = done, self.progress.files_done + 1
        self._looked_at = now

    def _remember_look(self) -> None:
        """Once all that a look found is stored, the next one after a restart need not begin before it."""
        if self._looked_at is not None and self._first is not None and self._stored == self._number:
            if self._backfill is None:
                self._ledger.remember_look(self._first, self._looked_at)
            self._looked_at = None

    def _read(self, reading: Reading) -> Iterator[Message]:
        listed = reading.listed
        try:
            for cut in reading.cuts():
                if cut.piece is not None:
                    self._number += 1
                    message = self._message(listed, cut.piece, cut.start)
                    self._note(cut)
                    yield message
                else:
                    self._note(cut)
        except GoneError as error:
            log.warning("%s: %s", self.name, error.message)
            digest = hashlib.sha256(listed.name.encode()).hexdigest()[:16]
            self._notices.open(
                f"gap/{self.name}/{digest}",
                kind="gap",
                message=f"{error.message} before it was read to its end",
                remedy="Backfill that hour from Log Analytics; let the account keep blobs for a day at least",
            )
        except RefusedBlobError as error:
            self._refused.add((listed.name, listed.etag))
            self._number += 1
            yield self._message(listed, Piece(b"", listed.size, "unreadable_blob", error.message), 0)

    def _note(self, cut: Cut) -> None:
        if cut.progress is not None:
            self._ledger.note(self._number, cut.progress)

    def _message(self, listed: Listed, piece: Piece, start: int) -> Message:
        """Return a message whose rejects are kept under what the blob holds there, however often it is read."""
        beginning = piece.body.partition(b"\n")[0]
        content = hashlib.sha256(b"\0".join((self._address.name.encode(), listed.name.encode(), beginning)))
        under = (f"blob/{content.hexdigest()}", start)
        arrived = None if self._backfill else listed.arrived
        if not piece.reason:
            return Message(self._stream, self._number, piece.body, enqueued_time=arrived, rejects_under=under)
        return Unreadable(
            self._stream,
            self._number,
            piece.body,
            enqueued_time=arrived,
            rejects_under=under,
            reason=piece.reason,
            detail=f"{self._address.container}/{listed.name}: {piece.detail}",
            body_length=piece.length,
        )


def _service(address: Address) -> Blobs:
    from ingest.archive.service import Container  # imports the Azure client, which takes a quarter of a second

    return Container(address)


def open(values: Mapping[str, object], opening: Opening) -> ArchiveSource:  # noqa: A001 - the contract's word
    """Return the source these settings describe. Raises ConfigError where they contradict each other."""
    chosen: dict[str, Any] = {name: values[name] for name in ("start", "every", "relist")}
    return ArchiveSource(addresses.from_settings(values), opening, **chosen)
