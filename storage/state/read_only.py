"""SQLite files opened to be read and nothing else: no byte of them is changed, while others may write to them."""

import sqlite3
from pathlib import Path
from typing import Final

from acrwatch.core.errors import ConfigError

_OURS: Final = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
# In WAL mode readers and writers meet in two files beside the database, and a reader makes them where they are not. In
# a folder that it may not write to, this is how SQLite refuses; which of both depends on its version.
_NO_MEETING: Final = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


def opened_to_read(file: Path, seconds: float) -> sqlite3.Connection:
    """Return a connection to a state database that cannot write, and that waits for writers so long.

    Raises ConfigError for a file that is no state database, or one that cannot be read whole; sqlite3.Error.
    """
    try:
        connection = _connected(file, "mode=ro", seconds)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _NO_MEETING or not file.is_file():
            raise
        connection = _connected_alone(file, seconds)
    (tables,) = connection.execute(_OURS).fetchone()
    if not tables:
        connection.close()
        empty = "an empty file" if not file.stat().st_size else "a database of something else"
        raise ConfigError(
            f"there is no state database at {file}: it is {empty}", remedy="Name the file of store.database"
        )
    return connection


def _connected_alone(file: Path, seconds: float) -> sqlite3.Connection:
    """Open a database in whose folder nothing can be made: a copy, mostly, or a service's that does not run.

    As `immutable`, which looks at no other file. That is right where nobody is about to write: without a log beside it
    no writer has it open, and one that opens it now does not touch the file itself before its log has grown.
    """
    log = Path(f"{file}-wal")
    if log.exists() and log.stat().st_size:
        raise ConfigError(
            f"the state database {file} cannot be read: changes wait in {log.name}, and its folder is read-only",
            remedy="Copy both files to a folder that can be written to, or make a copy with SQLite's VACUUM INTO",
        )
    return _connected(file, "mode=ro&immutable=1", seconds)


def _connected(file: Path, how: str, seconds: float) -> sqlite3.Connection:
    """Connect, and read, for SQLite opens a file only then."""
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?{how}", uri=True, timeout=seconds)
    try:
        connection.execute(_OURS).fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection
