"""A lake, a state database, and readers of a local event hub with short waits."""

import gc
import warnings
from collections.abc import Iterator

import pytest

from acrwatch.core.clock import SystemClock
from acrwatch.devhub import DevHub
from ingest.eventhub.address import from_settings
from ingest.eventhub.reader import Timing
from ingest.opening import Opening
from ingest.sources import eventhub
from storage.lake import Lake
from tests.ingest_sources.reading import HUB, QUICK, MakeSource, settings_of
from tests.sqlite import database_in


@pytest.fixture
def opening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opening]:
    folder = tmp_path_factory.mktemp("store")
    database = database_in(folder / "state.db")
    yield Opening(Lake.open(folder / "lake"), database, SystemClock())
    database.close()


@pytest.fixture
def hub() -> Iterator[DevHub]:
    with DevHub(hubs={HUB: 2}) as hub:
        yield hub


@pytest.fixture
def source_of(opening: Opening) -> Iterator[MakeSource]:
    """Make sources, started, that are stopped at the end whatever happens."""
    made: list[eventhub.EventHubSource] = []

    def make(hub: DevHub, *, timing: Timing = QUICK, **settings: object) -> eventhub.EventHubSource:
        values = settings_of(hub, **settings)
        source = eventhub.EventHubSource(
            from_settings(values), opening, start=values["start"], prefetch=values["prefetch"], timing=timing
        )
        made.append(source)
        source.start()
        return source

    yield make
    while made:
        made.pop().stop()
    with warnings.catch_warnings():  # the client leaves the socket of a connection whose opening was cut short
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
