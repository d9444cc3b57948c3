"""The state database: the only door to it. SQLite on one machine, PostgreSQL for many, by URL."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

from acrwatch.core.errors import ConfigError
from storage.state import engines, migration
from storage.state.failures import translated


class Database:
    """A state database. Safe to share between threads; not to be carried over a fork."""

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        """Nothing is opened yet.

        One that is `read_only` never changes a byte of an SQLite file, whoever else writes to it, and refuses one that
        is no state database; `begin` and `migrate` fail. Others read a file as it is, too, but may take part in what
        its writers left to do.

        `url` is `sqlite:///relative/path.db`, `sqlite:////absolute/path.db` or
        `postgresql+psycopg://user:password@host:port/database`. Raises ConfigError for any other, and for an SQLite
        file on a network file system.
        """
        self._url = engines.parse_url(url)
        self._reader = engines.read_engine(self._url, alone=read_only)
        self._writer = self._reader if read_only else engines.write_engine(self._url)

    @property
    def name(self) -> str:
        """The URL without its secrets, for messages."""
        return engines.shown(self._url)

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database; None for a server's, or one in memory."""
        on_disk = self._url.get_backend_name() == "sqlite" and self._url.database not in (None, "", ":memory:")
        return Path(self._url.database or "") if on_disk else None

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Open a write transaction: committed at the end of the block, rolled back if it raises.

        Keep it short and do no network or lake work inside. On SQLite, writers wait for each other at the start of
        the block (BEGIN IMMEDIATE), so nothing read inside can be out of date. On PostgreSQL the transaction is READ
        COMMITTED: guard a read that a write depends on with a compare-and-swap or `with_for_update()`, which SQLite
        ignores. Raises StoreError, ConflictError, RemoteUnreachableError or AuthError.
        """
        with translated(self.name), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Open a read transaction: one snapshot for the whole block, no write lock, writes refused.

        Raises as `begin` does.
        """
        with translated(self.name), self._reader.begin() as connection:
            yield connection

    def migrate(self) -> None:
        """Create the database's folder and tables, or bring them up to date. Safe in several processes at once.

        Raises ConfigError when the schema is newer than this code or the folder cannot be made.
        """
        self._make_folder()
        with self.connect() as connection:
            current = migration.is_current(connection, self.name)
        if current:
            self._ready_writer()
            return
        with self.begin() as connection:
            migration.upgrade(connection, self.name)

    def _ready_writer(self) -> None:
        """Turn a file to WAL, as a backup is not, before its readers and writers would wait for each other."""
        if self.file is not None:
            with translated(self.name):
                self._writer.connect().close()

    def close(self) -> None:
        """Close every idle connection. The database can be used again afterwards."""
        self._writer.dispose()
        self._reader.dispose()

    def _make_folder(self) -> None:
        if self._url.get_backend_name() != "sqlite" or not self._url.database:
            return
        folder = Path(self._url.database).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"cannot create the folder {folder} of store.database ({error.strerror})",
                remedy="Create it for the acrwatch user, or point store.database elsewhere",
            ) from error
