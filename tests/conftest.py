"""The databases that state is kept in: a fixture for "every database", and a PostgreSQL server for all who need one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from acrwatch.core import masking
from storage.state.database import Database
from tests.postgres import BACKENDS, Server
from tests.sqlite import database_in

# What a run finds must not hang on its luck, nor on how busy the machine is. `--hypothesis-profile default` draws anew.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _secrets_of_one_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process hides what was ever a secret in it: one test's key must not be asterisks in the next one's errors."""
    monkeypatch.setattr(masking, "_known", masking._Known())


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """One server per test process, started when first asked for."""
    server = Server()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def migrated(postgresql: Server) -> str:
    """The name of a database with every table: copying it takes a tenth of the time that migrating does."""
    name = postgresql.create()
    made = Database(postgresql.url(name))
    made.migrate()
    made.close()
    return name


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """The kind of database: each test that asks runs over all that are at hand."""
    kind: str = request.param
    return kind


@pytest.fixture
def empty_url(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables."""
    with _database(backend, request, tmp_path, template=None) as url:
        yield url


@pytest.fixture
def database_url(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with every table and no rows."""
    with _database(backend, request, tmp_path, template="migrated") as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with every table and no rows."""
    made = Database(database_url)
    yield made
    made.close()


@contextmanager
def _database(backend: str, request: pytest.FixtureRequest, folder: Path, *, template: str | None) -> Iterator[str]:
    if backend == "sqlite":
        if template is not None:
            database_in(folder / "state.db").close()
        yield f"sqlite:///{folder / 'state.db'}"
        return
    server: Server = request.getfixturevalue("postgresql")
    name = server.create(template=template and request.getfixturevalue(template))
    yield server.url(name)
    server.drop(name)
