"""A state database that nobody else sees and that goes with its connection: for trials, which must write no alert."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine

from storage.state.tables import metadata


@contextmanager
def database_aside() -> Iterator[Connection]:
    """Open one transaction of an SQLite database in memory that has every table and no row."""
    engine = create_engine("sqlite://", hide_parameters=True)
    try:
        with engine.begin() as connection:
            metadata.create_all(connection, checkfirst=False)
            yield connection
    finally:
        engine.dispose()
