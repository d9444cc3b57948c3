"""What behavioural detections remember: small, per key and date, so that a baseline as of any day can be told."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, tuple_

from storage.state.dialect import insert
from storage.state.tables import network_days

# SQLite takes at most 32,766 variables in one statement.
_KEYS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class NetworkDay:
    """One identity's use of one network on one UTC date. `episode` is its matches-to-be, `judgement` why it matched."""

    identity_key: str
    network: str
    date: str
    first_time: datetime
    last_time: datetime
    events: int
    late: bool
    sample: Mapping[str, Any]
    judgement: Mapping[str, Any] | None


def network_days_of(connection: Connection, identities: Sequence[str]) -> list[NetworkDay]:
    """Return all days of these identities, by identity, date and network."""
    found: list[NetworkDay] = []
    order = (network_days.c.identity_key, network_days.c.date, network_days.c.network)
    for start in range(0, len(identities), _KEYS_AT_ONCE):
        keys = identities[start : start + _KEYS_AT_ONCE]
        query = select(network_days).where(network_days.c.identity_key.in_(keys)).order_by(*order)
        found.extend(NetworkDay(**row) for row in connection.execute(query).mappings())
    return found


def network_days_at(
    connection: Connection, keys: Sequence[tuple[str, str, str]]
) -> dict[tuple[str, str, str], NetworkDay]:
    """Return the days under these (identity, network, date) keys."""
    found: dict[tuple[str, str, str], NetworkDay] = {}
    columns = tuple_(network_days.c.identity_key, network_days.c.network, network_days.c.date)
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        query = select(network_days).where(columns.in_(keys[start : start + _KEYS_AT_ONCE]))
        for row in connection.execute(query).mappings():
            day = NetworkDay(**row)
            found[day.identity_key, day.network, day.date] = day
    return found


def save_network_days(connection: Connection, days: Iterable[NetworkDay]) -> None:
    """Insert or replace these days."""
    rows = [{name: getattr(day, name) for name in NetworkDay.__slots__} for day in days]
    if not rows:
        return
    statement = insert(connection, network_days)
    keys = ["identity_key", "network", "date"]
    replace = {c: statement.excluded[c] for c in NetworkDay.__slots__ if c not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=replace), rows)
