"""Sigma conditions into SQL predicates over `events e`.

A predicate is never NULL: each leaf is false where its field is absent, so that `not` means what a reader expects.
What has no right translation is refused with the construct's name; nothing is ignored.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionIdentifier,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.types import (
    Placeholder,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaTimestampPart,
    SpecialChars,
)

from detections import needs
from detections.context import key_ranges
from detections.fields import (
    NUMBER_FIELDS,
    SMALL_LETTERS,
    TEXT_FIELDS,
    TIME_FIELDS,
    TRUTH_FIELDS,
    field_named,
    nearest_field,
)
from detections.needs import NOTHING, Needs
from detections.placeholders import needed_by, placeholder
from storage.schema import BY_NAME

# A pass looks at 250,000 rows at a time. Of 5,000 texts, looked up as a table, it then takes less than a second, with
# wildcards some 10 s, and pySigma needs 2 s to read them. More belongs into the context, where it is data.
LONGEST_LIST: Final = 5_000
# What is compared one by one costs up to 30 ms for 250,000 rows each. A keyword is compared with every field.
_MOST_COMPARISONS: Final = 1_000
# Below this, comparing one by one is as fast as a table, and easier to read.
_FEWEST_IN_A_TABLE: Final = 8
# RE2 takes time in proportion to the text, whatever the pattern, but up to as many steps for each letter as the pattern
# has.
LONGEST_PATTERN: Final = 2_000

_OPERATORS: Final = {"LT": "<", "LTE": "<=", "GT": ">", "GTE": ">=", "NEQ": "<>"}

# What a keyword without a field is looked for in: what the log says in words, and nothing acrwatch derived from it.
_SEARCHED: Final = sorted(name for name in TEXT_FIELDS if name in BY_NAME and BY_NAME[name].wire)


@dataclass(frozen=True, slots=True)
class Condition:
    """A rule's condition: its predicate, and the lists and flags of the context without which it is never true."""

    sql: str
    needs: Needs = NOTHING


class UnsupportedError(ValueError):
    """A Sigma construct that this compiler does not translate, or a field that events do not have."""


def predicate(node: Any) -> str:
    """Return the SQL of a parsed Sigma condition. Raises UnsupportedError naming what cannot be translated."""
    match node:
        case ConditionAND():
            _bounded(sum(map(_comparisons, node.args)), _MOST_COMPARISONS)
            return "(" + " AND ".join(map(predicate, node.args)) + ")"
        case ConditionOR():
            return _any(node.args)
        case ConditionNOT():
            return f"(NOT {predicate(node.args[0])})"
        case ConditionFieldEqualsValueExpression():
            return _leaf(column(node.field), node.value)
        case ConditionValueExpression():
            return "(" + " OR ".join(_leaf(field, _within_text(node.value)) for field in _SEARCHED) + ")"
        case ConditionIdentifier():
            raise UnsupportedError(f"unresolved identifier {node.identifier!r}")
    raise UnsupportedError(type(node).__name__)


def _any(nodes: Sequence[Any]) -> str:
    """Return the SQL of alternatives. Texts of one field are a list, many of them a table: each alternative by itself
    costs a comparison for every row."""
    tables: dict[tuple[str, bool], list[Any]] = {}
    singles: list[Any] = []
    for node in nodes:
        kind = _tabular(node)
        (singles if kind is None else tables.setdefault(kind, [])).append(node)
    large = {kind: found for kind, found in tables.items() if len(found) >= _FEWEST_IN_A_TABLE}
    lists = {
        field: found for (field, wild), found in tables.items() if not wild and 1 < len(found) < _FEWEST_IN_A_TABLE
    }
    rest = (found for kind, found in tables.items() if kind not in large and (kind[1] or kind[0] not in lists))
    singles += [node for found in rest for node in found]
    _bounded(max(map(len, large.values()), default=0), LONGEST_LIST)
    _bounded(sum(map(_comparisons, singles)) + sum(map(len, lists.values())), _MOST_COMPARISONS)
    looked_up = [_in_table(*kind, [node.value for node in found]) for kind, found in large.items()]
    listed = [_in_list(field, [node.value for node in found]) for field, found in lists.items()]
    return "(" + " OR ".join([*map(predicate, singles), *listed, *looked_up]) + ")"


def _bounded(number: int, most: int) -> None:
    if number > most:
        raise UnsupportedError(
            f"{number:,} values in one list, at most {most:,} are taken: "
            "put them into a list of the context, and name it by a placeholder"
        )


