"""One question at a time to a workspace, on an event loop of its own, with patience where waiting helps.

A query may take minutes. Asked on another thread it does not keep its source from storing what came before, nor from
stopping at once.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Final, Protocol

from ingest.backoff import Backoff
from ingest.loganalytics.failures import PassingError
from ingest.loganalytics.query import Answer, Query

log = logging.getLogger(__name__)

# With waits from 1 s, doubled up to 60 s, some two minutes; or as long as the service asks for each time.
ATTEMPTS: Final = 8
_CLOSE_SECONDS: Final = 5.0
# aiohttp gives up its sockets without waiting for them: TLS over the socket over the loop take a turn each.
_CLOSING_TURNS: Final = 10


class Client(Protocol):
    """What answers: ingest.loganalytics.client.LogsClient."""

    async def ask(self, workspace: str, query: Query) -> Answer: ...

    async def close(self) -> None: ...


class Asking:
    """Begins its thread with the first question; `close` ends it, and whatever is asked then."""

    def __init__(
        self, make: Callable[[], Client], *, pause: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        """`make` is called on the event loop. `pause` waits for so many seconds."""
        self._make = make
        self._pause = pause
        self._client: Client | None = None
        self._answered = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def ask(self, workspace: str, query: Query) -> "Future[Answer]":
        """Begin to ask. The result raises what `LogsClient.ask` raises, PassingError only after several attempts."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="log-analytics", daemon=True)
            self._thread.start()
        return asyncio.run_coroutine_threadsafe(self._patiently(workspace, query), self._loop)

    def close(self) -> None:
        """End what is asked and free the connection. Safe to call twice."""
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    async def _patiently(self, workspace: str, query: Query) -> Answer:
        """Ask again after a while where that helps. What was never reached may be a mistake, and is told at once."""
        backoff, attempt = Backoff(1, 60), 0
        while True:
            try:
                if self._client is None:
                    self._client = self._make()
                answer = await self._client.ask(workspace, query)
            except PassingError as error:
                attempt += 1
                if attempt >= ATTEMPTS or (error.status is None and not self._answered):
                    raise
                wait = backoff.wait() if error.after is None else error.after
                log.info("%s; asking again in %.0f s", error.message, wait)
                await self._pause(wait)
            else:
                self._answered = True
                return answer

    async def _end(self) -> None:
        running = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=_CLOSE_SECONDS)
        client, self._client = self._client, None
        if client is not None:
            try:
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await client.close()
            except TimeoutError:
                log.warning("the connection to Log Analytics did not close within %.0f s", _CLOSE_SECONDS)
        for _ in range(_CLOSING_TURNS):
            await asyncio.sleep(0)
