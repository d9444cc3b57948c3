"""From one source to the store: polls, batches, retries, and says when something is wrong."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from acrwatch.core.clock import Clock
from acrwatch.core.errors import AcrWatchError
from ingest.backoff import Backoff
from ingest.decoding import Batch, Decoder
from ingest.normalise import Normaliser
from ingest.sources import Source
from ingest.storing import Counts, Store, Storing
from storage.state import incidents
from storage.state.database import Database

__all__ = ["Counts", "Pipeline", "Store"]

log = logging.getLogger(__name__)

# What is stored at once even before the interval is over: it bounds memory and the size of a commit.
MAX_MESSAGES: Final = 20_000
MAX_BYTES: Final = 16 * 1024 * 1024
POLL_SECONDS: Final = 0.5  # how soon a stop is noticed


class Pipeline:
    """Takes messages from one source to the store. Belongs to one thread."""

    def __init__(
        self,
        source: Source,
        normaliser: Normaliser,
        lake: Store,
        database: Database,
        clock: Clock,
        commit_interval: timedelta = timedelta(seconds=5),
        on_commit: Callable[[], object] = lambda: None,
        backoff: Backoff | None = None,
    ) -> None:
        """`on_commit` is called after every commit that brought new events; it must return at once."""
        self._source = source
        self._steps = Storing(lake, database)
        self._decoder = Decoder(normaliser)
        self._database = database
        self._clock = clock
        self._interval = commit_interval.total_seconds()
        self._on_commit = on_commit
        self._backoff = backoff or Backoff(1, 60)
        self._due = Batch(self._decoder)  # to be stored next, and first: until that has worked nothing else is
        self._pending = Batch(self._decoder)
        self._since = 0.0
        self._storing = False
        self._well: set[str] = set()  # incident keys known to be resolved
        self._unrecorded: dict[str, dict[str, Any]] = {}  # what could not be recorded while the database was away
        self.counts = Counts()

    def run(self, stop: threading.Event) -> None:
        """Store whatever comes until `stop` is set; a commit in flight, and what was already taken, are finished.

        Returns only then: whatever goes wrong is an incident, and is tried again after 1 to 60 seconds.
        """
        started = False
        try:
            while not stop.is_set():
                try:
                    if not started:
                        self._source.start()
                        started = True
                    self._collect(stop, until_caught_up=False)
                    self._store(stop)
                except Exception as error:  # noqa: BLE001 - the source-read loop: a source that fails must not end the others
                    self._report(error)
                    if not self._storing:
                        self._source.stop()
                        started = False
                    stop.wait(self._backoff.wait())
            self._store_last(stop)
        finally:
            self._source.stop()
            self._decoder.close()

    def run_once(self, stop: threading.Event | None = None) -> Counts:
        """Store everything the source has now, and return what became of it.

        Raises what the source or the store raises; what was stored until then stays, and the rest comes again.
        """
        stop = stop or threading.Event()
        self._source.start()
        try:
            while not stop.is_set():
                self._collect(stop, until_caught_up=True)
                self._store(stop)
                if self._source.caught_up() and not self._pending.messages:
                    break
            while self._pending.messages:
                self._store(stop)
        finally:
            self._source.stop()
            self._decoder.close()
        return self.counts

    def _collect(self, stop: threading.Event, *, until_caught_up: bool) -> None:
        """Poll until a commit is due. Messages taken before an error stay pending."""
        self._storing = False
        while not stop.is_set() and not _full(self._pending):
            held = bool(self._pending.messages)
            wait = self._since + self._interval - time.monotonic() if held else POLL_SECONDS
            if wait <= 0 or (held and until_caught_up and self._source.caught_up()):
                return
            if not self._take(min(wait, POLL_SECONDS)) and not held:
                return

    def _take(self, timeout: float) -> bool:
        """Add what has arrived to what is pending; return whether anything has."""
        arrived = self._source.poll(timeout)
        if arrived or self._source.caught_up():
            self._resolve(self._source_key)
        if not arrived:
            return False
        self._since = self._since if self._pending.messages else time.monotonic()
        self._pending.add(arrived, self._clock.now())
        return True

    def _store(self, stop: threading.Event) -> None:
        """Store what is due: a batch that could not be stored before, else what is pending."""
        if not self._due.messages:
            self._due, self._pending = self._pending, self._due
        if not self._due.messages:
            return
        self._due.begin(self._clock.now())
        if not stop.is_set() and not _full(self._pending):
            self._take(0)  # decoded while the batch that is due is written
        self._storing = True
        now = self._clock.now()
        stored = self._steps.store(self._due.messages, self._due.decoded(now), self._source.stored, now)
        self._storing = False
        self._due = Batch(self._decoder)
        self.counts += stored
        self._backoff.reset()
        self._resolve(self._store_key)
        if stored.events:
            self._on_commit()

    def _store_last(self, stop: threading.Event) -> None:
        try:
            while self._due.messages or self._pending.messages:
                self._store(stop)
        except AcrWatchError as error:
            left = len(self._due.messages) + len(self._pending.messages)
            log.warning("%s: %d messages will be read again: %s", self._source.name, left, error)

    @property
    def _source_key(self) -> str:
        return f"source_down/{self._source.name}"

    @property
    def _store_key(self) -> str:
        return f"store_failed/{self._source.name}"

    def _report(self, error: Exception) -> None:
        """Log and record what went wrong; where it cannot be recorded, the log is all there is."""
        if isinstance(error, AcrWatchError):
            log.error("%s: %s", self._source.name, error)
            message, remedy = error.message, error.remedy
        else:
            log.error("%s: unexpected error", self._source.name, exc_info=error)
            message, remedy = f"unexpected error: {error!r}", "Report it, with the log; acrwatch tries again"
        key, kind = (self._store_key, "store_failed") if self._storing else (self._source_key, "source_down")
        self._well.discard(key)
        found: dict[str, Any] = {"kind": kind, "message": message, "remedy": remedy, "now": self._clock.now()}
        try:
            with self._database.begin() as connection:
                incidents.open(connection, key, **found)
        except AcrWatchError as refused:
            self._unrecorded.setdefault(key, found)
            log.error("%s: cannot record the incident: %s", self._source.name, refused)

    def _resolve(self, key: str) -> None:
        if key not in self._well:
            with self._database.begin() as connection:
                if key in self._unrecorded:  # over by now, and still part of the record
                    incidents.open(connection, key, **self._unrecorded[key])
                incidents.resolve(connection, key, now=self._clock.now())
            self._unrecorded.pop(key, None)
            self._well.add(key)


def _full(batch: Batch) -> bool:
    return len(batch.messages) >= MAX_MESSAGES or batch.size >= MAX_BYTES
