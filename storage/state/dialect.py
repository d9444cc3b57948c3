"""The one place where SQLite and PostgreSQL differ for those who write statements."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Table, func, select, text
from sqlalchemy.dialects import postgresql, sqlite


def insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that knows `on_conflict_do_update` and `on_conflict_do_nothing`, for either database."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def upsert(connection: Connection, table: Table, row: Mapping[str, Any], *, replace: Sequence[str]) -> None:
    """Insert one row; where its primary key exists, replace the columns named in `replace` by the row's."""
    upsert_all(connection, table, [row], replace=replace)


def upsert_all(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, replace: Sequence[str]
) -> None:
    """Do as `upsert` with each of these rows, which have the same columns, in their order."""
    if not rows:
        return
    statement = insert(connection, table)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[column.name for column in table.primary_key.columns],
            set_={name: statement.excluded[name] for name in replace},
        ),
        list(rows),
    )


def alone(connection: Connection, key: int) -> None:
    """Wait until no other write transaction has asked for the same key, and keep others waiting until this one ends.

    On SQLite every write transaction is alone anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def database_time(connection: Connection) -> datetime:
    """Return the database's own clock, aware UTC: the one clock that processes on several machines agree on."""
    if connection.dialect.name == "postgresql":
        moment: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return moment.astimezone(UTC)
    # SQLite's clock is the host's, which is all of them: the database file is on a local disk.
    written = connection.execute(select(func.strftime("%Y-%m-%dT%H:%M:%f", "now"))).scalar_one()
    return datetime.fromisoformat(written).replace(tzinfo=UTC)
