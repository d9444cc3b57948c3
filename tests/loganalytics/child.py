"""A process to be killed: backfills what a peer has, once.

Usage: PEER_TOKEN=... python -m tests.loganalytics.child FOLDER ENDPOINT
"""

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from acrwatch.devhub.entra import AccessToken
from ingest.eventhub.access import Access
from ingest.loganalytics.access import LogsAccess
from ingest.normalise import Normaliser
from ingest.opening import Opening
from ingest.pipeline import Pipeline
from ingest.sources.loganalytics import History, LogAnalyticsSource
from storage.lake import Lake
from storage.state.database import Database
from tests.loganalytics.peer import AUDIENCE
from tests.loganalytics.scene import BEGIN, WORKSPACE, Hands


class Given:
    """A credential with the one token it was given."""

    async def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        return AccessToken(os.environ["PEER_TOKEN"], 4_102_444_800)

    async def close(self) -> None:
        """Nothing is held."""


def main(folder: Path, endpoint: str) -> None:
    database, lake, clock = Database(f"sqlite:///{folder / 'state.db'}"), Lake.open(folder / "lake"), Hands()
    access = LogsAccess((WORKSPACE,), endpoint, AUDIENCE, Access(ca_file=folder / "ca.pem"))
    history = History(BEGIN, BEGIN + timedelta(days=2))
    opening = Opening(lake, database, clock)
    source = LogAnalyticsSource(access, opening, history=history, rows=30, token_source=Given)
    Pipeline(source, Normaliser(), lake, database, clock, timedelta(milliseconds=1)).run_once()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
