"""Reads this process's part of an event hub's partitions on an event loop of its own, and keeps reading."""

import asyncio
import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Final

from acrwatch.core.errors import AcrWatchError
from ingest.backoff import Backoff
from ingest.eventhub.address import Address, Start
from ingest.eventhub.balancer import Balancer
from ingest.eventhub.buffer import MessageBuffer
from ingest.eventhub.credentials import MakeTokenSource
from ingest.eventhub.halt import Halt
from ingest.eventhub.hub import Hub, Stopped
from ingest.eventhub.partition import Partition
from ingest.eventhub.positions import Stored
from ingest.eventhub.reports import Reports
from ingest.eventhub.supervision import Supervisor, Surroundings, Timing, lasts
from ingest.notices import Notices
from storage.state.database import Database

__all__ = ["Reader", "Timing"]

log = logging.getLogger(__name__)

_STOP_SECONDS: Final = 15.0


class Reader:
    """One run of reading: `start` once, `stop` once. `partitions` are those claimed at present."""

    def __init__(
        self,
        address: Address,
        start: Start,
        prefetch: int,
        stored: Callable[[str], Stored],
        buffer: MessageBuffer,
        notices: Notices,
        database: Database,
        timing: Timing,
        token_source: MakeTokenSource | None = None,
    ) -> None:
        """`stored` is called on a worker thread, once for each claim of a partition. `token_source` takes the place of
        the credential that the address names."""
        self._address = address
        self._start = start
        self._prefetch = prefetch
        self._stored = stored
        self._buffer = buffer
        self._reports = Reports(address.name, notices)
        self._timing = timing
        self._token_source = token_source
        self._balancer = Balancer(database, address, timing.expiry)
        self._supervisors: dict[str, Supervisor] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._balanced = False
        self._failure: BaseException | None = None
        self._halt: Halt | None = None
        self._round: asyncio.Future[None] | None = None
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name=address.name, daemon=True)

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """The partitions that this process reads."""
        return tuple(supervisor.one for supervisor in tuple(self._supervisors.values()))

    def start(self) -> None:
        """Begin on a thread of its own; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End all links and the thread, and release the partitions; waits for that, but not for ever."""
        self._stopping.set()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._end)
        self._thread.join(_STOP_SECONDS)
        if self._thread.is_alive():
            log.warning("%s: still closing after %.0f s; leaving it to itself", self._address.name, _STOP_SECONDS)

    def failure(self) -> BaseException | None:
        """Return why nothing can be read at all, or None while a partition is, or may soon be, read, here."""
        if self._failure is not None:
            return self._failure
        reading = [one for one in tuple(self._supervisors.values()) if not one.one.stopped]
        if reading and all(one.down is not None for one in reading):
            return reading[0].down
        return None

    def caught_up(self) -> bool:
        """Return whether everything due in the partitions claimed is in the buffer; True where others read them all."""
        return self._balanced and all(one.caught_up() for one in self.partitions)

    def fresh(self) -> bool:
        """See ingest.eventhub.supervision.Claims."""
        return self._balancer.fresh()

    def begun_after(self, partition: str, last: int) -> int:
        """See ingest.eventhub.supervision.Claims."""
        return self._balancer.begun_after(partition, last)

    async def ticked(self) -> None:
        """See ingest.eventhub.supervision.Claims."""
        if self._round is None:
            self._round = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._round)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception as error:  # noqa: BLE001 - the loop of this thread: what ends it must reach whoever polls
            self._fail(error)
        finally:
            self._balancer.release()

    async def _main(self) -> None:
        self._loop, self._halt = asyncio.get_running_loop(), Halt()
        if self._stopping.is_set():
            return
        hub = Hub(self._address, self._prefetch, self._timing.heartbeat, self._timing.idle, self._token_source)
        try:
            ids = await self._discover(hub, self._halt)
            async with asyncio.TaskGroup() as group:
                await self._balance(self._surroundings(hub), ids, group, self._halt)
        except Stopped:
            pass
        finally:
            await hub.close()

    def _end(self) -> None:
        assert self._halt is not None
        self._halt.set()
        for supervisor in self._supervisors.values():
            supervisor.halt()
        self._buffer.release()

    def _surroundings(self, hub: Hub) -> Surroundings:
        return Surroundings(hub, self._address.name, self, self._stored, self._buffer, self._reports, self._timing)

    async def _discover(self, hub: Hub, halt: Halt) -> list[str]:
        """Return the partition ids, however long it takes; a lasting failure is shown meanwhile."""
        backoff, since = Backoff(self._timing.first_retry, self._timing.last_retry), time.monotonic()
        while True:
            try:
                ids = await halt.unless(hub.partitions())
            except AcrWatchError as error:
                if lasts(error, since, self._timing.outage):
                    self._fail(error)
                await halt.pause(backoff.wait())
            else:
                self._failure = None
                return ids

    async def _balance(self, around: Surroundings, ids: list[str], group: asyncio.TaskGroup, halt: Halt) -> None:
        """Claim and renew once a tick until stopped; while the database is away, keep what is held."""
        chance = random.Random()  # noqa: S311 - keeps processes from ticking as one
        down_since: float | None = None
        with contextlib.suppress(Stopped):
            while not halt.is_set():
                try:
                    owned = await asyncio.to_thread(self._balancer.tick, ids)
                except AcrWatchError as error:
                    down_since = self._note_unbalanced(error, down_since)
                else:
                    down_since = None
                    self._take(around, owned, group, halt)
                await halt.pause(self._timing.tick * chance.uniform(1, 1.2))

    def _take(self, around: Surroundings, owned: frozenset[str], group: asyncio.TaskGroup, halt: Halt) -> None:
        """Halt what was lost, begin what was won, and let go on what waits for this round."""
        for id_ in self._supervisors.keys() - owned:
            lost = self._supervisors.pop(id_)
            lost.halt()
            self._reports.left(lost.one)
        for id_ in () if halt.is_set() else sorted(owned - self._supervisors.keys()):
            supervisor = Supervisor(Partition(id_, "", self._start), around)
            self._tasks[id_] = group.create_task(
                supervisor.run(self._tasks.get(id_)), name=f"{self._address.name}/{id_}"
            )
            self._supervisors[id_] = supervisor
        self._balanced, self._failure = True, None
        if self._round is not None:
            self._round.set_result(None)
            self._round = None
        self._buffer.wake()

    def _note_unbalanced(self, error: AcrWatchError, since: float | None) -> float:
        level = logging.WARNING if since is None else logging.DEBUG  # one line an outage, not one a tick
        log.log(level, "%s: cannot renew its partitions, keeps them: %s", self._address.name, error)
        since = since or time.monotonic()
        if not self._balanced and lasts(error, since, self._timing.outage):
            self._fail(error)
        return since

    def _fail(self, error: BaseException) -> None:
        self._failure = error
        self._buffer.wake()
