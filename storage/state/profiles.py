"""What anomalous-source-ip remembers of identities: small, per network and date, so that a baseline as of any day can
be told. This module keeps whole days, samples and all; `storage.state.visits` reads what judging needs of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, and_, select, tuple_

from storage.state.dialect import insert
from storage.state.tables import network_days

# SQLite takes at most 32,766 variables in one statement.
_KEYS_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class NetworkDay:
    """One identity's use of one network on one UTC date. `sample` is its matches-to-be, `judgement` why it matched."""

    identity_key: str
    network: str
    date: str
    first_time: datetime
    last_time: datetime
    events: int
    late: bool
    sample: Mapping[str, Any]
    judgement: Mapping[str, Any] | None


def network_days_at(
    connection: Connection, keys: Sequence[tuple[str, str, str]]
) -> dict[tuple[str, str, str], NetworkDay]:
    """Return the days under these (identity, network, date) keys."""
    columns = (network_days.c.identity_key, network_days.c.network, network_days.c.date)
    found = [
        NetworkDay(**row)
        for start in range(0, len(keys), _KEYS_AT_ONCE)
        for row in connection.execute(
            select(network_days).where(_among(columns, keys[start : start + _KEYS_AT_ONCE]))
        ).mappings()
    ]
    return {(day.identity_key, day.network, day.date): day for day in found}


def matching_days_of(connection: Connection, groups: Sequence[tuple[str, str]]) -> list[NetworkDay]:
    """Return the days that matched of these (identity, network) pairs, by identity, network and date."""
    columns = (network_days.c.identity_key, network_days.c.network)
    query = select(network_days).where(network_days.c.judgement.is_not(None)).order_by(*columns, network_days.c.date)
    return [
        NetworkDay(**row)
        for start in range(0, len(groups), _KEYS_AT_ONCE)
        for row in connection.execute(query.where(_among(columns, groups[start : start + _KEYS_AT_ONCE]))).mappings()
    ]


def _among(columns: Sequence[Column[str]], keys: Sequence[tuple[str, ...]]) -> ColumnElement[bool]:
    """Return the condition that columns hold one of these keys. SQLite reads the whole table for one about all columns
    at once; those about identity and date alone lead it to an index. Networks would multiply what it looks up."""
    leading = [
        column.in_({key[at] for key in keys})
        for at, column in enumerate(columns)
        if column is not network_days.c.network
    ]
    return and_(*leading, tuple_(*columns).in_(keys))


def save_network_days(connection: Connection, days: Iterable[NetworkDay]) -> None:
    """Insert or replace these days."""
    rows = [{name: getattr(day, name) for name in NetworkDay.__slots__} for day in days]
    if not rows:
        return
    statement = insert(connection, network_days)
    keys = ["identity_key", "network", "date"]
    replace = {c: statement.excluded[c] for c in NetworkDay.__slots__ if c not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=replace), rows)
