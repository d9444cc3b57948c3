"""Keeps reading one partition, whatever happens to its links, until it is halted."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NoReturn, Protocol

from acrwatch.core.errors import AcrWatchError, AuthError, NotFoundError, RemoteUnreachableError
from ingest.backoff import Backoff
from ingest.eventhub.buffer import MessageBuffer
from ingest.eventhub.failures import StolenError
from ingest.eventhub.halt import Halt
from ingest.eventhub.hub import IDLE_SECONDS, Arrived, Hub, Look, Stopped
from ingest.eventhub.partition import Partition
from ingest.eventhub.positions import NOTHING_YET, Stored
from ingest.eventhub.reports import Reports

log = logging.getLogger(__name__)

# The client keeps the tag of every message for as long as the link lives: about 10 MB a partition by then.
LINK_MESSAGES: Final = 100_000
MOST_PATIENCE: Final = 10


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. `look`: between two looks at what a partition holds, which also find a link that is silently dead and
    an epoch opened by `acrwatch ingest reset`; `outage`: how long a failure may last before it is reported;
    `proof`: how old a link without messages must be to count as open, for the client beats while it still tries;
    `heartbeat`: bounds how long stopping takes; retries wait from `first_retry` up to `last_retry`; `tick`: between two
    rounds of balancing with other processes; `expiry`: after how long without one a process has lost its partitions.
    `idle`: after how long without any sign of life a link is closed;
    `link_messages`, a number: after how many messages a link is replaced by a new one."""

    look: float = 30.0
    outage: float = 10.0
    proof: float = 5.0
    heartbeat: float = 1.0
    first_retry: float = 0.5
    last_retry: float = 30.0
    tick: float = 5.0
    expiry: float = 20.0
    idle: float = IDLE_SECONDS
    link_messages: int = LINK_MESSAGES


class Claims(Protocol):
    """What a partition's supervisor must know of its process's claims."""

    def fresh(self) -> bool:
        """Return whether nobody can have taken over yet."""
        ...

    def begun_after(self, partition: str, last: int) -> int:
        """Return after which message reading of a partition that was never stored began. Blocks; may raise."""
        ...

    async def ticked(self) -> None:
        """Wait for the next successful round of balancing."""
        ...

    def failure(self) -> BaseException | None:
        """Return why nothing can be read at all, which is reported as one failure; None while anything can."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all partitions of a hub share. `stored` blocks: it is called on a worker thread, once for each claim."""

    hub: Hub
    name: str
    claims: Claims
    stored: Callable[[str], Stored]
    buffer: MessageBuffer
    reports: Reports
    timing: Timing


class _Worn(Stopped):
    """The link has carried as many messages as it should."""


class _MadeAnewError(Stopped):
    """The hub holds `found` where it held another message when we read it."""

    def __init__(self, found: Arrived) -> None:
        super().__init__()
        self.found = found


