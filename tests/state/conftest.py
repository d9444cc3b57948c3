"""An empty, migrated state database for each test: SQLite, and PostgreSQL too where one is at hand."""

import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from storage.state.database import Database

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
# A server's URL, such as postgresql+psycopg://user:password@127.0.0.1/postgres: each test makes a database in it.
POSTGRESQL = os.environ.get("ACRWATCH_TEST_POSTGRESQL", "")
BACKENDS = ["sqlite", *(["postgresql"] if POSTGRESQL else [])]


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'state.db'}"
        return
    name = f"acrwatch_test_{uuid.uuid4().hex}"
    engine = create_engine(POSTGRESQL, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield engine.url.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with every table and no rows."""
    made = Database(database_url)
    made.migrate()
    yield made
    made.close()
