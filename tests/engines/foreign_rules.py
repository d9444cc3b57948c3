"""One rule for each construct of Sigma, as somebody else might write them; `plain` says in Python what some select."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

_RULE = """
title: foreign {name}
logsource: {{product: azure, service: containerregistry}}
detection:
  selection: {selection}
  {more}condition: {condition}
x_group_for: 1d
"""

_SELECTIONS: Mapping[str, tuple[str, str, str]] = {
    "contains": ("{Identity|contains: ['Οδο', '%', 'O''N']}", "", "selection"),
    "contains-all": ("{UserAgent|contains|all: [docker, go]}", "", "selection"),
    "startswith": ("{identity|startswith: 'iSt'}", "", "selection"),
    "endswith": ("{repository|endswith: /APP}", "", "selection"),
    "equals": ("{identity: [οδος, ΟΔΟΣ, İSTANBUL, STRAßE]}", "", "selection"),
    "wildcards": ("{identity: ['a?b', 'ß*', 'say \"*']}", "", "selection"),
    "long-list": ("{identity: [ΟΔΟΣ, 'İSTANBUL', 'straße', 'A%B', u1, u2, u3, u4, u5]}", "", "selection"),
    "long-wildcards": ("{identity|contains: [δο, 'A%', 'say \"', 'i?t', 'a\\b', u1, u2, u3, u4, u5]}", "", "selection"),
    "escaped": ("{identity: ['a\\\\b', 'a%b']}", "", "selection"),
    "cased": ("{identity|cased: CI, tag|cased|startswith: V}", "", "selection"),
    "not": ("{operation: pull}", "other: {identity|contains: ci}\n  ", "selection and not other"),
    "regex": ("{identity|re: '^[a-c]\\w+$'}", "", "selection"),
    "regex-flags": ("{identity|re|i|m: '^(k|LINES)\\d?$'}", "", "selection"),
    "regex-dot": ("{userAgent|re|s: '8.4.*t.$|\\+.$'}", "", "selection"),
    "cidr": ("{CallerIpAddress|cidr: [203.0.113.0/25, '2001:db8:1::/48']}", "", "selection"),
    "cidr-all": ("{callerIpAddress|cidr: '::/0'}", "", "selection"),
    "exists": ("{tag|exists: false, userAgent|exists: true}", "", "selection"),
    "null": ("{identity: null, repository: ''}", "", "1 of selection"),
    "compared": ("{status_code|gte: 401, status_code|lt: 404, durationMs|gt: 0.5}", "", "selection"),
    "number": ("{status_code: ['4*', 201], size|lte: 7}", "", "selection"),
    "fieldref": ("{identity|fieldref: tag}", "", "selection"),
    "fieldref-part": ("{repository|fieldref|endswith: tag}", "", "selection"),
    "keywords": ("[lines, 'ORAS*1']", "", "selection"),
    "time-part": ("{event_time|hour: [0, 23]}", "", "selection"),
    "truth": ("{succeeded: true, operation: [push, import]}", "", "selection"),
    "placeholder": ("{identity|expand: '%push_identities%', tag|expand: '%protected_tags%'}", "", "selection"),
    "ranges": ("{caller_ip|expand: '%allowed_ranges%'}", "flag: {registry|expand: '%private_only%'}\n  ",
               "flag and not selection"),
    "table": ("{operation: delete}", "", "selection"),
}  # fmt: skip

_CORRELATION = """
title: foreign {name}
correlation:
  type: {type}
  rules: [{rules}]
  group-by: [{group_by}]
  timespan: 10m
  {condition}
