"""Messages on their way from the event loop that receives them to the thread that stores them."""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from acrwatch.core.model import Message

# Half a commit: what is taken is decoded at once, so it bounds by how much a batch may exceed its limit.
TAKE_BYTES: Final = 8 * 1024 * 1024


class MessageBuffer:
    """Bounded by count and bytes: while it is over either bound, `room` waits and the hub is asked for no more.

    One event loop adds, one thread takes. The bounds may be passed by one batch for each partition.
    """

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._messages: deque[Message] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._signalled = False
        self._room = asyncio.Event()
        self._room.set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, messages: Sequence[Message]) -> None:
        """Add messages; called on the event loop, which then awaits `room`."""
        self._loop = asyncio.get_running_loop()
        with self._changed:
            self._messages.extend(messages)
            self._bytes += sum(len(message.body) for message in messages)
            if self.full():
                self._room.clear()
            self._changed.notify_all()

    async def room(self) -> None:
        """Wait until both bounds are kept."""
        await self._room.wait()

    def release(self) -> None:
        """Let whoever waits for room go on; called on the event loop when reading ends."""
        self._room.set()

    def wake(self) -> None:
        """Let `take` return at once although nothing came: something else has changed."""
        with self._changed:
            self._signalled = True
            self._changed.notify_all()

    def take(self, timeout: float) -> list[Message]:
        """Return what is here, up to some TAKE_BYTES, waiting at most `timeout` seconds for something to come."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not self._messages and not self._signalled:
                remaining = deadline - time.monotonic()
                if remaining <= 0 or not self._changed.wait(remaining):
                    break
            self._signalled = False
            taken = self._oldest()
            if taken and not self.full() and self._loop is not None:
                with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile: nobody waits for room
                    self._loop.call_soon_threadsafe(self._room.set)
        return taken

    def _oldest(self) -> list[Message]:
        taken: list[Message] = []
        size = 0
        while self._messages and size < TAKE_BYTES:
            taken.append(self._messages.popleft())
            size += len(taken[-1].body)
        self._bytes -= size
        return taken

    def empty(self) -> bool:
        """Return whether everything added was taken."""
        return not self._messages

    def full(self) -> bool:
        """Return whether nothing more is asked for at present."""
        return len(self._messages) >= self._max_messages or self._bytes >= self._max_bytes
