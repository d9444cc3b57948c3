"""Messages from Log Analytics workspaces: followed, where there is no event hub, or a stretch of their history.

Rows are asked for in windows (ingest/loganalytics/windows.py) and known by their ids: where a window is read again,
after a crash or because its end may not have been whole yet, nothing is stored twice. Which windows were stored is kept
in SQL (storage/state/log_reads.py).
"""

import logging
import threading
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Final

from acrwatch.core.errors import AcrWatchError, ConflictError
from acrwatch.core.model import BACKFILL, BACKFILL_ALERT, Message
from acrwatch.core.setting import REQUIRED, Setting, duration, text
from ingest.eventhub import access as entra
from ingest.eventhub.credentials import MakeTokenSource
from ingest.loganalytics.access import PUBLIC_CLOUD, LogsAccess, from_settings, parse_endpoint, parse_workspaces
from ingest.loganalytics.asking import Asking
from ingest.loganalytics.failures import NoTableError, TooMuchError, TooSlowError
from ingest.loganalytics.marks import Marks
from ingest.loganalytics.query import Answer
from ingest.loganalytics.reading import NO_TIME, OVERLAP, ROWS, Asked, Backfilling, Following, Reading
from ingest.loganalytics.rows import TOGETHER, LogRow, chunks, log_rows
from ingest.opening import Opening
from storage.schema import CATEGORIES
from storage.state import leases, log_reads
from storage.state.log_reads import LogRead

log = logging.getLogger(__name__)

TYPE: Final = "loganalytics"
CONNECTION_SETTINGS: Final[tuple[Setting[Any], ...]] = (
    Setting("endpoint", parse_endpoint, PUBLIC_CLOUD, "Where queries go; https://api.loganalytics.us and others."),
    Setting("audience", text, None, "What the tokens are for, if not the endpoint: for one that stands before it."),
    Setting(
        "credential",
        entra.parse_credential,
        entra.DEFAULT,
        "Where Entra ID's tokens come from: default (environment, workload or managed identity, az login, whichever "
        "answers first), managed_identity, workload_identity, or environment (AZURE_CLIENT_ID and the like).",
    ),
    Setting("client_id", text, None, "Client id of a user-assigned managed identity, or of the workload identity."),
    Setting("connection_verify", entra.parse_file, None, "PEM file of the authority to trust instead of the system's."),
)
SETTINGS: Final[tuple[Setting[Any], ...]] = (
    Setting("workspaces", parse_workspaces, REQUIRED, "Ids of the workspaces (customerId, not the name)."),
    *CONNECTION_SETTINGS,
    Setting("every", duration, timedelta(minutes=2), "How often to ask for new rows."),
    Setting("start", duration, timedelta(hours=24), "How far back the very first reading begins; only then."),
)
# A process that was killed is replaced after this; one that stops gives it back.
_LEASE: Final = timedelta(minutes=5)


@dataclass(slots=True)
class Progress:
    """How far a backfill is: of all time to be read, in seconds, over all tables; and rows handed out."""

    seconds_total: float = 0
    seconds_done: float = 0
    rows: int = 0


@dataclass(frozen=True, slots=True)
class History:
    """A stretch of history, `until` not included (aware UTC). `alert`: its alerts are told as if it happened now;
    `again`: what an earlier run has read is read once more."""

    since: datetime
    until: datetime
    alert: bool = False
    again: bool = False


@dataclass(frozen=True, slots=True)
class _Question:
    """A question that was put to a workspace, for which reading, and the answer to come."""

    reading: Reading
    asked: Asked
    answer: Future[Answer]


