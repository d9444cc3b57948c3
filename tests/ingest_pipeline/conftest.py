"""A pipeline over a real lake and a real state database."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from acrwatch.core.clock import SystemClock
from ingest.backoff import Backoff
from ingest.normalise import Normaliser
from ingest.pipeline import Pipeline, Store
from ingest.sources import Source
from storage.lake import Lake
from storage.state.database import Database
from tests.sqlite import database_in

MakePipeline = Callable[..., Pipeline]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = database_in(tmp_path / "state.db")
    yield made
    made.close()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


@pytest.fixture
def pipeline_of(lake: Lake, database: Database) -> MakePipeline:
    def make(
        source: Source,
        *,
        store: Store | None = None,
        interval: timedelta = timedelta(milliseconds=50),
        on_commit: Callable[[], object] = lambda: None,
    ) -> Pipeline:
        return Pipeline(
            source,
            Normaliser(),
            store or lake,
            database,
            SystemClock(),
            commit_interval=interval,
            on_commit=on_commit,
            backoff=Backoff(0.01, 0.02),
        )

    return make