class Supervisor:
    """Reads `one` from `run` until `halt`. Belongs to the event loop of the hub."""

    def __init__(self, one: Partition, around: Surroundings) -> None:
        self.one = one
        self.down: AcrWatchError | None = None  # why it cannot be read, once that has lasted
        self._around = around
        self._timing = around.timing
        self._patience = 1  # looks without anything new after which a link that should bring something is dead
        self._stopped: Callable[[], None] = lambda: None  # says why a person must act first
        self._denied = False  # the last failure was that our credentials were refused
        self._halt = Halt()
        self._backoff = Backoff(around.timing.first_retry, around.timing.last_retry)

    def halt(self) -> None:
        """Let `run` end, within a heartbeat where a link is open."""
        self._halt.set()

    async def run(self, after: Awaitable[object] | None) -> None:
        """Look, judge, link, and again when the link is lost. `after`: reading of the same partition that must end."""
        with contextlib.suppress(Stopped):
            if after is not None:
                await after
            while True:
                await self._attempt()

    async def _attempt(self) -> None:
        try:
            if not self._around.claims.fresh():
                await self._doubt()
            if await self._ready():
                await self._read()
            await self._halt.pause(self._timing.look)
        except _Worn:
            log.debug("%s/%s: a new link after many messages", self._around.name, self.one.id)
        except _MadeAnewError as error:
            self._stop(partial(self._around.reports.made_anew, self.one, error.found))
            self._around.buffer.wake()
        except StolenError as error:
            self._note_down(error)
            await self._doubt()
        except AcrWatchError as error:
            self._note_down(error)
            await self._halt.pause(self._backoff.wait())

    async def _doubt(self) -> None:
        """Wait until a round of balancing has confirmed the partition, which is then read from what is stored."""
        await self._halt.unless(self._around.claims.ticked())
        self.one.stream = ""

    async def _ready(self) -> bool:
        """Look at the partition and judge; return False where a person must act first."""
        one, reports = self.one, self._around.reports
        if one.stopped or not one.stream:
            stored = await asyncio.to_thread(self._around.stored, one.id)
            if stored.stream == one.stream:
                self._stopped()
                return False
            one.resume(stored)
        look = await self._look_twice()
        one.stopped = one.went_back(look)
        if one.stopped:
            self._stop(partial(reports.went_back, one, look))
        else:
            if one.received is None and one.start == "latest":
                begun = await asyncio.to_thread(self._around.claims.begun_after, one.id, look.last)
                one.received = min(begun, look.last)  # greater only if the hub was made anew: then from its beginning
            one.judge(look)
            if one.anchor is None:
                reports.in_order(one)
            reports.gaps(one)
            reports.lag(one, one.wait(look, time.monotonic()))
        self._around.buffer.wake()
        return not one.stopped

    def _stop(self, say: Callable[[], None]) -> None:
        self._stopped = say
        say()

    async def _look_twice(self) -> Look:
        """Look, and look again before believing that the hub went back: a look may lag behind what was just read."""
        look = await self._halt.unless(self._around.hub.look(self.one.id))
        if self.one.went_back(look):
            await self._halt.pause(self._timing.heartbeat)
            look = await self._halt.unless(self._around.hub.look(self.one.id))
        return look

    async def _read(self) -> NoReturn:
        """Receive until the link is lost, or is found dead: two looks apart the hub had more and nothing came.

        Each time in a row that has to hold for a look longer, or a machine too slow for it would never get anywhere.
        """
        one, hub = self.one, self._around.hub
        deliver = partial(self._deliver, time.monotonic(), [self._timing.link_messages])
        link = asyncio.create_task(hub.receive(one.id, one.position(), deliver))
        try:
            behind, idle = NOTHING_YET, 0
            while True:
                await asyncio.wait({link}, timeout=self._timing.look)
                if link.done():
                    link.result()
                look = await hub.look(one.id)
                one.aim(look)
                self._around.reports.lag(one, one.wait(look, time.monotonic()))
                waits = not one.caught_up() and not self._around.buffer.full()
                idle = (idle + 1 if behind == one.buffered else 1) if waits else 0
                behind = one.buffered
                if idle > self._patience:
                    self._patience = min(self._patience + 1, MOST_PATIENCE)
                    raise RemoteUnreachableError(f"{self._around.name}/{one.id} has messages, but none arrive")
        finally:
            await self._halt.settle(link)

    async def _deliver(self, since: float, remaining: list[int], arrived: Sequence[Arrived]) -> None:
        if self._halt.is_set():
            raise Stopped
        if remaining[0] <= 0:
            raise _Worn
        if arrived or time.monotonic() - since >= self._timing.proof:
            self._note_up()
            self._backoff.reset()
        if arrived:
            self._patience = 1
            self._compare(arrived)
            remaining[0] -= len(arrived)
            self._around.buffer.add(self.one.accept(arrived))
            self.one.settle()
            self._around.reports.gaps(self.one)
        await self._around.buffer.room()

    def _compare(self, arrived: Sequence[Arrived]) -> None:
        if self.one.anchor is not None:
            found = self.one.foreign(arrived)
            if found is not None:
                self.one.stopped = True  # at once: while the link closes, nothing is due, and it is not a dead one
                raise _MadeAnewError(found)
            self._around.reports.in_order(self.one)

    def _note_down(self, error: AcrWatchError) -> None:
        one = self.one
        if self._halt.is_set():
            return
        level = logging.DEBUG if one.down_since else logging.WARNING  # one line an outage, not one a retry
        if isinstance(error, StolenError):
            level = logging.INFO  # usually the balance; where it is not, the outage is reported below
        log.log(level, "%s/%s: %s", self._around.name, one.id, error)
        one.down_since = one.down_since or time.monotonic()
        denied, self._denied = self._denied, isinstance(error, AuthError)
        if self._denied and not denied:
            return  # a new token may do: only when that is refused, too, must a person act
        if lasts(error, one.down_since, self._timing.outage):
            self.down = error
            if self._around.claims.failure() is None:  # else the whole source is down, which the pipeline reports
                self._around.reports.down(one, error)
            self._around.buffer.wake()

    def _note_up(self) -> None:
        self.one.down_since = self.down = None
        self._denied = False
        self._around.reports.up(self.one)


def lasts(error: AcrWatchError, since: float, outage: float) -> bool:
    """Return whether a failure that began at `since` (monotonic) is to be reported, and not waited out in silence."""
    return isinstance(error, AuthError | NotFoundError) or time.monotonic() - since >= outage
