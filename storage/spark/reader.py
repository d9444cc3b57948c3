"""The events of one snapshot, read by a Spark Connect server.

The server opens the snapshot's own Parquet files, so no Delta reader need be installed there, and a half-written commit
is as invisible as it is to DuckDB. It must see the lake under the same path.
"""

import socket
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

import pyarrow as pa

from acrwatch.core.errors import ConfigError, RemoteUnreachableError, StoreError
from storage.activity import EVENTS
from storage.lake.snapshot import LakeFile, Snapshot
from storage.query import Slice, Span, positions_of, positions_table, rows_of, viewed
from storage.schema import ARROW_SCHEMA, PARTITION_COLUMN, UTC_MICROSECONDS

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

_PORT: Final = 15002  # what Spark Connect listens on unless told otherwise
_CONNECT_SECONDS: Final = 5
# The client's own policy tries for ten minutes before it says that a server is gone.
_RETRIES: Final = 3
_SETTINGS: Final = {
    "spark.sql.session.timeZone": "UTC",
    # What Spark infers of each column from every other grows with the names each of them has: over the columns of the
    # control plane it has not planned a statement when 3 GB of memory are full.
    "spark.sql.constraintPropagation.enabled": "false",
}
_TYPES: Final = {
    pa.string(): "STRING",
    pa.binary(): "BINARY",
    pa.bool_(): "BOOLEAN",
    pa.int16(): "SMALLINT",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    UTC_MICROSECONDS: "TIMESTAMP",
}
_STORED: Final = ARROW_SCHEMA.remove(ARROW_SCHEMA.get_field_index(PARTITION_COLUMN))


class SparkReader:
    """Queries over one snapshot, as `storage.query.Relations` has them. Not thread-safe; close it."""

    def __init__(self, snapshot: Snapshot, url: str) -> None:
        """Connect to `sc://host:port`. Raises ConfigError where the client is not installed or the address is none,
        RemoteUnreachableError where nothing answers there."""
        self.snapshot = snapshot
        self._url = url
        self._session = _session(url)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.stop()

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Run one SELECT. Raises StoreError when it fails or cannot be translated, RemoteUnreachableError when the
        server is gone."""
        from storage.spark.dialect import translated

        return self._run(translated(sql, parameters))

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """See `storage.query.Relations.rows`."""
        table = self.query(sql, parameters)
        times = [column.name for column in table.schema if pa.types.is_timestamp(column.type)]
        return rows_of(table.column_names, zip(*(column.to_pylist() for column in table.columns), strict=True), times)

    def register(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table queryable under a name; a second one of the same name replaces the first."""
        if table.num_rows:
            self._session.createDataFrame(table).createOrReplaceTempView(name)
        else:  # of which the client cannot tell the types
            columns = ", ".join(f"CAST(NULL AS {_TYPES[column.type]}) AS {column.name}" for column in table.schema)
            self._session.sql(f"SELECT {columns} WHERE false").createOrReplaceTempView(name)

    def view(
        self,
        name: str,
        part: Slice | Span,
        files: Sequence[LakeFile],
        *,
        lateness: timedelta,
        derived: Mapping[str, str],
        where: str = EVENTS,
    ) -> None:
        """Define a view over these files: see `storage.query.viewed`."""
        from storage.spark.dialect import translated

        if isinstance(part, Slice):
            self.register(positions_of(name), positions_table(part))
        self._register_files(f"{name}_files", files)
        select = translated(viewed(name, part, f"{name}_files", lateness=lateness, derived=derived, where=where))
        self._run(f"CREATE OR REPLACE TEMP VIEW {name} AS {select}")

    def hold(self, name: str, select: str) -> None:
        """Define a view: what is kept, and where, is the server's to decide."""
        from storage.spark.dialect import translated

        self._run(f"CREATE OR REPLACE TEMP VIEW {name} AS {translated(select)}")

    def _register_files(self, name: str, files: Sequence[LakeFile]) -> None:
        if not files:
            self.register(name, _STORED.empty_table())
            return
        paths = [f"file://{(self.snapshot.root / file.path).absolute()}" for file in files]
        # Files may be older than a column: with the schema given, one that a file lacks is read as absent.
        stored = self._session.read.schema(_schema()).parquet(*paths)
        stored.select(*_STORED.names).createOrReplaceTempView(name)

    def _run(self, sql: str) -> pa.Table:
        from pyspark.errors import PySparkException

        try:
            return self._session.sql(sql).toArrow()
        except PySparkException as error:
            _knock(self._url)
            raise StoreError(f"The query failed on {self._url}: {error}") from error


def _session(url: str) -> "SparkSession":
    """Return a session of our own on a server: views are the session's, so two readers do not share theirs."""
    try:
        with _importing():
            import sqlglot  # noqa: F401
            from pyspark.sql.connect.client.retries import DefaultPolicy
            from pyspark.sql.connect.session import SparkSession
    except ImportError as missing:
        raise ConfigError(
            f"The Spark engine needs a package that is not installed: {missing.name or missing}",
            remedy="Install it with: pip install 'acrwatch[spark]'",
        ) from missing
    _knock(url)
    session = SparkSession.builder.remote(url).create()
    session.client.set_retry_policies([DefaultPolicy(max_retries=_RETRIES)])
    for name, value in _SETTINGS.items():
        session.conf.set(name, value)
    return session


@contextmanager
def _importing() -> Iterator[None]:
    """Let the client be loaded in any program.

    It warns of pandas 3, which nothing here goes through; and it takes a program without a file (`python -c`) for a run
    of its own doctests, and ends the process.
    """
    main = sys.modules["__main__"]
    named = hasattr(main, "__file__")
    if not named:
        main.__file__ = "-c"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
            yield
    finally:
        if not named:
            del main.__file__


def _knock(url: str) -> None:
    """Raise RemoteUnreachableError where nobody listens at an address: the client itself tries for ten minutes before
    it says so. Raises ConfigError for what is no address."""
    try:
        parts = urlsplit(url)
        if parts.scheme != "sc" or not parts.hostname:
            raise ValueError("expected sc://host:port")
        address = (parts.hostname, parts.port or _PORT)
    except ValueError as error:
        raise ConfigError(
            f"{url!r} is no Spark Connect address: {error}", remedy="Give it as sc://host:15002"
        ) from error
    try:
        socket.create_connection(address, timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        raise RemoteUnreachableError(
            f"No Spark Connect server answers at {url} ({error})",
            remedy="Start one there, or run on DuckDB",
        ) from error


def _schema() -> str:
    """Return the stored columns as Spark spells their types."""
    return ", ".join(f"{column.name} {_TYPES[column.type]}" for column in _STORED)
