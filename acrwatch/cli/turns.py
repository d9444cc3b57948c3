"""Running until told to stop: one thing again and again, or several threads side by side."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import Final

from acrwatch.core.errors import RemoteUnreachableError, StoreError

_log: Final = logging.getLogger(__name__)


@contextmanager
def stopped_by_signal() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM and SIGINT set; what the signals did before is restored afterwards."""
    stopping = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    _log.info("Running; SIGTERM or Ctrl-C ends it in order")
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def repeat(turn: Callable[[], object], every: timedelta) -> None:
    """Do a turn at once and then `every` so often, until a signal. The turn under way is finished.

    Where waiting may help (StoreError, RemoteUnreachableError) the error is logged and the next turn tries again.
    """
    with stopped_by_signal() as stopping:
        while not stopping.is_set():
            try:
                turn()
            except (StoreError, RemoteUnreachableError) as error:
                _log.error("%s; trying again in %s", error, every)
            stopping.wait(every.total_seconds())


def side_by_side(works: Sequence[Callable[[threading.Event], object]]) -> None:
    """Run each work in a thread, passing the event that tells it to stop, until a signal; then wait for all."""
    with stopped_by_signal() as stopping:
        threads = [threading.Thread(target=work, args=(stopping,), name=f"work-{n}") for n, work in enumerate(works)]
        for thread in threads:
            thread.start()
        stopping.wait()
        for thread in threads:
            thread.join()
