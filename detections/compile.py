"""Sigma conditions into SQL predicates over `events e`.

A predicate is never NULL: each leaf is false where its field is absent, so that `not` means what a reader expects.
What has no right translation is refused with the construct's name; nothing is ignored.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionIdentifier,
    ConditionNOT,
    ConditionOR,
)
from sigma.types import (
    Placeholder,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SpecialChars,
)

from detections.context import PLACEHOLDERS, key_ranges
from detections.fields import FIELDS

_OPERATORS: Final = {"LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}


class UnsupportedError(ValueError):
    """A Sigma construct that this compiler does not translate, or a field that events do not have."""


def predicate(node: Any) -> str:
    """Return the SQL of a parsed Sigma condition. Raises UnsupportedError naming what cannot be translated."""
    match node:
        case ConditionAND():
            return "(" + " AND ".join(map(predicate, node.args)) + ")"
        case ConditionOR():
            return "(" + " OR ".join(map(predicate, node.args)) + ")"
        case ConditionNOT():
            return f"(NOT {predicate(node.args[0])})"
        case ConditionFieldEqualsValueExpression():
            return _leaf(_field(node.field), node.value)
        case ConditionIdentifier():
            raise UnsupportedError(f"unresolved identifier {node.identifier!r}")
    raise UnsupportedError(f"{type(node).__name__}: keyword searches need a field")


def _field(name: str) -> str:
    if name not in FIELDS:
        raise UnsupportedError(f"unknown field {name!r}")
    return name


def _leaf(field: str, value: Any) -> str:
    if isinstance(value, SigmaNull):
        return f"({field} IS NULL)"
    for kind, translate in _LEAVES.items():
        if type(value) is kind:
            return f"coalesce({translate(field, value)}, false)"
    raise UnsupportedError(f"{type(value).__name__} on field {field!r}")


def quoted(text: str) -> str:
    """Return an SQL text literal."""
    return "'" + text.replace("'", "''") + "'"


def _text(field: str, value: SigmaString) -> str:
    if value.contains_placeholder():
        return _placeholder(field, value)
    return _like(f"lower({field})", value, str.lower)


def _cased(field: str, value: SigmaString) -> str:
    return _like(field, value, str)


def _like(subject: str, value: SigmaString, fold: Callable[[str], str]) -> str:
    if not any(isinstance(part, SpecialChars) for part in value.s):
        return f"{subject} = {quoted(fold(''.join(map(str, value.s))))}"
    pattern = ""
    for part in value.s:
        if part is SpecialChars.WILDCARD_MULTI:
            pattern += "%"
        elif part is SpecialChars.WILDCARD_SINGLE:
            pattern += "_"
        else:
            pattern += re.sub(r"([\\%_])", r"\\\1", fold(str(part)))
    return f"{subject} LIKE {quoted(pattern)} ESCAPE '\\'"


def _placeholder(field: str, value: SigmaString) -> str:
    if len(value.s) != 1 or not isinstance(value.s[0], Placeholder):
        raise UnsupportedError(f"a placeholder within other text on field {field!r}")
    name = value.s[0].name
    if name not in PLACEHOLDERS:
        raise UnsupportedError(f"unknown placeholder %{name}%: known are {', '.join(sorted(PLACEHOLDERS))}")
    try:
        return f"({PLACEHOLDERS[name](field)})"
    except ValueError as error:
        raise UnsupportedError(str(error)) from error


def _cidr(field: str, value: SigmaCIDRExpression) -> str:
    if field != "caller_ip":
        raise UnsupportedError(f"cidr on field {field!r}: it works on caller_ip")
    ((low, high),) = key_ranges([value.network])
    return f"ip_key BETWEEN {_blob(low)} AND {_blob(high)}"


def _blob(value: bytes) -> str:
    return "unhex('" + value.hex() + "')"


def _regex(field: str, value: SigmaRegularExpression) -> str:
    flags = "".join(sorted(flag.name[0].lower() for flag in value.flags))
    pattern = quoted(str(value.regexp))
    return f"regexp_matches({field}, {pattern}{', ' + quoted(flags) if flags else ''})"


def _number(field: str, value: SigmaNumber) -> str:
    return f"{field} = {value.number}"


def _compare(field: str, value: SigmaCompareExpression) -> str:
    if value.op.name not in _OPERATORS:
        raise UnsupportedError(f"comparison {value.op.name} on field {field!r}")
    return f"{field} {_OPERATORS[value.op.name]} {value.number.number}"


_LEAVES: Final[dict[type, Callable[[str, Any], str]]] = {
    SigmaString: _text,
    SigmaCasedString: _cased,
    SigmaCIDRExpression: _cidr,
    SigmaRegularExpression: _regex,
    SigmaNumber: _number,
    SigmaCompareExpression: _compare,
    SigmaBool: lambda field, value: f"{field} = {'true' if value.boolean else 'false'}",
    SigmaExists: lambda field, value: f"({field} IS {'NOT ' if value.exists else ''}NULL)",
    SigmaFieldReference: lambda field, value: f"lower({field}) = lower({_field(value.field)})",
}
