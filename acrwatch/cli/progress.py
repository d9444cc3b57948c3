"""How far reading is, on a terminal: bytes, rate, and how long it will take."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from ingest.sources.files import Progress

_REFRESH_SECONDS: Final = 0.2


class Reading(Protocol):
    """A source that says how far it is."""

    progress: "Progress"


@contextmanager
def progress_bar(source: Reading, what: str) -> Iterator[None]:
    """Show on stderr, if it is a terminal, how far the source has read; `what` stands before the bar."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    done = threading.Event()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def refresh() -> None:
            while not done.wait(_REFRESH_SECONDS):
                seen = source.progress
                bar.update(task, total=seen.bytes_total or None, completed=seen.bytes_done)

        thread = threading.Thread(target=refresh, name="progress")
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
