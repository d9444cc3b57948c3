"""What anomalous-source-ip remembers of registries: the network that each identity used first on them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, select

from storage.state.dialect import insert
from storage.state.tables import network_days, registry_homes

# SQLite takes at most 32,766 variables in one statement.
_KEYS_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Home:
    """The network that an identity used first on a registry. `first_time` is aware UTC, `second_date` the second UTC
    date (ISO) of its use there; None while there is only one."""

    registry: str
    identity_key: str
    network: str
    first_time: datetime
    second_date: str | None

    @property
    def date(self) -> date:
        """The UTC date of its first use."""
        return self.first_time.astimezone(UTC).date()


def homes_at(connection: Connection, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Home]:
    """Return the homes under these (registry, identity) keys."""
    by_registry: dict[str, list[str]] = {}
    for registry, identity in keys:
        by_registry.setdefault(registry, []).append(identity)
    found = [
        Home(**row)
        for registry, identities in by_registry.items()
        for start in range(0, len(identities), _KEYS_AT_ONCE)
        for row in connection.execute(_homes(registry, identities[start : start + _KEYS_AT_ONCE])).mappings()
    ]
    return {(home.registry, home.identity_key): home for home in found}


def _homes(registry: str, identities: Sequence[str]) -> Select[Any]:
    """One registry at a time: for pairs of columns SQLite reads the whole table."""
    return select(registry_homes).where(
        registry_homes.c.registry == registry, registry_homes.c.identity_key.in_(identities)
    )


def homes_of(connection: Connection, registry: str) -> list[Home]:
    """Return all homes of one registry, in any order."""
    columns = [registry_homes.c[name] for name in Home.__slots__]
    query = select(*columns).where(registry_homes.c.registry == registry)
    return [Home(*row) for row in connection.execute(query)]


def save_homes(connection: Connection, homes: Iterable[Home]) -> None:
    """Insert or replace these homes."""
    rows = [{name: getattr(home, name) for name in Home.__slots__} for home in homes]
    if not rows:
        return
    statement = insert(connection, registry_homes)
    replace = {name: statement.excluded[name] for name in ("network", "first_time", "second_date")}
    connection.execute(statement.on_conflict_do_update(index_elements=["registry", "identity_key"], set_=replace), rows)


def identities_seen(connection: Connection, registry: str, *, since: date, network: str | None) -> set[str]:
    """Return the identities of a registry that were seen anywhere, or in this network, on or after a UTC date."""
    query = (
        select(network_days.c.identity_key)
        .distinct()
        .join(registry_homes, registry_homes.c.identity_key == network_days.c.identity_key)
        .where(registry_homes.c.registry == registry, network_days.c.date >= since.isoformat())
    )
    if network is not None:
        query = query.where(network_days.c.network == network)
    return set(connection.execute(query).scalars())
