"""Which origin of a context is stronger, what imported settings stand for, and that a running engine judges by them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from acrwatch.core.registry import RegistryContext
from detections.case import START, event_row
from detections.case_spec import CaseEvent
from detections.context import Context
from detections.context_sources import ContextSources, Layers, derived
from detections.engine import Engine
from detections.rule import parse_rule
from storage.lake import Lake
from storage.schema import ARROW_SCHEMA
from storage.state import alerts, contexts, registry_facts, watch_entries
from storage.state.database import Database

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)

RULE = """
title: Admin user seen although it is off
logsource: {product: azure, service: containerregistry}
detection:
  switched_off: {registry|expand: '%admin_disabled%'}
  admin: {identity|expand: '%admin_usernames%'}
  condition: switched_off and admin
"""


def layers(
    configured: RegistryContext | None = None,
    imported: RegistryContext | None = None,
    watched: RegistryContext | None = None,
    registry: str = "contoso",
) -> Layers:
    none = RegistryContext()
    return Layers({registry: configured or none}, {registry: imported or none}, watched or none)


def test_the_configuration_is_stronger_than_what_was_imported() -> None:
    configured = RegistryContext(lists={"admin_usernames": ("root",)}, flags=("!admin_disabled",))
    imported = RegistryContext(
        lists={"admin_usernames": ("contoso",), "token_names": ("ci",)}, flags=("admin_disabled",)
    )
    both = layers(configured, imported)
    found = both.context().of("contoso")
    assert (found.lists["admin_usernames"], found.lists["token_names"]) == (("root",), ("ci",))
    assert "admin_disabled" not in found.flags
    assert both.origins("contoso", "admin_usernames") == ("configured",)
    assert both.origins("contoso", "token_names") == ("imported",)


def test_a_watch_list_adds_to_what_others_say() -> None:
    configured = RegistryContext({"watched_ips": (ip_network("192.0.2.1"),)})
    both = layers(configured, watched=RegistryContext({"watched_ips": (ip_network("192.0.2.2"),)}), registry="*")
    assert both.context().of("any").ranges["watched_ips"] == (ip_network("192.0.2.1"), ip_network("192.0.2.2"))
    assert both.origins("*", "watched_ips") == ("configured", "watch list")


def test_shipped_labels_hold_where_nobody_else_speaks() -> None:
    assert "curl/*" in layers().context().of("any").lists["odd_user_agents"]
    assert layers().origins("*", "odd_user_agents") == ("shipped",)


@pytest.mark.parametrize(
    ("facts", "flags"),
    [
        ({}, set()),
        ({"admin_enabled": False}, {"admin_disabled"}),
        ({"admin_enabled": True}, set()),
        ({"anonymous_pull": False}, {"anonymous_pull_off"}),
        ({"public_network_access": "disabled"}, {"public_access_off"}),
        ({"public_network_access": "disabled", "private_endpoints": ["pending"]}, {"public_access_off"}),
        (
            {"public_network_access": "disabled", "private_endpoints": ["approved"]},
            {"public_access_off", "private_only"},
        ),
        ({"public_network_access": "enabled", "private_endpoints": ["approved"]}, set()),
    ],
)
def test_flags_follow_from_what_was_imported_and_from_nothing_else(facts: dict[str, Any], flags: set[str]) -> None:
    assert set(derived(facts).flags) == flags


def test_a_firewall_is_a_list_of_ranges_only_where_it_denies_by_default() -> None:
    rules = {"ip_rules": ["203.0.113.0/24"]}
    assert derived({**rules, "default_action": "deny"}).ranges == {"firewall_ranges": (ip_network("203.0.113.0/24"),)}
    assert derived({**rules, "default_action": "allow"}).ranges == {}


def test_what_is_watched_is_in_the_context_until_it_expires(state: Database) -> None:
    kinds = {"ip": "192.0.2.0/24", "digest": "sha256:aa", "identity": "mallory"}
    with state.begin() as connection:
        for kind, value in kinds.items():
            entry = {"owner": "alice", "reason": "case 7", "expires_at": NOW + timedelta(days=1), "now": NOW}
            watch_entries.add(connection, kind, value, **entry)  # type: ignore[arg-type]
        now, later = (
            ContextSources({}).current(connection, now=moment).of("contoso")
            for moment in (NOW, NOW + timedelta(days=2))
        )
    assert now.ranges["watched_ips"] == (ip_network("192.0.2.0/24"),)
    assert (now.lists["watched_digests"], now.lists["watched_identities"]) == (("sha256:aa",), ("mallory",))
    assert not later.ranges
    assert "watched_digests" not in later.lists


class _Hands:
    time = START

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def service(tmp_path: Path, state: Database) -> Callable[[int], list[alerts.Alert]]:
    """Return what stores one admin login and runs the next pass of an engine that goes on running."""
    lake, clock = Lake.open(tmp_path / "lake"), _Hands()
    engine = Engine(lake, state, {"off-admin": parse_rule(RULE, "off-admin")}, ContextSources({}), clock)

    def judge(number: int) -> list[alerts.Alert]:
        event = CaseEvent(timedelta(hours=6 * number), 200, {"operation": "Login", "identity": "contoso"})
        event.texts["registry"] = "contoso"  # type: ignore[index]
        row = event_row(event, number, Context())
        clock.time = row["event_time"] + timedelta(minutes=1)
        lake.commit(pa.Table.from_pylist([row], ARROW_SCHEMA), {"cases": number})
        engine.run_until_done()
        with state.connect() as connection:
            return sorted(alerts.find(connection), key=lambda alert: alert.first_seen)

    return judge


def test_a_running_engine_judges_by_an_import_from_its_next_pass_on(
    service: Callable[[int], list[alerts.Alert]], state: Database
) -> None:
    def settings(number: int, **facts: Any) -> None:
        with state.begin() as connection:
            now = START + timedelta(hours=6 * number)
            registry_facts.remember(connection, "contoso", "registry", facts, file="show.json", now=now)

    assert service(1) == []
    settings(1, admin_enabled=False)
    (alert,) = service(2)
    settings(2, admin_enabled=False, sku="premium", anonymous_pull=False)
    first, second = service(3)
    assert first.context_version == alert.context_version != second.context_version
    with state.connect() as connection:
        judged_by = contexts.load(connection, (alert.context_version or "")[:12])["contoso"]["flags"]
    assert judged_by == ["admin_disabled"]
    settings(3, admin_enabled=True)
    assert len(service(4)) == 2
