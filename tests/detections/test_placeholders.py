"""What placeholders mean: ranges, values and flags of the event's registry and of all registries."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from acrwatch.core.address import parse_address
from acrwatch.core.registry import FLAGS, LISTS, RANGES, RegistryContext
from detections.binding import bound
from detections.context import Context, with_shipped
from detections.needs import spoken
from detections.placeholders import LIKE, list_asked_for, misspelt
from detections.rule import SHIPPED, parse_rule
from storage.lake.snapshot import Snapshot
from storage.query import Reader
from storage.schema import ARROW_SCHEMA

OFFICE = ipaddress.ip_network("192.0.2.0/24")
Judge = Callable[..., list[int]]


@pytest.fixture
def matching(write_rule: Callable[..., str]) -> Judge:
    """Return which rows (by number) meet one selection under a context."""

    def judge(
        selection: Mapping[str, Any], context: Context, *rows: Mapping[str, Any], condition: str = "s"
    ) -> list[int]:
        rule: Any = parse_rule(write_rule({"s": selection, "condition": condition}), "test-rule")
        full = [{"registry": "contoso", **row} for row in rows]
        for row in full:
            row["ip_key"] = parse_address(row["caller_ip"]).key if row.get("caller_ip") else None
        kept = pa.Table.from_pylist(full, ARROW_SCHEMA).append_column("n", pa.array(range(len(full))))
        with Reader(Snapshot(Path(), 0, ())) as reader:
            for name, table in {**context.tables(), "rows": kept}.items():
                reader.register(name, table)
            asked = [bound(rule.where, context, literals=most) for most in (None, 1_000_000, 0)]
            found = [reader.query(f"SELECT e.n FROM rows e WHERE {where} ORDER BY n").to_pylist() for where in asked]
        assert found[0] == found[1] == found[2], "a short list and a long one do not mean the same"
        return [row["n"] for row in found[0]]

    return judge


def values(registry: str = "contoso", **lists: Any) -> Context:
    return Context({registry: RegistryContext(lists=lists)})


def test_a_value_list_is_read_with_wildcards_and_without_case(matching: Judge) -> None:
    context = values(protected_tags=["v*", "LATEST", "r?", "50%_x"])
    rows = [{"tag": tag} for tag in ("V1.2", "latest", "r1", "r12", "50%_x", "50yzx", "dev", None)]
    assert matching({"tag|expand": "%protected_tags%"}, context, *rows) == [0, 1, 2, 4]


def test_a_backslash_in_a_value_stands_for_itself(matching: Judge) -> None:
    context = values(push_identities=["corp\\ci*"])
    assert matching({"identity|expand": "%push_identities%"}, context, {"identity": "CORP\\ci-1"}) == [0]


def test_a_list_holds_for_its_own_registry_alone(matching: Judge) -> None:
    context = values(push_identities=["ci"])
    rows = [{"identity": "ci"}, {"identity": "ci", "registry": "fabrikam"}]
    assert matching({"identity|expand": "%push_identities%"}, context, *rows) == [0]


def test_a_list_of_every_registry_holds_beside_its_own(matching: Judge) -> None:
    context = Context({"*": RegistryContext(lists={"x": ["all"]}), "contoso": RegistryContext(lists={"x": ["own"]})})
    rows = [{"identity": "all"}, {"identity": "own"}, {"identity": "own", "registry": "fabrikam"}]
    assert matching({"identity|expand": "%x%"}, context, *rows) == [0, 1]


def test_a_range_list_of_every_registry_holds_beside_its_own(matching: Judge) -> None:
    own = RegistryContext({"push_ranges": [ipaddress.ip_network("2001:db8::/32")]})
    context = Context({"*": RegistryContext({"push_ranges": [OFFICE]}), "contoso": own})
    rows = [{"caller_ip": ip} for ip in ("192.0.2.7", "2001:db8::1", "203.0.113.9", None)]
    assert matching({"caller_ip|expand": "%push_ranges%"}, context, *rows) == [0, 1]


def test_single_addresses_are_found_among_ranges(matching: Judge) -> None:
    ranges = [OFFICE, *map(ipaddress.ip_network, ("203.0.113.9", "2001:db8::7"))]
    context = Context({"contoso": RegistryContext({"watched_ips": ranges})})
    callers = ("203.0.113.9", "203.0.113.10", "2001:db8::7", "2001:db8::8", "192.0.2.255", "::ffff:203.0.113.9", None)
    rows = [{"caller_ip": ip} for ip in callers]
    assert matching({"caller_ip|expand": "%watched_ips%"}, context, *rows) == [0, 2, 4, 5]


ONE = ipaddress.ip_network("203.0.113.9")


@pytest.mark.parametrize(
    "kind",
    [{"ranges": {"x": [ONE]}}, {"ranges": {"x": [OFFICE]}}, {"lists": {"x": ["a"]}}, {"lists": {"x": ["a*"]}}],
)
def test_a_registry_has_a_list_of_any_kind_that_is_not_empty(matching: Judge, kind: Any) -> None:
    context = Context({"contoso": RegistryContext(**kind), "empty": RegistryContext(lists={"x": []})})
    rows = [{}, {"registry": "fabrikam"}, {"registry": "empty"}]
    assert matching({"registry|expand": "%registries_with_x%"}, context, *rows) == [0]


def test_a_list_of_every_registry_is_one_that_each_has(matching: Judge) -> None:
    context = values("*", x=["a"])
    assert matching({"registry|expand": "%registries_with_x%"}, context, {"registry": "fabrikam"}) == [0]


def test_registries_with_ranges_are_those_with_allowed_ones(matching: Judge) -> None:
    context = Context({"contoso": RegistryContext({"allowed_ranges": [OFFICE]}), "b": RegistryContext({"x": [OFFICE]})})
    assert matching({"registry|expand": "%registries_with_ranges%"}, context, {}, {"registry": "b"}) == [0]


def test_a_flag_is_of_its_registry_or_of_all(matching: Judge) -> None:
    context = Context({"contoso": RegistryContext(flags=["admin_disabled"]), "*": RegistryContext(flags=["ours"])})
    rows = [{}, {"registry": "fabrikam"}]
    assert matching({"registry|expand": "%admin_disabled%"}, context, *rows) == [0]
    assert matching({"registry|expand": "%ours%"}, context, *rows) == [0, 1]


@pytest.mark.parametrize("field", ["identity", "caller_ip", "registry"])
def test_what_nobody_configured_is_an_empty_list(matching: Judge, field: str) -> None:
    row = {"identity": "ci", "caller_ip": "192.0.2.7"}
    assert matching({f"{field}|expand": "%nobody%"}, Context(), row) == []
    assert matching({f"{field}|expand": "%nobody%"}, Context(), row, condition="not s") == [0]


def test_an_admin_name_of_every_registry_replaces_the_registrys_own(matching: Judge) -> None:
    context = values("*", admin_usernames=["root"])
    rows = [{"identity": "ROOT"}, {"identity": "contoso"}]
    assert matching({"identity|expand": "%admin_usernames%"}, context, *rows) == [0]


def test_the_shipped_lists_hold_until_others_are_said(matching: Judge) -> None:
    rows = [{"user_agent": "curl/8.9.1"}, {"user_agent": "docker/27.0 go/1.22"}, {"user_agent": "mine/1"}]
    agents = {"user_agent|expand": "%odd_user_agents%"}
    assert matching(agents, with_shipped({}), *rows) == [0]
    assert matching(agents, with_shipped({"*": RegistryContext(lists={"odd_user_agents": ["mine/*"]})}), *rows) == [2]
    assert matching(agents, with_shipped({"*": RegistryContext(lists={"odd_user_agents": []})}), *rows) == []


@pytest.mark.parametrize(
    ("condition", "needs"),
    [
        ("pull and known", ["known_repositories"]),
        ("pull and not known", []),
        ("pull or known", []),
        ("(known and judged) or (known and off)", ["the flag admin_disabled or push_ranges", "known_repositories"]),
        ("judged and off", ["the flag admin_disabled", "push_ranges"]),
        ("pull and (known or judged or off)", ["the flag admin_disabled, known_repositories or push_ranges"]),
        ("known and (known or judged)", ["known_repositories"]),
        ("admin", []),
        ("admin or known", []),
    ],
)
def test_a_rule_knows_what_it_cannot_do_without(
    write_rule: Callable[..., str], condition: str, needs: list[str]
) -> None:
    selections = {
        "pull": {"operation": "pull"},
        "known": {"repository|expand": "%known_repositories%"},
        "judged": {"registry|expand": "%registries_with_push_ranges%"},
        "off": {"registry|expand": "%admin_disabled%"},
        "admin": {"identity|expand": "%admin_usernames%"},
    }
    used = {name: one for name, one in selections.items() if name in condition}
    rule: Any = parse_rule(write_rule({**used, "condition": condition}), "test-rule")
    assert spoken(rule.needs) == needs


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("alowed_ranges", "allowed_ranges"),
        ("registries_with_push_range", "registries_with_push_ranges"),
        ("admin_disable", "admin_disabled"),
        ("allowed_ranges", None),
        ("registries_with_ranges", None),
        ("crown_jewels", None),
    ],
)
def test_a_name_that_is_nearly_a_known_one_is_told(name: str, meant: str | None) -> None:
    assert misspelt(name) == meant


def test_the_version_of_a_context_changes_with_every_part_and_not_with_order() -> None:
    kinds = [{"ranges": {"x": [OFFICE]}}, {"lists": {"x": ["a", "b"]}}, {"flags": ["x"]}]
    versions = {Context({"contoso": RegistryContext(**kind)}).version() for kind in kinds}  # type: ignore[arg-type]
    assert len(versions) == 3
    assert values(x=["b", "A"]).version() in versions


def test_every_list_and_flag_that_a_shipped_rule_names_is_a_setting_or_a_flag_that_settings_name() -> None:
    named = {
        name for file in SHIPPED.glob("*.yml") for name in re.findall(r"'%(\w+)%'", file.read_text(encoding="utf-8"))
    }
    meant = {list_asked_for(name).removeprefix(LIKE) for name in named}
    assert meant > {"working_hours", "public", "roaming_identities", "allowed_ranges"}
    assert meant - {setting.name for setting in (*RANGES, *LISTS)} - FLAGS.keys() == set()
