"""A bar on stderr, if it is a terminal, of how far something is that runs meanwhile."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

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
