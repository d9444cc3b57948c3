"""A lake and a state database, containers in memory, and the emulator where it is installed."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from acrwatch.core.model import Message
from ingest.normalise import Normaliser
from ingest.opening import Opening
from ingest.pipeline import Counts, Pipeline
from ingest.sources import Source
from ingest.sources.archive import ArchiveSource
from storage.lake import Lake
from storage.state import incidents, rejects
from storage.state.database import Database
from tests.archive.container import ADDRESS, Clock, Memory
from tests.azurite import REQUIRED, Archive, Azurite, program


@dataclass
class Bench:
    """Stores, and sources over a container in memory that share them."""

    folder: Path
    database: Database
    clock: Clock = field(default_factory=Clock)
    container: Memory = field(default_factory=Memory)

    def source(self, **options: Any) -> ArchiveSource:
        opening = Opening(Lake.open(self.folder / "lake"), self.database, self.clock)
        chosen = {"start": "earliest", "every": timedelta(microseconds=1), "connect": lambda _: self.container}
        return ArchiveSource(options.pop("address", ADDRESS), opening, **{**chosen, **options})

    def store(self, source: Source) -> Counts:
        """Take what there is to the lake, as `acrwatch ingest --once` does."""
        lake = Lake.open(self.folder / "lake")
        return Pipeline(source, Normaliser(), lake, self.database, self.clock).run_once()

    def rows(self) -> list[str]:
        """Return the identity of every row."""
        lake = Lake.open(self.folder / "lake")
        tables = [pq.read_table(lake.root / file.path, partitioning=None) for file in lake.snapshot().files]
        return sorted(value for table in tables for value in table.column("identity").to_pylist())

    def rejects(self) -> list[str]:
        """Return why records were refused."""
        with self.database.connect() as connection:
            return sorted(one.reason for one in rejects.recent(connection, limit=100))

    def incidents(self) -> list[str]:
        """Return the kinds of the open incidents."""
        with self.database.connect() as connection:
            return sorted(one.kind for one in incidents.current(connection))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    database = Database(f"sqlite:///{tmp_path}/state.db")
    database.migrate()
    yield Bench(tmp_path, database)
    database.close()


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """One emulator per test process."""
    if program() is None:
        assert not REQUIRED, "ACRWATCH_REQUIRE names azurite, and it is not installed: make azurite"
        pytest.skip("Azurite is not installed: make azurite")
    server = Azurite(tmp_path_factory.mktemp("azurite"))
    yield server
    server.stop()


_numbers = itertools.count()


@pytest.fixture
def archive(azurite: Azurite) -> Iterator[Archive]:
    """A container of its own."""
    made = Archive(azurite, f"insights-logs-{next(_numbers)}")
    yield made
    made.close()


Looked = Callable[[ArchiveSource], list[Message]]


def look(source: ArchiveSource, *, store: bool = True) -> list[Message]:
    """Poll a started source until it has handed out what a look finds."""
    taken: list[Message] = []
    while True:
        messages = source.poll(0)
        taken += messages
        if messages and store:
            source.stored(messages)
        if not messages and source.caught_up():
            return taken
