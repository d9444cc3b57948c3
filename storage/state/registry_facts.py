"""Settings of registries as imported: every version of what each kind of document said, the newest in force."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from storage.state.tables import registry_facts


@dataclass(frozen=True, slots=True)
class Imported:
    """What one document said of one registry: JSON values by name. Ids grow with time; it was said again, last, at
    `confirmed_at`."""

    id: int
    registry: str
    kind: str
    facts: Mapping[str, Any]
    file: str
    imported_at: datetime
    confirmed_at: datetime


def remember(
    connection: Connection, registry: str, kind: str, facts: Mapping[str, Any], *, file: str, now: datetime
) -> bool:
    """Keep what a document says, as a new version where it differs from what is in force; return whether it does.

    Two kinds may say the same fact (a firewall's rules); the version that came last holds, so a document that agrees
    with its own kind's newest and not with what came after it is a new version, too.
    """
    versions = newest(connection, registry)
    before = [one for one in versions if one.kind == kind]
    if before and before[0].facts == facts and _holds(facts, merged(versions)):
        confirmed = update(registry_facts).where(registry_facts.c.id == before[0].id)
        connection.execute(confirmed.values(confirmed_at=now))
        return False
    row = {"registry": registry, "kind": kind, "facts": dict(facts), "file": file}
    connection.execute(insert(registry_facts).values(**row, imported_at=now, confirmed_at=now))
    return True


def merged(versions: Iterable[Imported]) -> dict[str, Any]:
    """Return the facts of one registry, from versions in the order they were imported: the later one's hold."""
    found: dict[str, Any] = {}
    for version in versions:
        found.update(version.facts)
    return found


def _holds(facts: Mapping[str, Any], in_force: Mapping[str, Any]) -> bool:
    return all(in_force[name] == value for name, value in facts.items())


def newest(connection: Connection, registry: str | None = None) -> Sequence[Imported]:
    """Return the versions in force, of one registry or of all, one per kind, in the order they were imported."""
    last = select(func.max(registry_facts.c.id)).group_by(registry_facts.c.registry, registry_facts.c.kind)
    query = select(registry_facts).where(registry_facts.c.id.in_(last.scalar_subquery())).order_by(registry_facts.c.id)
    return _found(connection, query if registry is None else query.where(registry_facts.c.registry == registry))


def history(connection: Connection, registry: str | None = None) -> Sequence[Imported]:
    """Return every version, of one registry or of all, the oldest first."""
    query = select(registry_facts).order_by(registry_facts.c.id)
    return _found(connection, query if registry is None else query.where(registry_facts.c.registry == registry))


def _found(connection: Connection, query: Any) -> Sequence[Imported]:
    return [Imported(**row) for row in connection.execute(query).mappings()]
