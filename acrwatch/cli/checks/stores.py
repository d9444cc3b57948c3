"""Is the state database in order, does the lake open, is there room, do the clocks agree."""

import os
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from acrwatch.cli.checks.result import FAIL, OK, WARN, Result
from acrwatch.cli.session import Session
from acrwatch.cli.times import ago
from acrwatch.core.errors import NotFoundError
from acrwatch.core.wording import counted

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from storage.lake import Lake

# A day of a busy installation takes under a gigabyte, so this leaves a day to react; at the second, writes soon fail.
_SCARCE_BYTES: Final = 2 * 1024**3
_SCARCE_SHARE: Final = 0.05
_SPENT_BYTES: Final = 200 * 1024**2
# Clocks kept by NTP differ by milliseconds; leases and webhook signatures bear seconds.
CLOCK_DIFFERENCE: Final = timedelta(seconds=5)


def state(session: Session) -> Iterator[Result]:
    """Look at the state database: there at all, reachable, schema current, its clock. Raises AcrWatchError."""
    try:
        yield from _state(session)
    except NotFoundError as error:  # before the first start; or the wrong folder, which the message names
        yield Result("state", WARN, error.message, error.remedy)


def _state(session: Session) -> Iterator[Result]:
    from storage.state import migration
    from storage.state.dialect import database_time

    with session.database() as database, database.connect() as connection:
        if not migration.is_current(connection, database.name):
            yield Result("state", FAIL, f"{database.name} has an old schema", "Run `acrwatch db migrate`")
            return
        yield Result("state", OK, f"{database.name} answers, its schema is current")
        if connection.dialect.name != "sqlite":  # whose clock is this machine's
            yield clock("database", database_time(connection), session.clock.now())


def clock(whose: str, theirs: datetime, now: datetime) -> Result:
    """Compare a clock with ours."""
    difference = abs(theirs - now)
    seconds = f"{difference.total_seconds():.1f} s"
    if difference > CLOCK_DIFFERENCE:
        return Result("clock", WARN, f"the {whose}'s clock differs from ours by {seconds}", "Keep both by NTP")
    return Result("clock", OK, f"the {whose}'s clock agrees with ours within {seconds}")


def lake(session: Session) -> Iterator[Result]:
    """Look at the lake: opens, writable, room, age of the newest event. Raises AcrWatchError."""
    from storage.lake import Lake

    root = Path(session.config.store.path)
    if not root.exists():
        yield Result("lake", WARN, f"there is none at {root} yet", "`acrwatch run` makes it with the first event")
        yield _room(_existing(root))
        return
    if not os.access(root, os.W_OK | os.X_OK):
        yield Result("lake", FAIL, f"{root} cannot be written", "Give the acrwatch user write access to the folder")
        return
    opened = Lake.open(root)
    snapshot = opened.snapshot()
    rows = sum(file.rows for file in snapshot.files)
    yield Result("lake", OK, f"{root} opens: {counted(rows, 'event')} in {counted(len(snapshot.files), 'file')}")
    yield _room(root)
    if snapshot.files:
        yield _newest(opened, session.clock.now())


def _newest(lake: "Lake", now: datetime) -> Result:
    from storage.query import Reader

    snapshot = lake.snapshot()
    last_date = max(file.date for file in snapshot.files)
    with Reader(snapshot) as reader:
        files = snapshot.between(last_date, last_date)
        reader.view("seen", reader.whole(), files, lateness=timedelta(days=1), derived={}, where="true")
        (row,) = reader.query("SELECT max(event_time) AS event, max(ingested_at) AS stored FROM seen").to_pylist()
    if row["event"] - now > CLOCK_DIFFERENCE:
        what = f"the newest event happened at {row['event']:%Y-%m-%d %H:%M:%S}Z, which is in the future"
        return Result("newest event", WARN, what, "Compare this machine's clock with the registry's (NTP)")
    return Result("newest event", OK, f"happened {ago(row['event'], now)}, stored {ago(row['stored'], now)}")


def _existing(path: Path) -> Path:
    return next(parent for parent in path.parents if parent.exists())


def _room(path: Path) -> Result:
    usage = shutil.disk_usage(path)
    what = f"{usage.free / 1024**3:.1f} GB free where the lake is ({usage.free / usage.total:.0%})"
    if usage.free < _SPENT_BYTES:
        return Result("disk", FAIL, what, "Free some space, or set store.retention")
    if usage.free < _SCARCE_BYTES or usage.free < _SCARCE_SHARE * usage.total:
        return Result("disk", WARN, what, "Free some space, or set store.retention")
    return Result("disk", OK, what)


def health(connection: "Connection", now: datetime) -> Iterator[Result]:
    """Tell which incidents are open and which events of the last day could not be judged."""
    from storage.state import incidents, leases, runs

    ended = leases.lapsed(connection, "watch")
    if ended is not None:
        what = f"no `acrwatch run` has looked for silence, lag and gaps since {ended:%Y-%m-%d %H:%M}Z"
        yield Result("watch", WARN, what, "Is `acrwatch run` running? Its log says why it ended")
    found = [one for one in incidents.current(connection) if not one.aged(now)]
    for one in found:
        since = f"{one.message} (since {one.since:%Y-%m-%d %H:%M}Z)"
        ack = f". Then `acrwatch incidents ack {one.key}`" if incidents.kind_of(one.kind).once else ""
        yield Result(f"incident {one.kind}", WARN, since, f"{one.remedy}{ack}")
    if not found:
        yield Result("incidents", OK, "none is open")
    unjudged = runs.unjudged(connection, since=now - timedelta(days=1))
    for slug, count in sorted(unjudged.items()):
        what = f"{slug} could not judge {counted(count, 'event')} of the last day"
        yield Result("unjudged", WARN, what, "`acrwatch check --live` shows which members are absent or unusable")
    if not unjudged:
        yield Result("unjudged", OK, "no detection met an event in the last day that it could not judge")