"""

_CORRELATIONS: Mapping[str, tuple[str, tuple[str, ...], str, str]] = {
    "event-count": ("event_count", ("deleted",), "identity", "condition: {gte: 20}"),
    "event-count-two-rules": ("event_count", ("deleted", "pulled"), "registry", "condition: {gt: 12}"),
    "value-count": ("value_count", ("deleted",), "registry, identity", "condition: {gte: 20, field: tag}"),
    "temporal": ("temporal", ("deleted", "pulled", "failed"), "registry", ""),
    "temporal-at-least": ("temporal", ("deleted", "pulled", "failed"), "repository", "condition: {gte: 2}"),
    "temporal-extended": ("temporal", ("deleted", "pulled", "failed"), "registry",
                          "condition: deleted and (pulled or failed)"),
    "temporal-ordered": ("temporal_ordered", ("failed", "pulled"), "registry",
                         ""),
    "aliased": ("temporal", ("deleted", "pulled"), "who", "aliases: {who: {deleted: identity, pulled: repository}}"),
}  # fmt: skip

_PARTS = {"deleted": "{operation: delete}", "pulled": "{operation: pull}", "failed": "{status_code|gte: 400}"}


def texts() -> dict[str, str]:
    """Return the text of every rule file, by the slug of its rule."""
    found = {
        f"foreign-{name}": _RULE.format(name=name, selection=selection, more=more, condition=condition)
        for name, (selection, more, condition) in _SELECTIONS.items()
    }
    for name, (kind, rules, group_by, condition) in _CORRELATIONS.items():
        head = _CORRELATION.format(name=name, type=kind, rules=", ".join(rules), group_by=group_by, condition=condition)
        parts = [
            f"name: {rule}" + _RULE.format(name=rule, selection=_PARTS[rule], more="", condition="selection")
            for rule in rules
        ]
        found[f"foreign-{name}"] = "---\n".join([head, *parts])
    return found


def _within(row: Mapping[str, Any], *networks: str) -> bool:
    if row["caller_ip"] is None:
        return False
    address = ipaddress.ip_address(row["caller_ip"])
    return any(address in ipaddress.ip_network(one) for one in networks)


def _folded(text: str | None) -> str:
    """DuckDB's folding: letter by letter, no letter into two."""
    return "" if text is None else "".join({"Σ": "σ", "İ": "i"}.get(c, c.lower()) for c in text)  # noqa: RUF001


def _in_text(row: Mapping[str, Any], word: str) -> bool:
    return any(re.search(word, _folded(row.get(name))) for name in ("identity", "user_agent", "repository", "tag"))


# What a rule selects, for those whose meaning can be said in a line without this project's own code.
PLAIN: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "foreign-contains": lambda row: any(part in _folded(row["identity"]) for part in ("οδο", "%", "o'n")),
    "foreign-equals": lambda row: _folded(row["identity"]) in ("οδος", "οδοσ", "istanbul", "straße"),
    "foreign-long-list": lambda row: _folded(row["identity"]) in ("οδοσ", "istanbul", "straße", "a%b"),
    "foreign-long-wildcards": lambda row: re.search(r'δο|a%|say "|i.t|a\\b', _folded(row["identity"])) is not None,
    "foreign-cased": lambda row: row["identity"] == "CI" and (row["tag"] or "").startswith("V"),
    "foreign-not": lambda row: row["operation"] == "pull" and "ci" not in _folded(row["identity"]),
    "foreign-regex": lambda row: re.search(r"^[a-c]\w+\Z", row["identity"] or "", re.ASCII) is not None,
    "foreign-cidr": lambda row: _within(row, "203.0.113.0/25", "2001:db8:1::/48"),
    "foreign-exists": lambda row: row["tag"] is None and row["user_agent"] is not None,
    "foreign-compared": lambda row: 401 <= (row["status_code"] or 0) < 404 and (row["duration_ms"] or 0) > 0.5,
    "foreign-fieldref": lambda row: (
        None not in (row["identity"], row["tag"]) and _folded(row["identity"]) == _folded(row["tag"])
    ),
    "foreign-keywords": lambda row: _in_text(row, "lines") or _in_text(row, "oras.*1"),
    "foreign-time-part": lambda row: row["event_time"].hour in (0, 23),
    "foreign-ranges": lambda row: row["registry"] == "contoso" and not _within(row, "198.51.100.0/24", "2001:db8::/47"),
}
