"""A lake, a database and a watch over them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path

import pyarrow as pa
import pytest

from detections.blindness import Watch, Watched
from detections.notices import Publishing
from storage.lake import Lake
from storage.schema import ARROW_SCHEMA
from storage.state import alerts, incidents
from storage.state.alerts import Alert
from storage.state.database import Database

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
STREAM = "eventhub/example/acr-audit/0/0"


@dataclass
class Sight:
    """What a watch looks at, and what it made of it."""

    lake: Lake
    database: Database
    watch: Watch
    stored: int = field(default=0)

    def spoke(self, registry: str, times: Sequence[datetime], *, waited: timedelta = timedelta(seconds=5)) -> None:
        """Store an event of a registry at each time; each waited in the hub before it was stored."""
        rows = []
        for time in times:
            self.stored += 1
            rows.append(
                {
                    "event_id": blake2b(str(self.stored).encode(), digest_size=16).digest(),
                    "event_date": time.date(),
                    "event_time": time,
                    "category": "ContainerRegistryRepositoryEvents",
                    "operation_name": "Pull",
                    "resource_id": f"/registries/{registry}",
                    "registry": registry,
                    "operation": "pull",
                    "succeeded": True,
                    "identity_kind": "user",
                    "ingested_at": time + waited,
                    "source": STREAM,
                    "sequence_number": self.stored,
                    "enqueued_time": time,
                }
            )
        self.lake.commit(pa.Table.from_pylist(rows, ARROW_SCHEMA), {STREAM: self.stored})

    def look(self, after: timedelta = timedelta()) -> Watched:
        return self.watch.look(now=NOW + after)

    def incidents(self) -> list[str]:
        with self.database.connect() as connection:
            return [one.key for one in incidents.current(connection)]

    def alerts(self) -> list[Alert]:
        with self.database.connect() as connection:
            return alerts.find(connection)


@pytest.fixture
def make_sight(database: Database, tmp_path: Path) -> Callable[..., Sight]:
    """Return a maker of watches over one lake and one database, of every kind at hand."""
    lake = Lake.open(tmp_path / "lake")

    def made(*registries: str) -> Sight:
        return Sight(lake, database, Watch(lake, database, registries, Publishing(("siem",))))

    return made


@pytest.fixture
def hourly() -> Callable[..., list[datetime]]:
    """Return a moment per hour for so many days, the last so long before NOW."""

    def times(days: int, ended: timedelta) -> list[datetime]:
        return [NOW - ended - timedelta(hours=hour) for hour in reversed(range(24 * days))]

    return times
