"""Compiled conditions select what Sigma's words mean, held against plain Python."""

import ipaddress
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acrwatch.core.address import parse_address
from detections.fields import SMALL_LETTERS
from detections.rule import parse_rule
from detections.rule_event import EventRule
from storage.lake.snapshot import Snapshot
from storage.query import Reader
from storage.schema import ARROW_SCHEMA

Write = Callable[..., str]
SLOW = settings(max_examples=40, suppress_health_check=list(HealthCheck))
LETTERS = "aAbB%_*?\\'\"éÉßΣσςİı\n.-"
TEXTS = st.none() | st.text(LETTERS, min_size=1, max_size=6)


def _selected(where: str, rows: list[dict[str, Any]]) -> list[int]:
    kept = pa.Table.from_pylist(rows, ARROW_SCHEMA).append_column("n", pa.array(range(len(rows))))
    with Reader(Snapshot(Path(), 0, ())) as reader:
        reader.register("rows", kept)
        return [row["n"] for row in reader.query(f"SELECT e.n FROM rows e WHERE {where} ORDER BY n").to_pylist()]


def _where(write: Write, selection: Any, condition: str = "s", **others: Any) -> str:
    rule = parse_rule(write({"s": selection, **others, "condition": condition}), "test-rule")
    assert isinstance(rule, EventRule)
    return rule.where


def _texts(values: list[str | None], field: str = "identity") -> list[dict[str, Any]]:
    return [{field: value} for value in values]


def _sigma_regex(pattern: str) -> str:
    """Sigma's wildcards as a regular expression: a backslash takes the meaning of * ? and itself."""
    found, at = "", 0
    while at < len(pattern):
        if pattern[at] == "\\" and pattern[at + 1 : at + 2] in ("*", "?", "\\"):
            found += re.escape(pattern[at + 1])
            at += 2
            continue
        found += {"*": ".*", "?": "."}.get(pattern[at], re.escape(pattern[at]))
        at += 1
    return found


@SLOW
@given(st.text(LETTERS, min_size=1, max_size=5), st.lists(TEXTS, max_size=8))
def test_cased_wildcards_mean_what_they_mean_in_python(
    write_rule: Write, pattern: str, values: list[str | None]
) -> None:
    literal = re.sub(r"\\([*?\\])", r"\1", pattern)
    values = [*values, literal, literal + "x", "x" + literal]
    meant = re.compile(_sigma_regex(pattern), re.DOTALL)
    expected = [n for n, value in enumerate(values) if value is not None and meant.fullmatch(value)]
    assert _selected(_where(write_rule, {"identity|cased": pattern}), _texts(values)) == expected


@SLOW
@given(st.text("aAbB%_*?\\'\"éÉ\n.-", min_size=1, max_size=5))
def test_plain_texts_ignore_case(write_rule: Write, pattern: str) -> None:
    literal = re.sub(r"\\([*?\\])", r"\1", pattern)
    values = [literal.upper(), literal.lower(), literal.swapcase()]
    assert _selected(_where(write_rule, {"identity": pattern}), _texts(list(values))) == [0, 1, 2]


@settings(SLOW, max_examples=12)  # each asks some ten times
@given(st.lists(st.text("aAbB%_'éÉßΣσςİı", min_size=1, max_size=3), max_size=9))
def test_a_list_of_texts_means_any_of_them_however_it_is_looked_up(write_rule: Write, values: list[str]) -> None:
    """As one comparison, as a list, and from eight texts on as a table."""
    rows = _texts([*values, *(value.swapcase() for value in values), "other", None])
    singly = {at for value in values for at in _selected(_where(write_rule, {"identity": value}), rows)}
    assert set(_selected(_where(write_rule, {"identity": [*values, "nobody"]}), rows)) == singly


@pytest.mark.parametrize("field", sorted(SMALL_LETTERS))
def test_what_is_derived_in_small_letters_is_compared_as_it_is(write_rule: Write, field: str) -> None:
    where = _where(write_rule, {field: ["PUSH", "Pull"]})
    assert f"lower(e.{field})" not in where
    assert _selected(where, _texts(["pull", "push", "delete", None], field)) == [0, 1]


@pytest.mark.parametrize("text", ["ΑΣ", "İstanbul", "ẞ", "it's", "50%_\\", "a\nb", "', 1) OR true --"])
def test_any_text_equals_itself_and_nothing_else(write_rule: Write, text: str) -> None:
    plain = text.replace("\\", "\\\\")
    assert _selected(_where(write_rule, {"identity": plain}), _texts([text, "other", None])) == [0]


