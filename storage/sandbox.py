"""People's SQL: one SELECT over `events` and `activity`, and other relations given, that can do nothing but read them.

DuckDB itself holds the walls: it may open the data files of this query and nothing else, and its configuration is
locked before the query is seen. A folder on its list of paths would let COPY and read_text at whatever lies beside the
data, so the list has files, one by one. What it may open it may write, and COPY to a listed data file would overwrite
it: so what is no SELECT is refused before it runs, by its kind, and by its parse tree, for to DuckDB a SELECT is also
what has a COPY in a WITH.
"""

import difflib
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from acrwatch.core.characters import fit
from acrwatch.core.errors import ConfigError, StoreError
from storage.activity import ACTIVITY, COLUMNS, EVENTS
from storage.answer import plain
from storage.interrupting import interrupted_after
from storage.lake.snapshot import LakeFile, Snapshot
from storage.quiet import hide_progress
from storage.schema import ARROW_SCHEMA, PARTITION_COLUMN, UTC_MICROSECONDS

EVENTS_RELATION: Final = "events"
ACTIVITY_RELATION: Final = "activity"
ALERTS_RELATION: Final = "alerts"

DEFAULT_SECONDS: Final = 60.0

_MEMORY: Final = "2GB"
_SPILL: Final = "10GB"
_ANSWER_BYTES: Final = 2_000_000_000  # of rows that are kept, which DuckDB's limit does not count
_BATCH_ROWS: Final = 100_000
_TICK: Final = timedelta(microseconds=1)

_ONE_SELECT: Final = "Write one SELECT over events, activity or alerts"
# A query in DuckDB's parse tree, outermost or within: its kind, and a member that every query has.
_QUERY: Final = re.compile('"type":"([A-Z_]*)","modifiers":')
_QUERY_MEMBER: Final = '"cte_map":'
_READING_KINDS: Final = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
# They run a text that no parse tree shows.
_RUN_TEXTS: Final = re.compile('"function_name":"(query|query_table|json_execute_serialized_sql)"', re.IGNORECASE)
# What a column is where no file has it, for it was added later. Ids and keys (binary) are text in people's SQL.
_ABSENT: Final = {
    pa.string(): "VARCHAR",
    pa.binary(): "VARCHAR",
    pa.bool_(): "BOOLEAN",
    pa.int16(): "SMALLINT",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    UTC_MICROSECONDS: "TIMESTAMP WITH TIME ZONE",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query gave: its first rows, and how many more there were (-1: more, not counted within the time)."""

    rows: pa.Table
    more: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What a query may take: rows returned (None: all), seconds, threads."""

    rows: int | None = None
    seconds: float = DEFAULT_SECONDS
    threads: int = 2


def ask(
    snapshot: Snapshot,
    sql: str,
    parameters: Sequence[Any] = (),
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    relations: Mapping[str, Callable[[], pa.Table]] | None = None,
    limits: Limits | None = None,
) -> Answer:
    """Run one SELECT over the events of a snapshot, those of a span of time (`until` not included) where one is given.

    `events` and `activity` have the columns of `storage.schema` (binary ones as hex), `activity` those of the control
    plane too; `relations` make further ones, those that the query names. `?` and `$1` stand for parameters. Raises
    ConfigError for what is no single SELECT, names what there is not, or reaches for anything else; StoreError where
    memory or time run out, or a file cannot be read.
    """
    fit(sql, "the SQL")
    limits = limits or Limits()
    last = until - _TICK if until else None
    files = snapshot.between(_utc_date(since, date.min), _utc_date(last, date.max))
    with _connection(snapshot, files, limits.threads) as connection:
        _refuse_other_statements(connection, sql)
        connection.execute("SET lock_configuration = true")
        for name, made in _named(connection, sql, relations or {}):
            connection.register(name, made())
        _define(connection, snapshot, files, since, until)
        with _failures(connection, limits.seconds), interrupted_after(connection, limits.seconds) as over:
            return _fetched(connection, sql, parameters, limits.rows, over)


def _named(
    connection: duckdb.DuckDBPyConnection, sql: str, relations: Mapping[str, Callable[[], pa.Table]]
) -> list[tuple[str, Callable[[], pa.Table]]]:
    """Return the relations that a query names. To find them DuckDB plans it, so this, too, is done behind the walls:
    planning an EXPORT DATABASE makes its folder. Asked before `events` is there, whose files it would not plan."""
    try:
        named = {name.casefold() for name in connection.get_table_names(sql)}
    except duckdb.Error:  # what is wrong with it is said when it is run
        return []
    return [(name, made) for name, made in relations.items() if name in named]


def _fetched(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any], limit: int | None, over: threading.Event
) -> Answer:
    """Keep the first rows and count the rest, batch by batch, so that a limit bounds the memory too."""
    reader = connection.sql(sql, params=list(parameters)).to_arrow_reader(_BATCH_ROWS)
    kept: list[pa.RecordBatch] = []
    rows = more = size = 0
    try:
        for batch in reader:
            room = batch.num_rows if limit is None else min(batch.num_rows, limit - rows)
            kept += [batch.slice(0, room)] if room else []
            rows, more, size = rows + room, more + batch.num_rows - room, size + batch.nbytes * (room > 0)
            if size > _ANSWER_BYTES:
                raise StoreError(
                    f"The answer has more than {rows:,} rows and {_ANSWER_BYTES / 1e9:g} GB",
                    remedy="Select fewer columns, aggregate more, set a LIMIT, or ask for a shorter time",
                )
    except (duckdb.InterruptException, OSError, pa.ArrowException):
        if not over.is_set() or limit is None or rows < limit:
            raise
        more = -1
    return Answer(plain(pa.Table.from_batches(kept, reader.schema)), more)