def _comparisons(node: Any) -> int:
    return len(_SEARCHED) if isinstance(node, ConditionValueExpression) else 1


def _tabular(node: Any) -> tuple[str, bool] | None:
    """Return the column of a comparison with a text, and whether the text has wildcards; None for anything else."""
    if not isinstance(node, ConditionFieldEqualsValueExpression) or type(node.value) is not SigmaString:
        return None
    if node.value.contains_placeholder() or not str(node.value):
        return None
    return column(node.field), _has_wildcards(node.value)


def _in_list(field: str, values: Sequence[SigmaString]) -> str:
    return f"coalesce({_folded(field)} IN ({', '.join(f'lower({quoted(_plain(value))})' for value in values)}), false)"


def _in_table(field: str, wildcards: bool, values: Sequence[SigmaString]) -> str:
    rows = ", ".join(f"({quoted(_pattern(value) if wildcards else _plain(value))})" for value in values)
    table = f"(VALUES {rows}) AS listed(value)"
    if not wildcards:
        return f"coalesce({_folded(field)} IN (SELECT lower(value) FROM {table}), false)"
    return f"EXISTS (SELECT 1 FROM {table} WHERE {_folded(field)} LIKE lower(listed.value) ESCAPE '\\')"


def needed(node: Any) -> Needs:
    """Return the lists and flags of the context without which a parsed Sigma condition can never be true."""
    match node:
        case ConditionAND():
            return needs.all_of(map(needed, node.args))
        case ConditionOR():
            return needs.any_of(map(needed, node.args))
        case ConditionFieldEqualsValueExpression() if name := _only_placeholder(node.value):
            # Where nobody says who the admin user is, it is called as its registry.
            list_or_flag = needed_by(column(node.field), name)
            return NOTHING if list_or_flag == "admin_usernames" else needs.one(list_or_flag)
    return NOTHING


def column(name: str) -> str:
    """Return the column a rule means by a field's name. Raises UnsupportedError with the nearest name there is."""
    if found := field_named(name):
        return found
    near = nearest_field(name)
    raise UnsupportedError(f"unknown field {name!r}" + (f": did you mean {near!r}?" if near else ""))


def _within_text(value: Any) -> Any:
    """Return a keyword as Sigma means it: to be found anywhere in a text."""
    if isinstance(value, SigmaNumber):
        value = SigmaString(str(value.number))
    if not isinstance(value, SigmaString):
        return value
    return SpecialChars.WILDCARD_MULTI + value + SpecialChars.WILDCARD_MULTI


def _leaf(field: str, value: Any) -> str:
    if isinstance(value, SigmaNull):
        return f"(e.{field} IS NULL)"
    if isinstance(value, SigmaExpansion):
        return "(" + " OR ".join(_leaf(field, one) for one in value.values) + ")"
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


def _folded(field: str) -> str:
    """Return the SQL of a field as text in small letters."""
    # Folded by the database, as is what it is compared with: Python folds letters such as a final sigma otherwise.
    return _words(field) if field in SMALL_LETTERS else f"lower({_words(field)})"


def quoted(text: str) -> str:
    """Return an SQL text literal."""
    return "'" + text.replace("'", "''") + "'"


def _text(field: str, value: SigmaString) -> str:
    if value.contains_placeholder():
        return _placeholder(field, value)
    return _like(_folded(field), value, lambda literal: f"lower({literal})")


def _cased(field: str, value: SigmaString) -> str:
    return _like(_words(field), value, str)


def _like(subject: str, value: SigmaString, fold: Callable[[str], str]) -> str:
    if any(isinstance(part, Placeholder) for part in value.s):
        raise UnsupportedError("a placeholder in a case-sensitive text")
    if not _has_wildcards(value):
        text = _plain(value)
        # Absent is what the log calls blank: events hold no empty texts.
        return f"{subject} = {fold(quoted(text))}" if text else f"{subject} IS NULL"
    return f"{subject} LIKE {fold(quoted(_pattern(value)))} ESCAPE '\\'"


def _has_wildcards(value: SigmaString) -> bool:
    return any(isinstance(part, SpecialChars) for part in value.s)


def _plain(value: SigmaString) -> str:
    return "".join(map(str, value.s))


