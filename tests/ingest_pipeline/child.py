"""A process to be killed: stores what a hub or a folder of files has, once.

Usage: python -m tests.ingest_pipeline.child ROOT CONNECTION_STRING|FOLDER
"""

import sys
from datetime import timedelta
from pathlib import Path

from acrwatch.core.clock import SystemClock
from acrwatch.core.setting import Secret
from ingest.eventhub.address import from_settings
from ingest.eventhub.reader import Timing
from ingest.normalise import Normaliser
from ingest.opening import Opening
from ingest.pipeline import Pipeline
from ingest.sources import Source, eventhub
from ingest.sources.eventhub import EventHubSource
from ingest.sources.files import FilesSource
from storage.lake import Lake
from storage.state.database import Database


def hub_source(connection_string: str, opening: Opening) -> Source:
    values = {setting.name: setting.default for setting in eventhub.SETTINGS}
    values |= {"connection_string": Secret(connection_string), "eventhub": "acr-audit"}
    return EventHubSource(from_settings(values), opening, prefetch=10, timing=Timing(heartbeat=0.1))


def main(root: Path, target: str) -> None:
    database = Database(f"sqlite:///{root / 'state.db'}")
    database.migrate()
    opening = Opening(Lake.open(root / "lake"), database, SystemClock())
    source = hub_source(target, opening) if target.startswith("Endpoint=") else FilesSource([target], opening)
    Pipeline(
        source,
        Normaliser(),
        Lake.open(root / "lake"),
        database,
        SystemClock(),
        commit_interval=timedelta(milliseconds=20),
    ).run_once()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