class LogAnalyticsSource:
    """See ingest.sources.Source. Questions are asked on a thread of their own, one at a time, one ahead of what is
    being stored; all else happens while it is polled.

    Streams are `loganalytics/<workspace>/<job>`, behind `backfill/` where it brings history. No position is stored for
    them, and rows read twice are known by their ids.
    """

    def __init__(
        self,
        access: LogsAccess,
        opening: Opening,
        *,
        history: History | None = None,
        every: timedelta = timedelta(minutes=2),
        start: timedelta = timedelta(hours=24),
        rows: int = ROWS,
        token_source: MakeTokenSource | None = None,
        pause: Callable[[float], Awaitable[object]] | None = None,
    ) -> None:
        """Without `history` it follows. `rows`: how many are asked for at most; `token_source` and `pause` replace
        where tokens come from and how it waits, for tests that move the clock."""
        self.name = _name(access.workspaces)
        self.progress = Progress()
        self.absent: set[tuple[str, str]] = set()  # workspace and table, where the workspace has no such table
        self._access = access
        self._opening = opening
        self._history = history
        self._again = history is not None and history.again
        self._every = every
        self._start = start
        self._rows = rows
        self._token_source = token_source
        self._pause = pause
        self._job = uuid.uuid4().hex
        self._number = -1
        self._last = -1  # the last message handed out since `start`
        self._marks = Marks(opening.database, opening.clock)
        self._asking: Asking | None = None
        self._question: _Question | None = None
        self._readings: list[Reading] = []
        self._waiting: deque[Reading] = deque()
        self._next_round: datetime | None = None
        self._conflict: ConflictError | None = None
        self._idle = False
        self._stopped = threading.Event()

    def start(self) -> None:
        """Raises StoreError where it cannot be told how far reading was."""
        self._stopped.clear()
        self._marks.drop()
        self._last = -1
        self.absent.clear()
        self._waiting.clear()
        self._question, self._conflict, self._next_round, self._idle = None, None, None, False
        if self._history is not None:
            self._readings = [self._backfilling(*place, self._history) for place in self._places()]
            self._again = False
            self._waiting.extend(self._readings)
            self._show()

    def poll(self, timeout: float) -> Sequence[Message]:
        if self._conflict is not None:
            raise self._conflict
        self._marks.settle()
        if self._question is None:
            self._ask_next()
        question = self._question
        if question is None:
            self._stopped.wait(timeout)
            return []
        if not wait([question.answer], timeout).done:
            return []
        self._question = None
        messages = self._taken(question)
        self._ask_next()  # answered while the caller stores these
        return messages

    def stored(self, messages: Sequence[Message]) -> None:
        self._marks.stored(max(message.sequence_number for message in messages))
        try:
            self._marks.settle()
        except ConflictError as error:  # the rows are stored all the same; the next poll tells of it
            self._conflict = error

    def caught_up(self) -> bool:
        return self._idle

    def stop(self) -> None:
        self._stopped.set()
        self._question = None
        if self._asking is not None:
            self._asking.close()
            self._asking = None
        if self._history is None and self._readings:
            self._readings = []
            try:
                with self._opening.database.begin() as connection:
                    leases.release(connection, self._lease, self._job)
            except AcrWatchError as error:
                log.warning("%s: others wait until the lease ends by itself: %s", self.name, error)

    @property
    def _lease(self) -> str:
        return f"loganalytics/{blake2b(','.join(self._access.workspaces).encode(), digest_size=16).hexdigest()}"

    def _places(self) -> list[tuple[str, str]]:
        return [(workspace, table) for workspace in self._access.workspaces for table in CATEGORIES]

    def _backfilling(self, workspace: str, table: str, history: History) -> Backfilling:
        name = f"backfill/{workspace}/{table}"
        if self._again:
            with self._opening.database.begin() as connection:
                log_reads.forget(connection, name)
        read = self._marks.begin(LogRead(name, history.since, history.since, self._opening.clock.now()))
        return Backfilling(workspace, table, read, history.until, rows=self._rows)

    def _following(self, workspace: str, table: str) -> Following:
        begin = self._opening.clock.now() - self._start + OVERLAP  # which every round goes back
        read = self._marks.begin(LogRead(f"follow/{workspace}/{table}", NO_TIME, NO_TIME, begin))
        return Following(workspace, table, read, rows=self._rows)

    def _ask_next(self) -> None:
        """Put the next question there is."""
        now = self._opening.clock.now()
        if self._history is None and not self._begin_round(now):
            self._idle = True  # the last table of a round may have been left
            return
        while self._waiting:
            reading = self._waiting[0]
            asked = reading.next(now)
            if asked is not None:
                self._question = _Question(reading, asked, self._ask(reading.workspace, asked))
                return
            self._waiting.popleft()
            self._marks.mark(self._last, reading.read)
        self._marks.settle()
        self._idle = True

    def _begin_round(self, now: datetime) -> bool:
        """Begin to ask for what is new, or go on, if no other process does; return whether there is anything to ask."""
        if not self._waiting and self._next_round is not None and now < self._next_round:
            return False
        with self._opening.database.begin() as connection:
            mine = leases.acquire(connection, self._lease, self._job, max(_LEASE, 2 * self._every))
        if self._waiting and mine:
            return True
        self._next_round = now + self._every
        if not mine:  # what the other reads meanwhile is not ours to ask for again
            self._readings = []
            self._waiting.clear()
            return False
        self._readings = self._readings or [self._following(*place) for place in self._places()]
        self._waiting.extend(self._readings)
        self._idle = False
        return True

    def _ask(self, workspace: str, asked: Asked) -> Future[Answer]:
        from ingest.loganalytics.client import LogsClient  # imports the Azure client, which takes half a second

        if self._asking is None:
            pause = {} if self._pause is None else {"pause": self._pause}
            self._asking = Asking(lambda: LogsClient(self._access, self._token_source), **pause)
        return self._asking.ask(workspace, asked.query)

    def _taken(self, question: _Question) -> list[Message]:
        """Return the answer as messages. Raises what asking raised, unless asking for less helps."""
        reading, asked = question.reading, question.asked
        try:
            answer = question.answer.result()
        except TooMuchError as error:
            log.debug("%s; asking for less", error)
            reading.too_much(asked)
            return []
        except TooSlowError as error:
            log.info("%s; asking for less", error)
            reading.too_slow(asked, error.message)
            return []
        except NoTableError as error:
            self._leave(reading, error)
            return []
        self.absent.discard((reading.workspace, reading.table))
        kept = reading.answered(asked, log_rows(answer, reading.table), answer.at)
        messages = self._messages(reading, kept)
        self._marks.mark(self._last, reading.read)
        self.progress.rows += len(kept)
        self._show()
        return messages

    def _leave(self, reading: Reading, error: NoTableError) -> None:
        """Ask no more of a table that is not there in this run, or this round.

        How far it was read stays as it is: once there is such a table, or the right to read it, it may hold rows of any
        time that we would have passed over.
        """
        place = (reading.workspace, reading.table)
        log.log(logging.DEBUG if place in self.absent else logging.INFO, "%s; asking again later", error.message)
        self.absent.add(place)
        self._waiting.popleft()  # questions are put to the first of them alone
        reading.left()
        self._show()

    def _messages(self, reading: Reading, rows: Sequence[LogRow]) -> list[Message]:
        prefix = "" if self._history is None else BACKFILL_ALERT if self._history.alert else BACKFILL
        stream = f"{prefix}loganalytics/{reading.workspace}/{self._job}"
        found = []
        for body, taken in chunks(rows, TOGETHER) if self._history is None else chunks(rows):
            self._number += 1
            # Rejects are kept under the content: the stream is new with every run.
            under = (f"rows/{blake2b(body, digest_size=16).hexdigest()}", 0)
            arrived = taken if self._history is None else None
            found.append(Message(stream, self._number, body, enqueued_time=arrived, rejects_under=under))
            self._last = self._number
        return found

    def _show(self) -> None:
        """Tell how far it is, leaving out tables that are not there: nothing of them will be read."""
        there = [reading for reading in self._readings if (reading.workspace, reading.table) not in self.absent]
        stretches = [reading for reading in there if isinstance(reading, Backfilling)]
        self.progress.seconds_total = sum(max((one.until - one.begun).total_seconds(), 0) for one in stretches)
        self.progress.seconds_done = sum((one.read.reached - one.begun).total_seconds() for one in stretches)


def _name(workspaces: Sequence[str]) -> str:
    more = f"+{len(workspaces) - 1}" if len(workspaces) > 1 else ""
    return f"loganalytics/{workspaces[0]}{more}"


def open(values: Mapping[str, object], opening: Opening) -> LogAnalyticsSource:  # noqa: A001 - the contract's word
    """Return a source that follows what these settings name. Raises ConfigError where they contradict each other."""
    every, start = values["every"], values["start"]
    assert isinstance(every, timedelta)
    assert isinstance(start, timedelta)
    return LogAnalyticsSource(from_settings(values), opening, every=every, start=start)
