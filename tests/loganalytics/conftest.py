"""A peer over TLS, a lake and a state database, and sources between them."""

import gc
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from acrwatch.devhub.entra import AccessToken
from ingest.eventhub.access import Access
from ingest.loganalytics.access import LogsAccess
from ingest.normalise import Normaliser
from ingest.opening import Opening
from ingest.pipeline import Counts, Pipeline
from ingest.sources import Source
from ingest.sources.loganalytics import History, LogAnalyticsSource
from storage.lake import Lake
from storage.state.database import Database
from tests.loganalytics.peer import AUDIENCE, Peer
from tests.loganalytics.scene import BEGIN, WORKSPACE, Hands

HISTORY = History(BEGIN, BEGIN + timedelta(days=2))


class Tokens:
    """A credential whose tokens the peer knows; `scopes` is what was asked for."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.scopes: list[str] = []
        self.wrong = 0  # so many of the next tokens are another issuer's

    async def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        self.scopes += scopes
        if self.wrong:
            self.wrong -= 1
            return AccessToken("not.a.token", 4_102_444_800)
        return AccessToken(self.peer.token(), 4_102_444_800)

    async def close(self) -> None:
        """Nothing is held."""


@dataclass
class Bench:
    """Everything that a reading needs, and what came of it."""

    peer: Peer
    folder: Path
    template: Path  # a state database as it is after migration
    clock: Hands = field(default_factory=Hands)
    paused: list[float] = field(default_factory=list)
    made: list[LogAnalyticsSource] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ca = self.peer.write_ca(self.folder / "ca.pem")
        shutil.copy(self.template, self.folder / "state.db")
        self.database = Database(f"sqlite:///{self.folder / 'state.db'}")
        self.tokens = Tokens(self.peer)
        self.peer.now = self.clock.now

    @property
    def opening(self) -> Opening:
        return Opening(Lake.open(self.folder / "lake"), self.database, self.clock)

    def source(self, *workspaces: str, history: History | None = HISTORY, **options: Any) -> LogAnalyticsSource:
        async def pause(seconds: float) -> None:
            self.paused.append(seconds)

        access = LogsAccess(workspaces or (WORKSPACE,), self.peer.endpoint, AUDIENCE, Access(ca_file=self.ca))
        options = {"token_source": lambda: self.tokens, "pause": pause, **options}
        self.made.append(LogAnalyticsSource(access, self.opening, history=history, **options))
        return self.made[-1]

    def pipeline(self, source: Source, lake: Any = None) -> Pipeline:
        store = lake or Lake.open(self.folder / "lake")
        return Pipeline(source, Normaliser(), store, self.database, self.clock, timedelta(milliseconds=20))

    def read(self, *workspaces: str, **options: Any) -> Counts:
        """Read once, to the end."""
        return self.pipeline(self.source(*workspaces, **options)).run_once()

    def events(self, *columns: str) -> list[Any]:
        """Return these columns of every stored row, sorted; of one column, its values."""
        lake = Lake.open(self.folder / "lake")
        tables = [pq.read_table(lake.root / file.path, partitioning=None) for file in lake.snapshot().files]
        rows = [tuple(row[name] for name in columns) for table in tables for row in table.to_pylist()]
        rows.sort(key=lambda row: [(value is None, value) for value in row])
        return [row[0] if len(columns) == 1 else row for row in rows]


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as found:
        yield found


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "state.db"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.close()
    return path


@pytest.fixture
def bench(peer: Peer, tmp_path: Path, template: Path) -> Iterator[Bench]:
    found = Bench(peer, tmp_path, template)
    yield found
    for source in found.made:
        source.stop()
    found.database.close()
    with warnings.catch_warnings():  # the client leaves sockets of connections that were cut short
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
