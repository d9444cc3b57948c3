"""Imported settings: versions, and what is in force."""

from datetime import UTC, datetime, timedelta
from typing import Any

from storage.state import registry_facts
from storage.state.database import Database

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def take(database: Database, kind: str, now: datetime = NOW, registry: str = "contoso", **facts: Any) -> bool:
    with database.begin() as connection:
        return registry_facts.remember(connection, registry, kind, facts, file=f"{kind}.json", now=now)


def in_force(database: Database, registry: str = "contoso") -> dict[str, Any]:
    with database.connect() as connection:
        return registry_facts.merged(registry_facts.newest(connection, registry))


def test_the_newest_version_of_each_kind_is_in_force(database: Database) -> None:
    assert take(database, "registry", admin_enabled=False)
    assert take(database, "registry", admin_enabled=True)
    assert take(database, "tokens", tokens=[])
    assert take(database, "registry", registry="fabrikam", admin_enabled=False)
    assert in_force(database) == {"admin_enabled": True, "tokens": []}


def test_what_says_the_same_again_is_no_version_but_confirms_it(database: Database) -> None:
    take(database, "registry", admin_enabled=False)
    assert not take(database, "registry", now=LATER, admin_enabled=False)
    with database.connect() as connection:
        (version,) = registry_facts.history(connection)
    assert (version.imported_at, version.confirmed_at) == (NOW, LATER)


def test_of_two_kinds_that_say_the_same_fact_the_later_holds(database: Database) -> None:
    take(database, "registry", ip_rules=["a"])
    take(database, "network rules", ip_rules=["b"])
    assert in_force(database) == {"ip_rules": ["b"]}
    assert take(database, "registry", ip_rules=["a"])
    assert in_force(database) == {"ip_rules": ["a"]}


def test_every_version_is_kept(database: Database) -> None:
    for enabled in (False, True, False):
        take(database, "registry", admin_enabled=enabled)
    with database.connect() as connection:
        versions = registry_facts.history(connection, "contoso")
    assert [one.facts["admin_enabled"] for one in versions] == [False, True, False]
