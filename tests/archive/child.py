"""A process to be killed: stores what a container has, once.

Usage: python -m tests.archive.child ROOT CONTAINER, with the account's connection string on standard input
"""

import sys
from pathlib import Path

from acrwatch.core.setting import Secret
from ingest.archive.address import from_settings
from ingest.normalise import Normaliser
from ingest.opening import Opening
from ingest.pipeline import Pipeline
from ingest.sources.archive import SETTINGS, ArchiveSource
from storage.lake import Lake
from storage.state.database import Database
from tests.archive.container import Clock


def main(root: Path, container: str, connection_string: str) -> None:
    database = Database(f"sqlite:///{root / 'state.db'}")
    database.migrate()
    values = {setting.name: setting.default for setting in SETTINGS}
    values |= {"container": container, "connection_string": Secret(connection_string)}
    clock = Clock()
    opening = Opening(Lake.open(root / "lake"), database, clock)
    source = ArchiveSource(from_settings(values), opening, start="earliest")
    Pipeline(source, Normaliser(), Lake.open(root / "lake"), database, clock).run_once()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.stdin.read())