@pytest.mark.parametrize(
    ("selection", "values", "expected"),
    [
        ({"identity|contains": "min"}, ["admin", "MINE", "mi", None], [0, 1]),
        ({"identity|startswith": "ad"}, ["admin", "bad", None], [0]),
        ({"identity|endswith": "n%"}, ["in%", "inx", None], [0]),
        ({"identity|contains|all": ["a", "b"]}, ["ab", "ba", "a", None], [0, 1]),
        ({"identity": ["x", "y"]}, ["X", "y", "z", None], [0, 1]),
        ({"identity": None}, ["x", None], [1]),
        ({"identity": ""}, ["x", None], [1]),
        ({"identity": ["x", None]}, ["x", None, "y"], [0, 1]),
        ({"identity|exists": True}, ["x", None], [0]),
        ({"identity|exists": False}, ["x", None], [1]),
        ({"identity": 42}, ["42", "43", None], [0]),
        ({"identity|re": "^a.c$"}, ["abc", "Abc", "a\nc", "xabc", None], [0]),
        ({"identity|re|i": "^a.c$"}, ["abc", "ABC", None], [0, 1]),
        ({"identity|re|s": "^a.c$"}, ["abc", "a\nc", None], [0, 1]),
        ({"identity|re|m": "^b$"}, ["a\nb", "ab", None], [0]),
        ({"identity|re|i|m|s": "^B.C$"}, ["a\nb\nc", "abc", None], [0]),
        ({"identity|re": "it's"}, ["it's", "its"], [0]),
        ({"identity|neq": "x"}, ["x", "y", None], [1, 2]),
    ],
)
def test_a_construct_on_text(
    write_rule: Write, selection: dict[str, Any], values: list[str | None], expected: list[int]
) -> None:
    assert _selected(_where(write_rule, selection), _texts(values)) == expected


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({"status_code": 404}, [1]),
        ({"status_code": "404"}, [1]),
        ({"status_code": "4*"}, [1, 2]),
        ({"status_code|gte": 404}, [1, 2]),
        ({"status_code|lt": 404}, [0]),
        ({"status_code": None}, [3]),
        ({"status_code": [200, 499]}, [0, 2]),
    ],
)
def test_a_construct_on_numbers(write_rule: Write, selection: dict[str, Any], expected: list[int]) -> None:
    rows = [{"status_code": code} for code in (200, 404, 499, None)]
    assert _selected(_where(write_rule, selection), rows) == expected


def test_true_and_false_are_themselves(write_rule: Write) -> None:
    rows = [{"succeeded": True}, {"succeeded": False}]
    assert _selected(_where(write_rule, {"succeeded": True}), rows) == [0]
    assert _selected(_where(write_rule, {"succeeded": False}), rows) == [1]


def test_a_field_may_be_compared_with_another(write_rule: Write) -> None:
    rows = [{"identity": "A", "registry": "a"}, {"identity": "b", "registry": "a"}, {"registry": "a"}]
    assert _selected(_where(write_rule, {"identity|fieldref": "registry"}), rows) == [0]


@pytest.mark.parametrize(
    ("condition", "meant"),
    [
        ("s and not t", lambda s, t: s and not t),
        ("not s and not t", lambda s, t: not s and not t),
        ("not (s or t)", lambda s, t: not (s or t)),
        ("s or not t", lambda s, t: s or not t),
        ("1 of them", lambda s, t: s or t),
        ("all of them", lambda s, t: s and t),
        ("not 1 of them", lambda s, t: not (s or t)),
    ],
)
def test_not_is_the_complement_even_where_fields_are_absent(
    write_rule: Write, condition: str, meant: Callable[[bool, bool], bool]
) -> None:
    values = [("x", "y"), ("x", None), (None, "y"), (None, None), ("z", "z")]
    rows = [{"identity": identity, "repository": repository} for identity, repository in values]
    where = _where(write_rule, {"identity": "x"}, condition, t={"repository": "y"})
    assert _selected(where, rows) == [n for n, (i, r) in enumerate(values) if meant(i == "x", r == "y")]


def _spellings(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[str]:
    if address.version == 4:
        return [f"{address}", f"{address}:443", f"::ffff:{address}", f"[::ffff:{address}]:443"]
    return [f"{address}", address.exploded, f"[{address}]", f"[{address.exploded}]:65535", str(address).upper()]


def _unmapped(network: Any) -> Any:
    """A range of v4-mapped addresses is the v4 range it maps, as mapped addresses are v4 addresses."""
    first = getattr(network.network_address, "ipv4_mapped", None)
    return network if first is None or network.prefixlen < 96 else ipaddress.ip_network((first, network.prefixlen - 96))


NETWORKS = st.one_of(
    st.builds(lambda a, n: ipaddress.ip_network((int(a), n), strict=False), st.ip_addresses(v=4), st.integers(0, 32)),
    st.builds(lambda a, n: ipaddress.IPv6Network((int(a), n), strict=False), st.ip_addresses(v=6), st.integers(0, 128)),
    st.sampled_from(
        [
            ipaddress.ip_network(n)
            for n in ("::/0", "::/80", "::ffff:0:0/96", "::ffff:cb00:7100/120", "0.0.0.0/0", "2001:db8::/32")
        ]
    ),
)


@SLOW
@given(network=NETWORKS, data=st.data())
def test_ranges_are_judged_as_ipaddress_judges_them(write_rule: Write, network: Any, data: st.DataObject) -> None:
    if network.version == 4:
        network = ipaddress.IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen), strict=False)
    edges = [network.network_address, network.broadcast_address]
    near = [type(edge)(min(max(int(edge) + d, 0), edge._ALL_ONES)) for edge in edges for d in (-1, 0, 1)]
    addresses = [*near, *data.draw(st.lists(st.ip_addresses(), min_size=3, max_size=6))]
    mapped = [getattr(address, "ipv4_mapped", None) or address for address in addresses]
    cases = [(text, address) for address in mapped for text in _spellings(address)]
    rows = []
    for text, _ in cases:
        parsed = parse_address(text)
        assert parsed.key is not None, text
        rows.append({"caller_ip": parsed.text, "ip_key": parsed.key})
    meant = _unmapped(network)
    inside = [n for n, (_, a) in enumerate(cases) if a.version == meant.version and a in meant]
    assert _selected(_where(write_rule, {"caller_ip|cidr": str(network)}), rows) == inside, json.dumps(str(network))
