"""Takes due deliveries from the outbox, sends them, and records what came of it. At least once, never silently lost."""

import logging
import os
import random
import socket
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
from sqlalchemy import Connection

from acrwatch.core.clock import Clock
from acrwatch.core.crashpoint import reach
from acrwatch.delivery.schedule import next_attempt
from acrwatch.delivery.sinks import Outcome, Outgoing, Sink
from storage.state import incidents, outbox
from storage.state.database import Database
from storage.state.outbox import Attempt, Delivery

_log: Final = logging.getLogger(__name__)

# After its turn a destination begins no delivery until the next call, however much is waiting. A call ends with the
# slowest, and the next one, as well as whoever stops the process, waits for that: one that takes ten seconds for each
# alert of a long backlog must not keep fresh alerts from the others for an hour.
TURN: Final = timedelta(seconds=15)
BATCH: Final = 10
# A turn, and the 15 s that its last delivery may take, end well within it, so that nobody else takes them meanwhile.
LEASE: Final = timedelta(minutes=5)
# A destination that failed this often in a row is left alone until the next call: it is down, and each try may take
# the full time-out. One delivery that always fails does not stop the others.
_MAX_FAILURES_IN_A_ROW: Final = 3


@dataclass(frozen=True, slots=True)
class Summary:
    """How many attempts of one call ended how."""

    sent: int = 0
    retried: int = 0
    dead: int = 0

    def __add__(self, other: "Summary") -> "Summary":
        return Summary(self.sent + other.sent, self.retried + other.retried, self.dead + other.dead)


def deliver_due(database: Database, sinks: Mapping[str, Sink], *, clock: Clock, rng: random.Random) -> Summary:
    """Send what is due to the destinations in `sinks`, each in its own thread; return when nothing more is due, or,
    where destinations are slow, soon after TURN: then the next call goes on.

    Any number of processes may do this at once. Nothing is sent inside a transaction. A process that dies between
    sending and recording leaves a lease behind: the same delivery, with the same id, is sent again when it ends.
    Raises StoreError or RemoteUnreachableError when the state database fails; what was sent by then stays recorded.
    """
    with database.connect() as connection:
        due = outbox.due(connection, sorted(sinks), now=clock.now())
    if not due:
        return Summary()
    owner = f"{socket.gethostname()[:40]}:{os.getpid()}:{rng.getrandbits(48):012x}"
    # Each lane its own generator: shared, the threads' turns would decide who gets which number.
    lanes = [
        _Lane(database, name, sinks[name], owner, clock, random.Random(rng.getrandbits(64)))  # noqa: S311 - jitter
        for name in due
    ]
    with ThreadPoolExecutor(max_workers=len(lanes), thread_name_prefix="delivery") as pool:
        results = Counter[str]()
        for counted in list(pool.map(_Lane.run, lanes)):
            results.update(counted)
    return Summary(results["sent"], results["retry"], results["dead"])


def ping(sink: Sink, *, clock: Clock, rng: random.Random) -> Outcome:
    """Send one `test.ping` past the outbox and tell what came of it. Nothing is recorded or repeated."""
    at = clock.now()
    document = {
        "type": "test.ping",
        "timestamp": at,
        "data": {"message": "acrwatch can reach this destination"},
    }
    return sink.send(Outgoing(f"ping_{rng.getrandbits(128):032x}", "test.ping", msgspec.json.encode(document), at))


class _Lane:
    """The deliveries of one destination, one after the other."""

    def __init__(
        self, database: Database, destination: str, sink: Sink, owner: str, clock: Clock, rng: random.Random
    ) -> None:
        self._database = database
        self._destination = destination
        self._sink = sink
        self._owner = owner
        self._clock = clock
        self._rng = rng
        self._over = clock.now() + TURN
        self._results = Counter[str]()
        self._failures = 0
        self._incident = f"dead_letter/{destination}"

    def run(self) -> Counter[str]:
        while (batch := self._claim()) and self._send_all(batch):
            pass
        return self._results

    def _claim(self) -> Sequence[Delivery]:
        now = self._clock.now()
        with self._database.begin() as connection:
            return outbox.claim(connection, self._destination, owner=self._owner, lease=LEASE, limit=BATCH, now=now)

    def _send_all(self, batch: Sequence[Delivery]) -> bool:
        """Return whether to go on with this destination."""
        for index, delivery in enumerate(batch):
            if self._clock.now() > self._over:
                self._give_back(batch[index:], None)
                return False
            outcome = self._deliver(delivery)
            self._failures = self._failures + 1 if outcome.result == "retry" else 0
            if self._failures == 1:  # one line an outage and turn, not one a delivery
                _log.warning("%s did not take %s: %s", self._destination, delivery.id, outcome.detail)
            if outcome.retry_after is not None or self._failures == _MAX_FAILURES_IN_A_ROW:
                self._give_back(batch[index + 1 :], outcome.retry_after)
                return False
        return True

    def _deliver(self, delivery: Delivery) -> Outcome:
        at = self._clock.now()
        outcome = self._attempt(delivery, at)
        reach("delivery.sent")
        ended = self._clock.now()
        again = next_attempt(delivery.attempts + 1, now=ended, retry_after=outcome.retry_after, rng=self._rng)
        result = "dead" if outcome.result == "retry" and again is None else outcome.result
        attempt = Attempt(at, (ended - at).total_seconds(), result, outcome.status_code, outcome.detail)
        self._record(delivery, attempt, again)
        self._results[result] += 1
        return outcome

    def _attempt(self, delivery: Delivery, at: datetime) -> Outcome:
        try:
            return self._sink.send(Outgoing(delivery.id, delivery.type, delivery.body.encode(), at))
        except Exception as error:  # noqa: BLE001 - a defect of one sink must not stop the others, nor lose an alert
            # Its words may quote an address or a key: the type and the place say enough.
            place = traceback.extract_tb(error.__traceback__)[-1]
            detail = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
            _log.warning("%s: a defect of the sink: %s", delivery.id, detail)
            return Outcome("retry", f"a defect of acrwatch, please report it: {detail}")

    def _record(self, delivery: Delivery, attempt: Attempt, again: datetime | None) -> None:
        with self._database.begin() as connection:
            if attempt.outcome == "sent":
                outbox.finish(connection, delivery, attempt)
                if not outbox.has_dead(connection, self._destination):
                    incidents.resolve(connection, self._incident, now=self._clock.now())
            elif again is not None and attempt.outcome == "retry":
                outbox.retry_later(connection, delivery, attempt, not_before=again)
            elif outbox.dead(connection, delivery, attempt):
                self._report_dead(connection, delivery, attempt)

    def _report_dead(self, connection: Connection, delivery: Delivery, attempt: Attempt) -> None:
        _log.error("%s: gave up: %s", delivery.id, attempt.detail)
        incidents.open(
            connection,
            self._incident,
            kind="dead_letter",
            message=f"{delivery.id} was not delivered to {self._destination}: {attempt.detail}",
            remedy=f"Mend the destination, then run `acrwatch deliveries retry {self._destination}`",
            now=self._clock.now(),
        )

    def _give_back(self, rest: Sequence[Delivery], retry_after: timedelta | None) -> None:
        with self._database.begin() as connection:
            outbox.release(connection, rest)
            if retry_after is not None:
                outbox.hold(connection, self._destination, until=self._clock.now() + retry_after)
