"""What the commands that try rules share: the history, and how far they are."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from acrwatch.cli.session import Session
from acrwatch.cli.times import utc
from acrwatch.core.errors import NotFoundError

if TYPE_CHECKING:
    from detections.backtest import Tally
    from detections.context import Context
    from detections.detection import Detection
    from detections.trial import Progress
    from storage.lake.snapshot import Snapshot
    from storage.query import Reader
    from storage.spark import SparkReader


def stored(session: Session) -> "Snapshot":
    """Return the events that are stored. Raises NotFoundError where there is no lake."""
    from storage.lake import Lake

    path = session.config.store.path
    if not Path(path).exists():
        raise NotFoundError(f"there is no lake at {path}", remedy="Bring events in with `acrwatch run` or import")
    return Lake.open(path).snapshot()


def within_history(snapshot: "Snapshot", begin: datetime, end: datetime) -> datetime:
    """Return where a span begins, no earlier than the history: days before it would thin out the daily figures."""
    dates = [file.date for file in snapshot.files]
    if not dates or not rows_between(snapshot, begin, end):
        raise NotFoundError(
            f"no event between {utc(begin)} and {utc(end)} is stored",
            remedy="Say more with --since, or bring events in",
        )
    return max(begin, datetime.combine(min(dates), time(), UTC))


def rows_between(snapshot: "Snapshot", begin: datetime, end: datetime) -> int:
    from storage.query import span_of

    return span_of(snapshot, begin, end).rows if begin < end else 0


def tried(
    detections: "Mapping[str, Detection]",
    snapshot: "Snapshot",
    context: "Context",
    begin: datetime,
    end: datetime,
    lateness: timedelta,
    *,
    server: str | None = None,
) -> "list[Tally]":
    """Return what these rules would have done; on a Spark Connect server (`sc://host:port`) where one is given.

    Raises ConfigError, RemoteUnreachableError where the server cannot be used.
    """
    from detections.backtest import backtest as tallies

    with _opened(snapshot, server) as reader, _progress_bar(detections, begin, end) as progress:
        return list(tallies(detections, reader, context, begin, end, lateness=lateness, progress=progress))


def _opened(snapshot: "Snapshot", server: str | None) -> "Reader | SparkReader":
    if server is None:
        from storage.query import Reader

        return Reader(snapshot)
    from storage.spark import SparkReader

    return SparkReader(snapshot, server)


@contextmanager
def _progress_bar(slugs: "Mapping[str, object]", begin: datetime, end: datetime) -> "Iterator[Progress]":
    """Yield what shows on stderr, if it is a terminal, how far the rules are; each counts as much as another."""
    if not sys.stderr.isatty():
        yield lambda _slug, _moment: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    number = {slug: place for place, slug in enumerate(slugs)}
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Trying", total=len(number))
        yield lambda slug, at: bar.update(
            task, description=slug, completed=number[slug] + (at - begin) / max(end - begin, timedelta(microseconds=1))
        )
