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
from detections.fields import FIELDS, NUMBER_FIELDS, TEXT_FIELDS, TRUTH_FIELDS

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
        return f"(e.{field} IS NULL)"
    for kind, translate in _LEAVES.items():
        if type(value) is kind:
            return f"coalesce({translate(field, value)}, false)"
    raise UnsupportedError(f"{type(value).__name__} on field {field!r}")


def _words(field: str) -> str:
    """Return the SQL of a field as text: numbers as their digits, so that `4*` finds any 4xx."""
    if field in TEXT_FIELDS:
        return f"e.{field}"
    if field in NUMBER_FIELDS:
        return f"CAST(e.{field} AS VARCHAR)"
    raise UnsupportedError(f"text on field {field!r}, which holds none")


def quoted(text: str) -> str:
    """Return an SQL text literal."""
    return "'" + text.replace("'", "''") + "'"


def _text(field: str, value: SigmaString) -> str:
    if value.contains_placeholder():
        return _placeholder(field, value)
    # Folded by the database on either side: Python's lower() differs for letters such as a final sigma.
    return _like(f"lower({_words(field)})", value, lambda literal: f"lower({literal})")


def _cased(field: str, value: SigmaString) -> str:
    return _like(_words(field), value, str)


def _like(subject: str, value: SigmaString, fold: Callable[[str], str]) -> str:
    if any(isinstance(part, Placeholder) for part in value.s):
        raise UnsupportedError("a placeholder in a case-sensitive text")
    if not any(isinstance(part, SpecialChars) for part in value.s):
        text = "".join(map(str, value.s))
        # Absent is what the log calls blank: events hold no empty texts.
        return f"{subject} = {fold(quoted(text))}" if text else f"{subject} IS NULL"
    pattern = ""
    for part in value.s:
        if part is SpecialChars.WILDCARD_MULTI:
            pattern += "%"
        elif part is SpecialChars.WILDCARD_SINGLE:
            pattern += "_"
        else:
            pattern += re.sub(r"([\\%_])", r"\\\1", str(part))
    return f"{subject} LIKE {fold(quoted(pattern))} ESCAPE '\\'"


def _placeholder(field: str, value: SigmaString) -> str:
    if len(value.s) != 1 or not isinstance(value.s[0], Placeholder):
        raise UnsupportedError(f"a placeholder within other text on field {field!r}")
    name = value.s[0].name
    if name not in PLACEHOLDERS:
        raise UnsupportedError(f"unknown placeholder %{name}%: known are {', '.join(sorted(PLACEHOLDERS))}")
    try:
        return f"({PLACEHOLDERS[name](f'e.{field}')})"
    except ValueError as error:
        raise UnsupportedError(str(error)) from error


def _cidr(field: str, value: SigmaCIDRExpression) -> str:
    if field != "caller_ip":
        raise UnsupportedError(f"cidr on field {field!r}: it works on caller_ip")
    intervals = [f"e.ip_key BETWEEN {_blob(low)} AND {_blob(high)}" for low, high in key_ranges([value.network])]
    return "(" + " OR ".join(intervals) + ")"


def _blob(value: bytes) -> str:
    return "unhex('" + value.hex() + "')"


def _regex(field: str, value: SigmaRegularExpression) -> str:
    if any(isinstance(part, Placeholder) for part in value.regexp.s):
        raise UnsupportedError("a placeholder in a regular expression")
    flags = "".join(sorted(value.sigma_to_re_flag[flag] for flag in value.flags))
    # Within the pattern: as an argument, the database takes `m` for something else.
    pattern = f"(?{flags}){value.regexp}" if flags else str(value.regexp)
    return f"regexp_matches({_words(field)}, {quoted(pattern)})"


def _number(field: str, value: SigmaNumber) -> str:
    if field in NUMBER_FIELDS:
        return f"e.{field} = {value.number}"
    return f"{_words(field)} = {quoted(str(value.number))}"


def _compare(field: str, value: SigmaCompareExpression) -> str:
    if value.op.name not in _OPERATORS or type(value.number) is not SigmaNumber:
        raise UnsupportedError(f"comparison {value.op.name} on field {field!r}")
    if field not in NUMBER_FIELDS:
        raise UnsupportedError(f"comparison {value.op.name} on field {field!r}, which holds no numbers")
    return f"e.{field} {_OPERATORS[value.op.name]} {value.number.number}"


def _truth(field: str, value: SigmaBool) -> str:
    if field not in TRUTH_FIELDS:
        raise UnsupportedError(f"true or false on field {field!r}")
    return f"e.{field} = {'true' if value.boolean else 'false'}"


def _reference(field: str, value: SigmaFieldReference) -> str:
    if value.starts_with or value.ends_with:
        raise UnsupportedError(f"a partial field reference on field {field!r}")
    return f"lower({_words(field)}) = lower({_words(_field(value.field))})"


_LEAVES: Final[dict[type, Callable[[str, Any], str]]] = {
    SigmaString: _text,
    SigmaCasedString: _cased,
    SigmaCIDRExpression: _cidr,
    SigmaRegularExpression: _regex,
    SigmaNumber: _number,
    SigmaCompareExpression: _compare,
    SigmaBool: _truth,
    SigmaExists: lambda field, value: f"(e.{field} IS {'NOT ' if value.exists else ''}NULL)",
    SigmaFieldReference: _reference,
}