@contextmanager
def _connection(snapshot: Snapshot, files: Sequence[LakeFile], threads: int) -> Iterator[duckdb.DuckDBPyConnection]:
    spill = tempfile.mkdtemp(prefix=f"acrwatch-sql-{os.getpid()}-")
    connection = duckdb.connect(config={"threads": threads, "memory_limit": _MEMORY, "temp_directory": spill})
    try:
        hide_progress(connection)
        paths = ", ".join(_quoted(snapshot.root / file.path) for file in files)
        for setting in (
            "TimeZone = 'UTC'",
            "python_enable_replacements = false",  # else a name could mean a variable of this program
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
            f"max_temp_directory_size = '{_SPILL}'",
            f"allowed_paths = [{paths}]",
            "enable_external_access = false",
        ):
            connection.execute(f"SET {setting}")
        yield connection
    finally:
        connection.close()
        shutil.rmtree(spill, ignore_errors=True)


def _refuse_other_statements(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise _wrong(error) from error
    if len(statements) != 1:
        raise ConfigError(f"one SELECT is run at a time, not {len(statements)} statements", remedy=_ONE_SELECT)
    if (kind := statements[0].type) != duckdb.StatementType.SELECT:
        raise ConfigError(f"only SELECT is run, not {kind.name}", remedy=_ONE_SELECT)
    _refuse_other_parts(_parse_tree(connection, sql))


def _parse_tree(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Return DuckDB's parse tree as JSON: a quote within a text is escaped in it, so that no text looks like a part."""
    (tree,) = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone() or ("",)
    if not tree.startswith('{"error":false'):
        raise ConfigError("only SELECT is run, and this is none that can be looked at", remedy=_ONE_SELECT)
    return str(tree)


def _refuse_other_parts(tree: str) -> None:
    kinds = _QUERY.findall(tree)
    others = sorted(set(kinds) - _READING_KINDS)
    if others:
        name = others[0].removesuffix("_NODE").removesuffix("_QUERY")
        raise ConfigError(f"only SELECT is run, and there is {name} within it", remedy=_ONE_SELECT)
    if not kinds or len(kinds) != tree.count(_QUERY_MEMBER):
        raise ConfigError("only SELECT is run, and there is something else within it", remedy=_ONE_SELECT)
    if found := _RUN_TEXTS.search(tree):
        raise ConfigError(f"{found[1]}() is not run: it would run a text as SQL", remedy=_ONE_SELECT)


def _define(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    files: Sequence[LakeFile],
    since: datetime | None,
    until: datetime | None,
) -> None:
    """Define both relations, with every column there is, in the order of the schema."""
    if files:
        # No column from the folders' names: there may be a folder `registry=x` above the lake.
        paths = ", ".join(_quoted(snapshot.root / file.path) for file in files)
        relation = f"read_parquet([{paths}], union_by_name=true, hive_partitioning=false)"
    else:
        connection.register("no_events", ARROW_SCHEMA.empty_table())
        relation = "no_events"
    with _reading(snapshot):  # files are opened to know their columns
        present = {name for name, *_ in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}
    columns = ", ".join(f"{_expression(field, present)} AS {field.name}" for field in ARROW_SCHEMA)
    extra = "".join(f", {expression} AS {column}" for column, expression in COLUMNS.items())
    bounds = [("e.event_time >= {}", since), ("e.event_time < {}", until)]
    within = "".join(f" AND {met.format(_moment(at))}" for met, at in bounds if at is not None)
    for name, more, where in ((EVENTS_RELATION, "", EVENTS), (ACTIVITY_RELATION, extra, ACTIVITY)):
        select = f"SELECT {columns}{more} FROM {relation} e WHERE {where}{within}"
        with _reading(snapshot):
            connection.execute(f"CREATE TEMP VIEW {name} AS {select}")


def _expression(field: pa.Field, present: Collection[str]) -> str:
    if field.name == PARTITION_COLUMN:
        return "CAST(e.event_time AS DATE)"
    if field.name not in present:
        return f"CAST(NULL AS {_ABSENT[field.type]})"
    return f"lower(hex(e.{field.name}))" if field.type == pa.binary() else f"e.{field.name}"


@contextmanager
def _reading(snapshot: Snapshot) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise StoreError(f"Cannot read events below {snapshot.root}: {_first_line(error)}") from error


@contextmanager
def _failures(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    try:
        yield
    except duckdb.InterruptException as error:
        raise _too_slow(seconds) from error
    except duckdb.OutOfMemoryException as error:
        raise StoreError(
            f"The query needs more than {_MEMORY} of memory: {_first_line(error)}",
            remedy="Select fewer columns, aggregate more, or ask for a shorter time",
        ) from error
    except (duckdb.PermissionException, duckdb.CatalogException, duckdb.BinderException) as error:
        raise _wrong(error, connection) from error
    except duckdb.IOException as error:
        raise StoreError(f"Cannot read events: {_first_line(error)}", remedy="Ask again") from error
    except duckdb.Error as error:
        raise _wrong(error) from error
    except (OSError, pa.ArrowException) as error:  # how an error reaches us in the midst of the rows
        if "INTERRUPT" in str(error).upper():
            raise _too_slow(seconds) from error
        raise StoreError(f"The query failed: {_first_line(error)}") from error


def _too_slow(seconds: float) -> StoreError:
    return StoreError(
        f"The query took longer than the {seconds:g} s it may take",
        remedy="Ask for a shorter time (--since, or span=), or allow more seconds",
    )


def _wrong(error: duckdb.Error, connection: duckdb.DuckDBPyConnection | None = None) -> ConfigError:
    """Return what is wrong with the SQL, in DuckDB's words, with the nearest column where one is not known."""
    if isinstance(error, duckdb.PermissionException):
        return ConfigError(f"the query reaches beyond the relations it may read: {_first_line(error)}",
                           remedy=_ONE_SELECT)  # fmt: skip
    near = _nearest(str(error), connection) if connection else None
    return ConfigError(f"the SQL is wrong: {_told(error)}", remedy=f"Did you mean {near}?" if near else "")


def _nearest(message: str, connection: duckdb.DuckDBPyConnection) -> str | None:
    unknown = re.search(r'(?:column(?: named)?|Table with name) "?([\w.]+)"?', message)
    if unknown is None:
        return None
    known = [name for (name,) in connection.execute(
        "SELECT column_name FROM duckdb_columns() WHERE NOT internal UNION SELECT view_name FROM duckdb_views() "
        "WHERE NOT internal"
    ).fetchall()]  # fmt: skip
    near = difflib.get_close_matches(unknown[1].rpartition(".")[2].casefold(), sorted(known), n=1)
    return near[0] if near else None


def _told(error: duckdb.Error) -> str:
    """DuckDB's first line, and, of what follows, the place that it points at."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    pointed = [line for line in lines[1:] if line.startswith("LINE") or line.strip() == "^"]
    return "\n".join([lines[0].rstrip("."), *pointed])


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")


def _utc_date(moment: datetime | None, otherwise: date) -> date:
    return otherwise if moment is None else moment.astimezone(UTC).date()


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _moment(time: datetime) -> str:
    return f"TIMESTAMPTZ '{time.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00'"
