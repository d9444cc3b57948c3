"""A bar on stderr, if it is a terminal, of how far something is that runs meanwhile."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

    from ingest.sources.files import Progress

_REFRESH_SECONDS: Final = 0.2


@contextmanager
def bar(
    what: str, columns: "Callable[[], Sequence[ProgressColumn]]", look: Callable[[], dict[str, Any]]
) -> Iterator[None]:
    """Show how far it is while the block runs. `look` tells `total`, `completed`, and fields that columns name."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import Progress

    done = threading.Event()
    with Progress(*columns(), console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, **{"total": None, **look()})

        def refresh() -> None:
            while not done.wait(_REFRESH_SECONDS):
                shown.update(task, **look())

        thread = threading.Thread(target=refresh, name="progress")
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


class ReadingBytes(Protocol):
    """A source that says how many bytes it has read, and will read."""

    progress: "Progress"


def progress_bar(source: ReadingBytes, what: str) -> AbstractContextManager[None]:
    """Show how far a source has read: bytes, rate, and how long it will take."""

    def columns() -> "Sequence[ProgressColumn]":
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn

        said = TextColumn("{task.description}", markup=False)
        return said, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()

    def look() -> dict[str, Any]:
        return {"total": source.progress.bytes_total or None, "completed": source.progress.bytes_done}

    return bar(what, columns, look)