def _pattern(value: SigmaString) -> str:
    """Return a text with wildcards as LIKE has them, escaped by a backslash."""
    pattern = ""
    for part in value.s:
        if part is SpecialChars.WILDCARD_MULTI:
            pattern += "%"
        elif part is SpecialChars.WILDCARD_SINGLE:
            pattern += "_"
        else:
            pattern += re.sub(r"([\\%_])", r"\\\1", str(part))
    return pattern


def _placeholder(field: str, value: SigmaString) -> str:
    if (name := _only_placeholder(value)) is None:
        raise UnsupportedError(f"a placeholder within other text on field {field!r}")
    try:
        return f"({placeholder(field, _words(field), name)})"
    except ValueError as error:
        raise UnsupportedError(str(error)) from error


def _only_placeholder(value: Any) -> str | None:
    """Return the name of the placeholder that a value is, and nothing beside it."""
    if isinstance(value, SigmaString) and len(value.s) == 1 and isinstance(value.s[0], Placeholder):
        return value.s[0].name
    return None


def _cidr(field: str, value: SigmaCIDRExpression) -> str:
    if field not in ("caller_ip", "caller_ip_address"):
        raise UnsupportedError(f"cidr on field {field!r}: it works on caller_ip and caller_ip_address")
    intervals = [f"e.ip_key BETWEEN {_blob(low)} AND {_blob(high)}" for low, high in key_ranges([value.network])]
    return "(" + " OR ".join(intervals) + ")"


def _blob(value: bytes) -> str:
    return "unhex('" + value.hex() + "')"


def _regex(field: str, value: SigmaRegularExpression) -> str:
    if any(isinstance(part, Placeholder) for part in value.regexp.s):
        raise UnsupportedError("a placeholder in a regular expression")
    if len(str(value.regexp)) > LONGEST_PATTERN:
        raise UnsupportedError(
            f"a regular expression of {len(str(value.regexp)):,} characters, at most {LONGEST_PATTERN:,} are taken"
        )
    flags = "".join(sorted(value.sigma_to_re_flag[flag] for flag in value.flags))
    # Within the pattern: as an argument, the database takes `m` for something else.
    pattern = f"(?{flags}){value.regexp}" if flags else str(value.regexp)
    return f"regexp_matches({_words(field)}, {quoted(pattern)})"


def _number(field: str, value: SigmaNumber) -> str:
    if field in NUMBER_FIELDS:
        return f"e.{field} = {value.number}"
    return f"{_words(field)} = {quoted(str(value.number))}"


def _compare(field: str, value: SigmaCompareExpression) -> str:
    return f"{_measure(field, value.number)} {_OPERATORS[value.op.name]} {value.number.number}"


def _part(field: str, value: SigmaTimestampPart) -> str:
    return f"{_measure(field, value)} = {value.number}"


def _measure(field: str, number: SigmaNumber) -> str:
    """Return the SQL of what a field holds as a number: itself, or the part of a time, in UTC, that is asked for."""
    if isinstance(number, SigmaTimestampPart):
        if field not in TIME_FIELDS:
            raise UnsupportedError(f"a part of the time on field {field!r}, which holds no time")
        return f"date_part('{number.timestamp_part.name.lower()}', e.{field})"
    if field not in NUMBER_FIELDS:
        raise UnsupportedError(f"a comparison with a number on field {field!r}, which holds none")
    return f"e.{field}"


def _truth(field: str, value: SigmaBool) -> str:
    if field not in TRUTH_FIELDS:
        raise UnsupportedError(f"true or false on field {field!r}")
    return f"e.{field} = {'true' if value.boolean else 'false'}"


def _reference(field: str, value: SigmaFieldReference) -> str:
    mine, other = _folded(field), _folded(column(value.field))
    if value.starts_with and value.ends_with:
        return f"contains({mine}, {other})"
    if value.starts_with:
        return f"starts_with({mine}, {other})"
    return f"ends_with({mine}, {other})" if value.ends_with else f"{mine} = {other}"


_LEAVES: Final[dict[type, Callable[[str, Any], str]]] = {
    SigmaString: _text,
    SigmaCasedString: _cased,
    SigmaCIDRExpression: _cidr,
    SigmaRegularExpression: _regex,
    SigmaNumber: _number,
    SigmaTimestampPart: _part,
    SigmaCompareExpression: _compare,
    SigmaBool: _truth,
    SigmaExists: lambda field, value: f"(e.{field} IS {'NOT ' if value.exists else ''}NULL)",
    SigmaFieldReference: _reference,
}
