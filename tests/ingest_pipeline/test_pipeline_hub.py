"""The whole way from a hub to the lake, through restarts and lost connections."""

import threading
import time
from collections.abc import Callable
from itertools import count

import pyarrow.parquet as pq

from acrwatch.core.clock import SystemClock
from acrwatch.core.setting import Secret
from acrwatch.devhub import DevHub
from ingest.eventhub.address import from_settings
from ingest.eventhub.reader import Timing
from ingest.opening import Opening
from ingest.pipeline import Pipeline
from ingest.sources import eventhub
from storage.lake import Lake
from storage.state.database import Database
from tests.ingest_pipeline.scene import body

MakePipeline = Callable[..., Pipeline]
HUB = "acr-audit"
QUICK = Timing(look=1.0, outage=1.0, proof=1.0, heartbeat=0.1, first_retry=0.3, last_retry=0.5)


def source_of(hub: DevHub, lake: Lake, database: Database) -> eventhub.EventHubSource:
    values = {setting.name: setting.default for setting in eventhub.SETTINGS}
    values |= {"connection_string": Secret(hub.connection_string), "eventhub": HUB}
    return eventhub.EventHubSource(from_settings(values), Opening(lake, database, SystemClock()), timing=QUICK)


def stored(lake: Lake) -> list[str]:
    tables = [pq.read_table(lake.root / file.path, partitioning=None) for file in lake.snapshot().files]
    return sorted(value for table in tables for value in table.column("identity").to_pylist())


def test_restarts_and_lost_connections_lose_and_double_nothing(
    lake: Lake, database: Database, pipeline_of: MakePipeline
) -> None:
    numbers = count()
    sent = 0
    with DevHub(hubs={HUB: 2}) as hub:
        for _ in range(3):
            stop = threading.Event()
            thread = threading.Thread(target=pipeline_of(source_of(hub, lake, database)).run, args=(stop,))
            thread.start()
            for _ in range(2):
                for _ in range(40):
                    hub.append(HUB, body(next(numbers), next(numbers)))
                    sent += 2
                _wait_for_progress(lake)
                hub.abort_connections()
            stop.set()
            thread.join(30)
            assert not thread.is_alive()
        pipeline_of(source_of(hub, lake, database)).run_once()
    assert stored(lake) == sorted(f"user{number}@example.com" for number in range(sent))


def _wait_for_progress(lake: Lake) -> None:
    """Wait until something more is stored than at the call."""
    version, deadline = lake.snapshot().version, time.monotonic() + 30
    while lake.snapshot().version == version:
        assert time.monotonic() < deadline, "nothing was stored"
        threading.Event().wait(0.02)
