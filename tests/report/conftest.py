"""A shift over real stores: a morning of events, and alerts before, in and after it."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from acrwatch.report import around, shift
from acrwatch.report.around import Around
from acrwatch.report.scope import Scope
from acrwatch.report.shift import Shift
from storage.query import Reader
from storage.state.alerts import Alert, insert_alert
from tests.cli.test_alerts_command import ALERT
from tests.detections.conftest import START, Bench, Happening

SINCE, UNTIL = START, START + timedelta(hours=8)
LATENESS = timedelta(hours=24)


@dataclass
class Desk:
    """Stores that reports are made of. `now` is long enough after the span for its records to have come."""

    bench: Bench
    now: datetime = UNTIL + timedelta(hours=1)
    keep: timedelta | None = None

    def alert(self, name: str, at: timedelta, **changes: Any) -> Alert:
        """Store an alert whose events begin so long after the span does, and which was raised a minute later."""
        times = {"first_seen": SINCE + at, "last_seen": SINCE + at, "created_at": SINCE + at + timedelta(minutes=1)}
        made = replace(ALERT, id=name.ljust(24, "0"), **{**times, **changes})
        with self.bench.database.begin() as connection:
            insert_alert(connection, made)
        return made

    def shift(
        self, since: datetime = SINCE, until: datetime = UNTIL, judging: Collection[str] | None = None, **only: Any
    ) -> Shift:
        with self.bench.database.connect() as connection, Reader(self.bench.lake.snapshot()) as reader:
            return shift.gather(
                connection,
                reader,
                Scope(since, until, **only),
                now=self.now,
                lateness=LATENESS,
                keep=self.keep,
                judging=judging,
            )

    def around(self, alert: Alert, since: datetime = SINCE, until: datetime = UNTIL) -> Around:
        with self.bench.database.connect() as connection, Reader(self.bench.lake.snapshot()) as reader:
            return around.gather(
                connection, reader, alert, Scope(since, until), now=self.now, lateness=LATENESS, keep=self.keep
            )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(Bench(tmp_path, {}))
    yield made
    made.bench.database.close()


@pytest.fixture
def morning() -> Callable[[], list[Happening]]:
    """Two identities at work, one of them refused at times, and something before and after the span."""

    def made() -> list[Happening]:
        pulls = [Happening(n, timedelta(minutes=7 * n), repository=f"app/{n % 3}") for n in range(40)]
        deletes = [
            Happening(
                100 + n,
                timedelta(hours=2, seconds=n),
                "delete",
                "ana",
                "203.0.113.9",
                "fabrikam",
                403 if n % 3 else 202,
            )
            for n in range(12)
        ]
        outside = [Happening(200, -timedelta(seconds=1)), Happening(201, timedelta(hours=8))]
        return [*outside, *pulls, *deletes]

    return made
