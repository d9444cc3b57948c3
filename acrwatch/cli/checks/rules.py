"""Do the detections load, and do they keep up."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from acrwatch.cli.checks.result import FAIL, OK, WARN, Result
from acrwatch.cli.session import Session

if TYPE_CHECKING:
    from storage.query import Reader
    from storage.state.runs import Cursor

# Rows that wait for a pass in normal running: those of a few commits.
_BEHIND: Final = 100_000


def detections() -> Iterator[Result]:
    """Lint what is in use; `acrwatch rules test` runs the cases, which takes its time. Raises ConfigError."""
    from detections.case import case_mistakes
    from scheduler import load_detections

    found = load_detections()
    mistakes = [f"{slug}: {mistake}" for slug, one in found.items() for mistake in case_mistakes(one)]
    for mistake in mistakes:
        yield Result("detections", FAIL, mistake, "See `acrwatch rules lint`")
    if not mistakes:
        yield Result("detections", OK, f"{len(found)} load: {', '.join(sorted(found))}")


def progress(session: Session) -> Iterator[Result]:
    """Tell which detections stand behind what is stored. Raises AcrWatchError."""
    from scheduler import load_detections
    from storage.lake import Lake
    from storage.query import Reader
    from storage.state import runs

    with session.database() as database, database.connect() as connection:
        cursors = runs.load(connection)
    missing = sorted(load_detections().keys() - cursors.keys())
    if missing:
        yield Result(
            "judged", WARN, f"never ran: {', '.join(missing)}", "`acrwatch run` runs them, or `acrwatch detect`"
        )
    with Reader(Lake.open(session.config.store.path).snapshot()) as reader:
        waiting = {slug: _waiting(reader, cursor) for slug, cursor in sorted(cursors.items())}
    for slug, rows in waiting.items():
        if rows > _BEHIND:
            yield Result("judged", WARN, f"{slug} has at least {rows} events to judge", "Is `acrwatch run` running?")
    if cursors and max(waiting.values()) <= _BEHIND:
        yield Result("judged", OK, f"at most {max(waiting.values())} events wait for a detection")


def _waiting(reader: "Reader", cursor: "Cursor") -> int:
    return reader.slice_after(cursor.positions, cursor.hint).rows
