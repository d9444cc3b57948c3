"""A stop that cuts every wait short."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from ingest.eventhub.hub import Stopped

T = TypeVar("T")
_GRACE_SECONDS: Final = 5.0


class Halt:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """End the waits below, now and from now on."""
        self._event.set()

    def is_set(self) -> bool:
        """Return whether reading shall end."""
        return self._event.is_set()

    async def pause(self, seconds: float) -> None:
        """Wait; raises Stopped as soon as reading shall end."""
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return
        raise Stopped

    async def unless(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what `work` returns; raises Stopped as soon as reading shall end."""
        task, stop = asyncio.create_task(work), asyncio.create_task(self._event.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise Stopped
            return task.result()
        finally:
            stop.cancel()
            await self.settle(task)

    async def settle(self, task: "asyncio.Task[Any]") -> None:
        """Wait for the end of a task whose outcome no longer matters.

        Where reading ends it gets a moment to end by itself: the client leaves its sockets open when it is cancelled.
        """
        if self.is_set():
            await asyncio.wait({task}, timeout=_GRACE_SECONDS)
        task.cancel()
        await asyncio.wait({task}, timeout=_GRACE_SECONDS)
        if task.done() and not task.cancelled():
            task.exception()  # else it is logged as never looked at
