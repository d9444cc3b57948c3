"""One question to a hub that opens no link and gives the asyncio client no reason: why?"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Final

# Four round trips to the region; the blocking client may need as long again to notice that it was closed.
ASK_SECONDS: Final = 5.0
_OPEN_SECONDS: Final = 1.0  # a link over which nothing was refused for this long is open


class Lent:
    """A credential of the event loop, for use on a thread beside it."""

    def __init__(self, get_token: Callable[..., Any], loop: asyncio.AbstractEventLoop) -> None:
        self._get_token = get_token
        self._loop = loop

    def get_token(self, *scopes: str, **options: Any) -> Any:
        """Return a token. Raises TimeoutError where the loop gives none in time."""
        return asyncio.run_coroutine_threadsafe(self._get_token(*scopes, **options), self._loop).result(ASK_SECONDS)


async def reason(client: Any, partition: str) -> Exception | None:
    """Return what the hub says when `client`, a blocking one, attaches to a partition; None if nothing in 5 s.

    It attaches without a level, which takes the partition from nobody: where somebody reads, the hub says no more than
    that. The client is closed. Nothing that it receives is used.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Exception | None] = loop.create_future()
    thread = threading.Thread(target=_ask, args=(client, partition, loop, answer), daemon=True)
    thread.start()
    try:
        async with asyncio.timeout(ASK_SECONDS):
            return await answer
    except TimeoutError:
        return None
    finally:
        await asyncio.shield(asyncio.to_thread(client.close))


def _ask(
    client: Any,
    partition: str,
    loop: asyncio.AbstractEventLoop,
    answer: "asyncio.Future[Exception | None]",
) -> None:
    def tell(error: Exception | None) -> None:
        if not answer.done():
            answer.set_result(error)

    client.receive(
        lambda _context, _event: loop.call_soon_threadsafe(tell, None),
        on_error=lambda _context, error: loop.call_soon_threadsafe(tell, error),
        partition_id=partition,
        starting_position="@latest",
        max_wait_time=_OPEN_SECONDS,
        prefetch=1,
    )
