"""How connections to SQLite and PostgreSQL are made, so that everything above sees the same behaviour."""

import sqlite3
import time
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from acrwatch.core.errors import ConfigError, StateUnavailableError
from storage.state.mounts import network_file_system
from storage.state.read_only import opened_to_read

# Writers wait their turn for this long before "database is locked". SQLite's queue is not fair, so a writer among
# many can wait for far longer than one transaction takes.
BUSY_SECONDS: Final = 60
CONNECT_SECONDS: Final = 10
# A process that was suspended inside a write transaction loses it after this long, and what it held; it must be less
# than BUSY_SECONDS, so that those who wait get their turn and no error. No transaction of ours thinks for so long.
IDLE_SECONDS: Final = 50
_READER_IDLE_SECONDS: Final = 600
_WAL_KEPT_BYTES: Final = 64 * 1024 * 1024
_POSTGRESQL: Final = frozenset({"postgresql", "postgres", "postgresql+psycopg"})


def parse_url(text: str) -> URL:
    """Return the database URL in the form the engines take.

    Raises ConfigError for anything but an SQLite file on a local disk or a PostgreSQL address.
    """
    try:
        url = make_url(text)
    except ArgumentError:
        raise _unusable("store.database is not a database URL") from None
    if url.drivername in _POSTGRESQL:
        return url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise _unusable(f"store.database names a database of type {url.drivername!r}")
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise _unusable("store.database names no SQLite file")
    _refuse_network(Path(url.database))
    return url


def shown(url: URL) -> str:
    """Return the URL for people: no password, and no query, which may hold one too."""
    return url.set(query={}).render_as_string(hide_password=True)


def write_engine(url: URL) -> Engine:
    """Return an engine whose transactions may write."""
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS})
        _follow(engine, Path(url.database or "").absolute())
        return _configured(engine, begin="BEGIN IMMEDIATE", writing=True)
    return _postgresql_engine(url, idle_seconds=IDLE_SECONDS)


def read_engine(url: URL, *, alone: bool = False) -> Engine:
    """Return an engine whose transactions see one snapshot, take no write lock and cannot write.

    `alone` is for a process that writes nothing else either: it leaves an SQLite file as it is, byte for byte. Without
    it, the last of all connections to be closed moves into the file what waits in the log beside it.
    """
    if url.get_backend_name() == "sqlite" and alone:
        file = Path(url.database or "")
        # Each transaction opens the file anew: how it may be opened depends on who else has it open by then.
        engine = create_engine(
            url, hide_parameters=True, poolclass=NullPool, creator=lambda: opened_to_read(file, BUSY_SECONDS)
        )
        return _configured(engine, begin="BEGIN", writing=False)
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS})
        _follow(engine, Path(url.database or "").absolute())
        return _configured(engine, begin="BEGIN", writing=False)
    engine = _postgresql_engine(url, idle_seconds=_READER_IDLE_SECONDS)
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _follow(engine: Engine, file: Path) -> None:
    """Let connections be to the file that has this name now.

    In WAL mode SQLite itself goes on in a file that was moved away, deleted, or replaced by a backup, without a word;
    all that is written from then on is gone when the process ends.
    """
    known: list[tuple[int, int]] = []

    @event.listens_for(engine, "do_connect")
    def _refuse_another(*_: object) -> None:
        if known and _identity(file) is None:
            raise _gone(file)

    @event.listens_for(engine, "checkout")
    def _compare(_connection: object, record: ConnectionPoolEntry, _proxy: object) -> None:
        found = _identity(file)
        held = record.info.setdefault("file", found)
        if found is None:
            if held is not None:
                raise _gone(file)
            del record.info["file"]  # SQLite makes a new one with the first statement
        elif found != held:
            raise DisconnectionError  # the pool opens the one that took its place
        else:
            known[:] = [found]


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _gone(file: Path) -> StateUnavailableError:
    return StateUnavailableError(
        f"the state database {file} is gone: it was moved or deleted while it was in use",
        remedy="Bring it back, or restore it from a backup; work goes on by itself then",
    )


def _configured(engine: Engine, *, begin: str, writing: bool) -> Engine:
    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        # The driver must not begin transactions by itself: it does so late, and deferred, and a deferred transaction
        # that turns into a writing one fails at once when another wrote in between, whatever the busy timeout.
        connection.isolation_level = None
        if not writing:
            # Nor is a file that is only read turned to WAL: it may be a backup, or not ours at all.
            connection.execute("PRAGMA query_only = 1")
            return
        _use_wal(connection)
        # FULL, not NORMAL: in WAL mode NORMAL may lose the last commits in a power cut. Rejects are promised to be
        # kept before the lake moves past them, and the id of an alert already sent out must not be taken back.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch a database to WAL for good. SQLite heeds no busy timeout here: of several processes that open a new
    database in one moment, all but one may be refused at once."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _postgresql_engine(url: URL, *, idle_seconds: float) -> Engine:
    arguments: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "options": f"-c lock_timeout={BUSY_SECONDS}s -c idle_in_transaction_session_timeout={idle_seconds}s",
    }
    try:
        return create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=arguments)
    except ModuleNotFoundError as missing:
        raise ConfigError(
            f"store.database is PostgreSQL ({shown(url)}), and its driver is not installed ({missing.name})",
            remedy="Install it with: pip install 'acrwatch[postgresql]'",
        ) from None


def _refuse_network(path: Path) -> None:
    kind = network_file_system(path)
    if kind is not None:
        raise ConfigError(
            f"store.database is the SQLite file {path}, which is on a network file system ({kind})",
            remedy="SQLite loses data there. Move the file to a local disk, or use a postgresql+psycopg:// URL",
        )


def _unusable(problem: str) -> ConfigError:
    return ConfigError(
        problem, remedy="Use sqlite:///data/state.db, or postgresql+psycopg://user:password@host:5432/database"
    )
