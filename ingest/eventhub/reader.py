"""Reads all partitions of an event hub on an event loop of its own, and keeps reading whatever happens to the links."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NoReturn, TypeVar

from acrwatch.core.errors import AcrWatchError, AuthError, NotFoundError, RemoteUnreachableError
from ingest.backoff import Backoff
from ingest.eventhub.address import Address, Start
from ingest.eventhub.buffer import MessageBuffer
from ingest.eventhub.hub import Arrived, Hub, Look, Stopped
from ingest.eventhub.partition import Partition
from ingest.eventhub.positions import Stored
from ingest.eventhub.reports import Reports
from ingest.notices import Notices

log = logging.getLogger(__name__)
T = TypeVar("T")

_STOP_SECONDS: Final = 15.0
_GRACE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. `look`: between two looks at what a partition holds, which also find a link that is silently dead and
    an epoch opened by `acrwatch ingest reset`; `outage`: how long a failure may last before it is reported;
    `proof`: how old a link without messages must be to count as open, for the client beats while it still tries;
    `heartbeat`: bounds how long stopping takes; retries wait from `first_retry` up to `last_retry`."""

    look: float = 30.0
    outage: float = 10.0
    proof: float = 5.0
    heartbeat: float = 1.0
    first_retry: float = 0.5
    last_retry: float = 30.0


