"""Rules of a firewall lie within ranges or they do not, as Python's own reading of addresses has it."""

import ipaddress
import re
from random import Random

import duckdb
import pytest

from detections.context import key_ranges
from detections.ip_rules import pattern, rules_within

RULE = '{"action":"Allow","value":"%s"}'


def _block(random: Random, shortest: int) -> ipaddress.IPv4Network:
    length = random.randint(shortest, 32)
    return ipaddress.IPv4Network((0xC6120000 | random.getrandbits(17), length), strict=False)


def test_a_pattern_holds_the_blocks_that_its_range_holds() -> None:
    random = Random(8)
    for _ in range(4000):
        wide, narrow = _block(random, 8), _block(random, 8)
        spelled = str(narrow) if narrow.prefixlen < 32 else str(narrow.network_address)
        assert bool(re.fullmatch(pattern(wide), spelled)) == narrow.subnet_of(wide), (wide, narrow)


def _within(rules: str, registry: str, **ranges: list[str]) -> bool:
    bounds = [
        (name.replace("every", "*"), *pair)
        for name, given in ranges.items()
        for pair in key_ranges([ipaddress.ip_network(one) for one in given])
    ]
    sql = rules_within("e.rules", bounds)
    asked = f"SELECT {sql} FROM (SELECT $1 AS rules, $2 AS registry) e"
    return duckdb.execute(asked, [rules, registry]).fetchall() == [(True,)]


@pytest.mark.parametrize(
    ("rules", "within"),
    [
        (["203.0.113.9"], True),
        (["203.0.113.0/24", "192.0.2.1"], True),
        (["192.0.2.1", "203.0.113.9", "192.0.2.0/28"], True),
        (["203.0.113.0/23"], False),
        (["192.0.2.1", "198.51.100.1"], False),
        (["198.51.100.1", "192.0.2.1"], False),
        (["203.0.113.9.example"], False),
        ([], False),
    ],
)
def test_every_rule_must_lie_in_a_range_of_the_registry_or_of_all(rules: list[str], within: bool) -> None:
    text = "[" + ",".join(RULE % one for one in rules) + "]"
    ranges = {"contoso": ["203.0.113.0/24", "2001:db8::/32"], "every": ["192.0.2.0/24"], "fabrikam": ["0.0.0.0/0"]}
    assert _within(text, "contoso", **ranges) is within
    assert _within(text, "northwind", every=["198.18.0.0/15"]) is False


def test_without_ranges_and_without_rules_nothing_is_within() -> None:
    assert not _within("[" + RULE % "203.0.113.9" + "]", "contoso")
    assert rules_within("NULL", []) == "false"
    assert not _within("", "contoso", every=["0.0.0.0/0"])
