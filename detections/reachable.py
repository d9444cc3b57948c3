"""Whether any event can meet a condition: contradictions that a rule's author did not mean.

A condition is taken apart into alternatives, each a conjunction of tests of single fields; one that no event can meet
has a contradiction in every alternative. What is not understood here (a regular expression, a placeholder) is taken to
be possible, so nothing is called impossible that is not.
"""

import difflib
import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from sigma.conditions import ConditionAND, ConditionFieldEqualsValueExpression, ConditionNOT, ConditionOR
from sigma.types import (
    Placeholder,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SpecialChars,
)

from acrwatch.core import identity
from acrwatch.core.operation import OPERATIONS
from detections.fields import NUMBER_FIELDS, field_named
from storage.schema import CATEGORIES

Values = Mapping[str, Sequence[str]]

# Every value that acrwatch itself gives these fields; a registry event always has one of them.
VALUES: Final[Values] = {
    "operation": (*OPERATIONS, "other"),
    "category": CATEGORIES,
    "identity_kind": (
        identity.ADMIN, identity.USER, identity.OBJECT_ID, identity.TOKEN, identity.ANONYMOUS, identity.UNKNOWN
    ),
}  # fmt: skip

# Conditions of hand-written rules have some tens of alternatives; beyond this nothing is said.
_MOST_ALTERNATIVES: Final = 2_000


@dataclass(frozen=True, slots=True)
class _Test:
    """One test of one field: `holds` false where the condition asks for the contrary."""

    field: str
    value: Any
    holds: bool

    def __str__(self) -> str:
        return f"{'' if self.holds else 'not '}{_shown(self.value)}"


def contradiction(node: Any, values: Values = VALUES) -> str | None:
    """Return why no event can meet a parsed condition, in words about one of its alternatives; None if one may.

    `values` are those that fields always have one of.
    """
    alternatives = _alternatives(node, holds=True)
    if alternatives is None:
        return None
    why = None
    for tests in alternatives:
        found = _conflict(tests, values)
        if found is None:
            return None
        why = why or found
    return why


