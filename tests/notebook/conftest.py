"""The small world as a lake and a state database, made once, for everything here only reads."""

from pathlib import Path

import pytest

import acrwatch
from acrwatch.notebook import Client
from storage.lake import Lake
from storage.state.alerts import insert_alert, record
from storage.state.database import Database
from tests.notebook.world import ALERTS, ALL, DELETING, NOW, table


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the lake, filled in three commits whose events are out of order."""
    made = Lake.open(tmp_path_factory.mktemp("notebook") / "lake")
    for part in range(3):
        made.commit(table(ALL[part::3][::-1]), {})
    return made.root


@pytest.fixture(scope="session")
def database_url(lake: Path) -> str:
    """The URL of the state database."""
    url = f"sqlite:///{lake.parent / 'state.db'}"
    made = Database(url)
    made.migrate()
    with made.begin() as connection:
        for alert in ALERTS:
            insert_alert(connection, alert)
        record(connection, DELETING.id, "created", {"count": 25}, actor="engine", now=DELETING.created_at)
    made.close()
    return url


@pytest.fixture
def client(lake: Path, database_url: str) -> Client:
    """The world, open, at noon of its third day."""
    return acrwatch.open(lake, database=database_url, now=NOW)
