"""Daily counts of what was read but not stored as events, by reason: nothing disappears without a number."""

from collections.abc import Mapping
from datetime import date

from sqlalchemy import Connection, select

from storage.state.dialect import insert
from storage.state.tables import ingest_counts


def add(connection: Connection, day: date, counts: Mapping[str, int]) -> None:
    """Add each count to its name's total for the UTC date `day`."""
    # In one order everywhere, so that two PostgreSQL writers cannot wait for each other.
    for name, count in sorted(counts.items()):
        statement = insert(connection, ingest_counts).values(date=day.isoformat(), name=name, count=count)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["date", "name"], set_={"count": ingest_counts.c.count + statement.excluded.count}
            )
        )


def read(connection: Connection, since: date, until: date) -> Mapping[date, Mapping[str, int]]:
    """Return the counts of the UTC dates from `since` to `until`, both included: {date: {name: count}}."""
    found: dict[date, dict[str, int]] = {}
    rows = connection.execute(
        select(ingest_counts)
        .where(ingest_counts.c.date.between(since.isoformat(), until.isoformat()))
        .order_by(ingest_counts.c.date, ingest_counts.c.name)
    )
    for day, name, count in rows:
        found.setdefault(date.fromisoformat(day), {})[name] = count
    return found
