"""Registries against good practice: every check passes, fails, and is unknown where nothing says how it is."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest

from detections.case import event_row
from detections.case_spec import CaseEvent
from detections.context import Context
from detections.posture.check import FAIL, PASS, UNKNOWN, Policy
from detections.posture.checks import CHECKS
from detections.posture.report import categories_seen, standings
from ingest.registry_settings.reading import read_settings
from storage.lake import Lake
from storage.query import Reader
from storage.schema import ARROW_SCHEMA, CATEGORIES

BOTH = list(CATEGORIES)
_NONE = timedelta()

# Per check: settings that follow it, settings that do not.
EXAMPLES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "admin-user": ([{"admin_enabled": False}], [{"admin_enabled": True}]),
    "anonymous-pull": ([{"anonymous_pull": False}], [{"anonymous_pull": True}]),
    "firewall-default-deny": (
        [
            {"default_action": "deny", "ip_rules": ["203.0.113.9/32", "10.0.0.0/8"]},
            {"default_action": "allow", "public_network_access": "disabled"},
        ],
        [
            {"default_action": "allow", "public_network_access": "enabled"},
            {"default_action": "deny", "ip_rules": ["0.0.0.0/1", "128.0.0.0/1"]},
            {"sku": "basic"},
        ],
    ),
    "public-access": ([{"public_network_access": "disabled"}], [{"public_network_access": "enabled"}]),
    "private-link": ([{"private_endpoints": ["approved", "pending"]}], [{"private_endpoints": ["pending"]}]),
    "customer-managed-key": ([{"encryption": "enabled"}], [{"encryption": "disabled"}]),
    "data-endpoints": ([{"data_endpoint_enabled": True}], [{"data_endpoint_enabled": False}]),
    "retention": (
        [{"retention": "enabled", "retention_days": 7}, {"retention": "disabled", "soft_delete": "enabled"}],
        [{"retention": "disabled", "soft_delete": "disabled"}, {"retention": "disabled"}],
    ),
    "audit-logs": (
        [
            {"diagnostics": [{"logs": BOTH[:1]}, {"logs": BOTH[1:]}]},
            {"diagnostics": [{"logs": ["allLogs"]}]},
            {"categories_seen": BOTH},
        ],
        [{"diagnostics": []}, {"diagnostics": [{"logs": BOTH[:1]}], "categories_seen": BOTH}],
    ),
    "role-assignment-mode": (
        [{"role_assignment_mode": "abacrepositorypermissions"}],
        [{"role_assignment_mode": "legacyregistrypermissions"}],
    ),
    "quarantine": ([{"quarantine": "enabled"}], [{"quarantine": "disabled"}]),
    "export-policy": ([{"export": "disabled"}], [{"export": "enabled"}]),
    "content-trust": ([{"content_trust": "disabled"}], [{"content_trust": "enabled"}]),
    "image-scanning": ([{"defender_tier": "standard"}], [{"defender_tier": "free"}]),
    "arm-tokens": ([{"arm_audience_tokens": "disabled"}], [{"arm_audience_tokens": "enabled"}]),
    "token-expiry": (
        [{"tokens": []}, {"tokens": [{"name": "a", "status": "disabled", "expiries": [None]}]}],
        [{"tokens": [{"name": "a", "status": "enabled", "expiries": ["2027-01-01T00:00:00Z", None]}]}],
    ),
}


def result(check: str, facts: dict[str, Any]) -> str:
    return next(one.finding.result for one in standings("contoso", facts) if one.check.name == check)


def test_every_check_has_its_examples() -> None:
    assert {check.name for check in CHECKS} == EXAMPLES.keys()


@pytest.mark.parametrize("check", EXAMPLES)
def test_a_check_passes_fails_and_knows_when_it_does_not_know(check: str) -> None:
    good, bad = EXAMPLES[check]
    assert {result(check, facts) for facts in good} == {PASS}
    assert {result(check, facts) for facts in bad} == {FAIL}
    assert result(check, {}) == UNKNOWN


@pytest.mark.parametrize(
    ("check", "facts"),
    [("public-access", {"public_network_access": "securedbyperimeter"}), ("audit-logs", {"categories_seen": BOTH[:1]})],
)
def test_what_is_unclear_is_no_pass(check: str, facts: dict[str, Any]) -> None:
    assert result(check, facts) == UNKNOWN


def test_a_registry_that_follows_all_of_it_fails_nothing(
    write: Callable[[str, Any], Path], flat: Callable[..., Any]
) -> None:
    (reading,) = read_settings([write("show.json", flat())])
    by_result: dict[str, list[str]] = {PASS: [], FAIL: [], UNKNOWN: []}
    for one in standings("contoso", reading.facts):
        by_result[one.finding.result].append(one.check.name)
    assert by_result[FAIL] == []
    assert sorted(by_result[UNKNOWN]) == ["audit-logs", "image-scanning", "token-expiry"]


def test_failures_come_first_and_say_what_to_do_for_this_registry() -> None:
    found = standings("contoso", {"admin_enabled": True, "encryption": "disabled", "anonymous_pull": False})
    assert [one.check.name for one in found[:2]] == ["admin-user", "customer-managed-key"]
    assert found[0].remedy.startswith("az acr update -n contoso --admin-enabled false")
    assert [one.remedy for one in found if one.finding.result == PASS] == [""]


def test_every_check_names_its_source_and_what_to_do() -> None:
    lacking = [c.name for c in CHECKS if not (c.source.startswith("https://") and c.remedy and c.unknown and c.title)]
    assert lacking == []
    policies = {check.name: check.policies for check in CHECKS}
    assert policies["private-link"] == (
        Policy("e8eef0a8-67cf-4eb4-9386-14b0e78733d4", "Container registries should use private link"),
    )


def test_every_policy_is_named_once_with_an_id_of_its_own() -> None:
    named = [policy for check in CHECKS for policy in check.policies]
    assert len({policy.id for policy in named}) == len({policy.name for policy in named}) == len(named) == 12
    assert all(str(UUID(policy.id)) == policy.id for policy in named)


def test_the_audit_logs_that_arrived_lately_are_seen_by_registry(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    kinds = (("Login", "contoso"), ("Pull", "contoso"), ("Pull", "fabrikam"))
    events = [CaseEvent(_NONE, 200, {"operation": kind, "registry": name}) for kind, name in kinds]
    rows = [event_row(event, number, Context()) for number, event in enumerate(events)]
    lake.commit(pa.Table.from_pylist(rows, ARROW_SCHEMA), {"cases": 3})
    day = rows[0]["event_date"]
    with Reader(lake.snapshot()) as reader:
        assert {name: sorted(seen) for name, seen in categories_seen(reader, day, day).items()} == {
            "contoso": sorted(BOTH),
            "fabrikam": BOTH[1:],
        }
        assert categories_seen(reader, date(2020, 1, 1), date(2020, 1, 2)) == {}
