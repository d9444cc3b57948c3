"""A state database that nobody else sees and that goes with its connection: for trials, which must write no alert."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from sqlalchemy import Connection, create_engine

from storage.state.tables import metadata


@contextmanager
def database_aside() -> Iterator[Connection]:
    """Open one transaction of an SQLite database in memory that has every table and no row."""
    held = sqlite3.connect(":memory:")
    held.deserialize(_empty())
    engine = create_engine("sqlite://", creator=lambda: held, hide_parameters=True)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


@cache
def _empty() -> bytes:
    """Return the tables as a file: to create them takes 25 ms, and a trial of many detections needs them for each."""
    held = sqlite3.connect(":memory:")
    engine = create_engine("sqlite://", creator=lambda: held)
    with engine.begin() as connection:
        metadata.create_all(connection, checkfirst=False)
    made = held.serialize()
    engine.dispose()
    return made
