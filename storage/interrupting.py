"""Queries that end in time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb

_AGAIN: Final = 0.05


@contextmanager
def interrupted_after(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[threading.Event]:
    """Interrupt what runs in the block when its time is over: again and again, for DuckDB forgets an interruption that
    comes while a query begins. The event yielded is set from then on. Any number of
    seconds will do."""
    done, over = threading.Event(), threading.Event()

    def watch() -> None:
        ended = done.wait(min(seconds, threading.TIMEOUT_MAX))
        while not ended:
            over.set()
            connection.interrupt()
            ended = done.wait(_AGAIN)

    watcher = threading.Thread(target=watch, name="query-limit", daemon=True)
    watcher.start()
    try:
        yield over
    finally:
        done.set()
        watcher.join()  # or it might interrupt the next query