def unknown_value(node: Any) -> str | None:
    """Return which text of a parsed condition no registry event ever has in a field whose values are known; None if
    none."""
    for field, value in _leaves(node):
        known = VALUES.get(field, ())
        if known and type(value) is SigmaString and all(_meets(value, one.lower()) is False for one in known):
            near = difflib.get_close_matches(str(value).lower(), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            return f"{field} is never {_shown(value)}: {hint}"
    return None


def _leaves(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, ConditionFieldEqualsValueExpression):
        values = node.value.values if isinstance(node.value, SigmaExpansion) else [node.value]
        yield from ((field_named(node.field) or "", value) for value in values)
    for child in getattr(node, "args", ()):
        yield from _leaves(child)


def _alternatives(node: Any, *, holds: bool) -> list[tuple[_Test, ...]] | None:
    """Return the alternatives of a condition, or of its contrary; None where there are too many to look at."""
    match node:
        case ConditionNOT():
            return _alternatives(node.args[0], holds=not holds)
        case ConditionAND() | ConditionOR():
            parts = [_alternatives(child, holds=holds) for child in node.args]
            known = [part for part in parts if part is not None]
            return None if len(known) < len(parts) else _joined(known, every=isinstance(node, ConditionAND) == holds)
        case ConditionFieldEqualsValueExpression():
            values = node.value.values if isinstance(node.value, SigmaExpansion) else [node.value]
            field = field_named(node.field) or ""
            return _joined([[(_Test(field, value, holds),)] for value in values], every=not holds)
    return [()]  # a keyword: possible either way


def _joined(parts: Sequence[list[tuple[_Test, ...]]], *, every: bool) -> list[tuple[_Test, ...]] | None:
    if not every:
        return [tests for part in parts for tests in part]
    size = 1
    for part in parts:
        size *= len(part)
    if size > _MOST_ALTERNATIVES:
        return None
    return [tuple(test for tests in chosen for test in tests) for chosen in product(*parts)]


def _conflict(tests: Sequence[_Test], values: Values) -> str | None:
    """Return what contradicts itself in one alternative."""
    by_field: dict[str, list[_Test]] = {}
    for test in tests:
        by_field.setdefault(test.field, []).append(test)
    for field, mine in by_field.items():
        if field and not _possible(field, mine, values.get(field, ())):
            return f"{field} would have to be {' and '.join(dict.fromkeys(map(str, mine)))}"
    return None


def _possible(field: str, tests: Sequence[_Test], known: Sequence[str]) -> bool:
    asked = [test.value for test in tests if test.holds]
    if _absent(tests) and (known or any(not _is_absence(value) for value in asked)):
        return False
    exact = [one for one in map(_exact, asked) if one is not None]
    candidates = exact[:1] or (["true", "false"] if field == "succeeded" else known)
    if candidates:
        return any(
            all(_meets(test.value, one) in (None, test.holds) for test in tests) for one in map(str.lower, candidates)
        )
    refused = {_key(test.value) for test in tests if not test.holds}
    if any(_key(value) in refused for value in asked):
        return False
    return _overlap(asked) and (field not in NUMBER_FIELDS or _between(asked))


def _absent(tests: Sequence[_Test]) -> bool:
    """Return whether the field must be absent."""
    return any(test.holds and _is_absence(test.value) for test in tests)


def _is_absence(value: Any) -> bool:
    return isinstance(value, SigmaNull) or (isinstance(value, SigmaExists) and not value.exists)


def _exact(value: Any) -> str | None:
    """Return the one text, folded, that a field must have to meet a value; None where it may have several."""
    if isinstance(value, SigmaBool):
        return "true" if value.boolean else "false"
    if type(value) is SigmaNumber:
        return str(value.number)
    if isinstance(value, SigmaString) and value.s and all(isinstance(part, str) for part in value.s):
        return "".join(map(str, value.s)).lower()
    return None


def _meets(value: Any, text: str) -> bool | None:
    """Return whether a field with this folded text meets a value; None where that cannot be told."""
    if (exact := _exact(value)) is not None:
        # Of a text in another case it cannot be told whether a case-sensitive one is met, only that another is not.
        return None if isinstance(value, SigmaCasedString) and exact == text else exact == text
    if type(value) is SigmaString and not any(isinstance(part, Placeholder) for part in value.s):
        return bool(value.s) and re.fullmatch(_pattern(value), text, re.DOTALL) is not None
    if isinstance(value, SigmaCompareExpression):
        return _compares(value, text)
    if isinstance(value, SigmaCIDRExpression):
        return _within(value, text)
    if isinstance(value, SigmaExists):
        return bool(value.exists)
    return False if isinstance(value, SigmaNull) else None


def _pattern(value: SigmaString) -> str:
    wild = {SpecialChars.WILDCARD_MULTI: ".*", SpecialChars.WILDCARD_SINGLE: "."}
    return "".join(
        wild.get(part, "") if isinstance(part, SpecialChars) else re.escape(str(part).lower()) for part in value.s
    )


def _compares(value: SigmaCompareExpression, text: str) -> bool | None:
    try:
        number, limit = float(text), float(value.number.number)
    except ValueError:
        return None
    orders = {"LT": number < limit, "LTE": number <= limit, "GT": number > limit, "GTE": number >= limit}
    return orders.get(value.op.name)


def _within(value: SigmaCIDRExpression, text: str) -> bool | None:
    try:
        return ipaddress.ip_address(text) in value.network
    except ValueError:
        return None


def _overlap(asked: Sequence[Any]) -> bool:
    networks = [value.network for value in asked if isinstance(value, SigmaCIDRExpression)]
    return all(one.version == two.version and one.overlaps(two) for one in networks for two in networks)


def _between(asked: Sequence[Any]) -> bool:
    """Return whether a number can meet all comparisons; the fields hold whole ones."""
    low, high = float("-inf"), float("inf")
    for value in asked:
        if type(value) is SigmaCompareExpression and type(value.number) is SigmaNumber:
            limit, name = float(value.number.number), value.op.name
            low = max(low, limit + (name == "GT")) if name in ("GT", "GTE") else low
            high = min(high, limit - (name == "LT")) if name in ("LT", "LTE") else high
    return low <= high


def _key(value: Any) -> tuple[str, str]:
    return type(value).__name__, str(value)


def _shown(value: Any) -> str:
    if isinstance(value, SigmaNull):
        return "absent"
    if isinstance(value, SigmaExists):
        return "present" if value.exists else "absent"
    if isinstance(value, SigmaCompareExpression):
        return f"{value.op.name.lower()} {value.number}"
    if isinstance(value, SigmaBool):
        return str(value.boolean).lower()
    if isinstance(value, SigmaRegularExpression):
        return f"/{value.regexp}/"
    return repr(str(value.network)) if isinstance(value, SigmaCIDRExpression) else repr(str(value))