class Reader:
    """One run of reading: `start` once, `stop` once. `partitions` is empty until the hub has answered."""

    def __init__(
        self,
        address: Address,
        start: Start,
        prefetch: int,
        stored: Callable[[str], Stored],
        buffer: MessageBuffer,
        notices: Notices,
        timing: Timing,
    ) -> None:
        """`stored` is called on a worker thread, once for each partition and link."""
        self._address = address
        self._start = start
        self._prefetch = prefetch
        self._stored = stored
        self._buffer = buffer
        self._reports = Reports(address.name, notices)
        self._timing = timing
        self.partitions: tuple[Partition, ...] = ()
        self._failure: BaseException | None = None
        self._down: dict[str, AcrWatchError] = {}
        self._stop: asyncio.Event | None = None
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name=address.name, daemon=True)

    def start(self) -> None:
        """Begin on a thread of its own; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End all links and the thread; waits for them, but not for ever."""
        self._stopping.set()
        if self._loop is not None and self._stop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end)
        self._thread.join(_STOP_SECONDS)
        if self._thread.is_alive():
            log.warning("%s: still closing after %.0f s; leaving it to itself", self._address.name, _STOP_SECONDS)

    def failure(self) -> BaseException | None:
        """Return why nothing can be read at all, or None while at least one partition is, or may soon be, read."""
        if self._failure is not None:
            return self._failure
        reading = [partition for partition in self.partitions if not partition.stopped]
        if reading and all(partition.id in self._down for partition in reading):
            return self._down[reading[0].id]
        return None

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception as error:  # noqa: BLE001 - the loop of this thread: what ends it must reach whoever polls
            self._fail(error)

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        if self._stopping.is_set():
            return
        hub = Hub(self._address, self._prefetch, self._timing.heartbeat)
        try:
            ids = await self._discover(hub)
            self.partitions = tuple(Partition(id_, "", self._start) for id_ in ids)
            async with asyncio.TaskGroup() as group:
                for one in self.partitions:
                    group.create_task(self._supervise(hub, one), name=f"{self._address.name}/{one.id}")
        except Stopped:
            pass
        finally:
            await hub.close()

    def _end(self) -> None:
        if self._stop is not None:
            self._stop.set()
        self._buffer.release()

    async def _discover(self, hub: Hub) -> list[str]:
        """Return the partition ids, however long it takes; a lasting failure is shown meanwhile."""
        backoff, since = self._backoff(), time.monotonic()
        while True:
            try:
                ids = await self._unless_stopped(hub.partitions())
            except AcrWatchError as error:
                if self._lasts(error, since):
                    self._fail(error)
                await self._pause(backoff.wait())
            else:
                self._failure = None
                return ids

    async def _supervise(self, hub: Hub, one: Partition) -> None:
        """Read one partition until stopped: look, judge, link, and again when the link is lost."""
        backoff = self._backoff()
        with contextlib.suppress(Stopped):
            while True:
                try:
                    if await self._ready(hub, one):
                        await self._read(hub, one, backoff)
                    await self._pause(self._timing.look)
                except AcrWatchError as error:
                    self._note_down(one, error)
                    await self._pause(backoff.wait())

    async def _ready(self, hub: Hub, one: Partition) -> bool:
        """Look at the partition and judge; return False where a person must act first."""
        if one.stopped or not one.stream:
            stored = await asyncio.to_thread(self._stored, one.id)
            if stored.stream == one.stream:
                return False
            one.resume(stored)
        look = await self._look_twice(hub, one)
        one.stopped = one.went_back(look)
        if one.stopped:
            self._reports.went_back(one, look)
        else:
            self._reports.in_order(one)
            one.judge(look)
            self._reports.gaps(one)
        self._buffer.wake()
        return not one.stopped

    async def _look_twice(self, hub: Hub, one: Partition) -> Look:
        """Look, and look again before believing that the hub went back: a look may lag behind what was just read."""
        look = await self._unless_stopped(hub.look(one.id))
        if one.went_back(look):
            await self._pause(self._timing.heartbeat)
            look = await self._unless_stopped(hub.look(one.id))
        return look

    async def _read(self, hub: Hub, one: Partition, backoff: Backoff) -> NoReturn:
        """Receive until the link is lost, or is found dead: two looks apart the hub had more and nothing came."""
        deliver = partial(self._deliver, one, backoff, time.monotonic())
        link = asyncio.create_task(hub.receive(one.id, one.position(), deliver))
        try:
            behind: int | None = None
            while True:
                await asyncio.wait({link}, timeout=self._timing.look)
                if link.done():
                    link.result()
                one.aim(await hub.look(one.id))
                if one.caught_up() or self._buffer.full():
                    behind = None
                elif behind == one.buffered:
                    raise RemoteUnreachableError(f"{self._address.name}/{one.id} has messages, but none arrive")
                else:
                    behind = one.buffered
        finally:
            await self._settle(link)

    async def _deliver(self, one: Partition, backoff: Backoff, since: float, arrived: Sequence[Arrived]) -> None:
        if self._stopping.is_set():
            raise Stopped
        if arrived or time.monotonic() - since >= self._timing.proof:
            self._note_up(one)
            backoff.reset()
        if arrived:
            self._buffer.add(one.accept(arrived))
            one.settle()
            self._reports.gaps(one)
        await self._buffer.room()

    def _note_down(self, one: Partition, error: AcrWatchError) -> None:
        level = logging.DEBUG if one.down_since else logging.WARNING  # one line an outage, not one a retry
        log.log(level, "%s/%s: %s", self._address.name, one.id, error)
        one.down_since = one.down_since or time.monotonic()
        if not self._lasts(error, one.down_since):
            return
        self._down[one.id] = error
        if self.failure() is None:  # else the whole source is down, which the pipeline reports
            self._reports.down(one, error)
        self._buffer.wake()

    def _note_up(self, one: Partition) -> None:
        if one.down_since is not None:
            one.down_since = None
            self._down.pop(one.id, None)
        self._reports.up(one)

    def _lasts(self, error: AcrWatchError, since: float) -> bool:
        return isinstance(error, AuthError | NotFoundError) or time.monotonic() - since >= self._timing.outage

    def _fail(self, error: BaseException) -> None:
        self._failure = error
        self._buffer.wake()

    def _backoff(self) -> Backoff:
        return Backoff(self._timing.first_retry, self._timing.last_retry)

    async def _pause(self, seconds: float) -> None:
        assert self._stop is not None
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return
        raise Stopped

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what `work` returns; raises Stopped as soon as reading shall end."""
        assert self._stop is not None
        task, stop = asyncio.create_task(work), asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise Stopped
            return task.result()
        finally:
            stop.cancel()
            await self._settle(task)

    async def _settle(self, task: "asyncio.Task[Any]") -> None:
        """Wait for the end of a task whose outcome no longer matters.

        Where reading ends it gets a moment to end by itself: the client leaves its sockets open when it is cancelled.
        """
        if self._stopping.is_set():
            await asyncio.wait({task}, timeout=_GRACE_SECONDS)
        task.cancel()
        await asyncio.wait({task}, timeout=_GRACE_SECONDS)
        if task.done() and not task.cancelled():
            task.exception()  # else it is logged as never looked at
