"""Marks of placeholders in compiled SQL, replaced by what a context has.

Short lists become literals, which a database plans in a fraction of a millisecond and folds to `false` where nobody
configured them; a condition over the tables of the context takes 5 to 10 ms to plan, and stands for long ones. Plain
SQL that DuckDB and Spark both read: EXISTS, equality, IN, BETWEEN, LIKE with an escape. `e` is the event. No condition
is ever NULL.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any, Final

from acrwatch.core.registry import EVERY
from detections.context import Context, is_pattern, like_pattern
from detections.placeholders import MARK

# Entries of a list that become literals: each pattern or range among them costs a comparison for every row, in a table
# plain texts and single addresses are looked up by hash.
LITERALS: Final = 64

_HERE: Final = f"c.registry IN (e.registry, '{EVERY}')"
_LETTERS: Final = "translate(lower({}), '0123456789', '')"


def bound(sql: str, context: Context, *, literals: int = LITERALS) -> str:
    """Return SQL with the condition in place of each mark, lists of up to `literals` entries as literals."""

    def condition(found: re.Match[str]) -> str:
        if found["kind"] is None:
            return found[0]  # a text of the rule itself, whatever it looks like
        return _condition(context, found["kind"], found["name"], found["words"], literals)

    return MARK.sub(condition, sql)


def _condition(context: Context, kind: str, name: str, words: str, literals: int) -> str:
    if kind == "flagged":
        return _of_registries(context.flagged(name))
    if kind == "listed":
        ranges, values = context.intervals(name), context.values(name)
        return _of_registries({*(entry[0] for entry in ranges), *(entry[0] for entry in values)})
    entries: Sequence[Any] = context.intervals(name) if kind == "ranges" else context.values(name)
    if not entries:
        return "false"
    if len(entries) > literals:
        return f"({_FROM_TABLES[kind](words, name)})"
    parts = []
    for registry, members in groupby(entries, lambda entry: entry[0]):
        met = "(" + " OR ".join(_AS_LITERALS[kind](words, [entry[1:] for entry in members])) + ")"
        parts.append(met if registry == EVERY else f"(e.registry = {_quoted(registry)} AND {met})")
    return f"coalesce({' OR '.join(parts)}, false)"


def _of_registries(names: Iterable[str]) -> str:
    """Return the condition that the event's registry is one of these; `*` is all of them."""
    found = sorted(names)
    if not found:
        return "false"
    return "true" if EVERY in found else f"coalesce(e.registry IN ({', '.join(map(_quoted, found))}), false)"


def _ranges(_words: str, intervals: Sequence[tuple[bytes, bytes]]) -> list[str]:
    single = [low for low, high in intervals if low == high]
    wide = [f"e.ip_key BETWEEN {_blob(low)} AND {_blob(high)}" for low, high in intervals if low != high]
    return [*([f"e.ip_key IN ({', '.join(map(_blob, single))})"] if single else ()), *wide]


def _values(words: str, values: Sequence[tuple[str]]) -> list[str]:
    plain = [f"lower({_quoted(value)})" for (value,) in values if not is_pattern(value)]
    patterns = [like_pattern(value) for (value,) in values if is_pattern(value)]
    like = [f"lower({words}) LIKE lower({_quoted(pattern)}) ESCAPE '\\'" for pattern in patterns]
    return [*([f"lower({words}) IN ({', '.join(plain)})"] if plain else ()), *like]


def _alike(words: str, values: Sequence[tuple[str]]) -> list[str]:
    found = [_near(words, _quoted(value)) for (value,) in values if not is_pattern(value)]
    return found or ["false"]


def _near(words: str, value: str) -> str:
    """Return the condition of a look-alike, as `placeholders.like_values` says it."""
    known, text = _LETTERS.format(value), _LETTERS.format(words)
    plain = " AND ".join(f"regexp_matches({one}, '^[ -~]+$')" for one in (known, text))
    letters = f"CASE WHEN length({known}) >= 14 THEN 2 ELSE 1 END"
    return f"(length({known}) >= 4 AND {plain} AND levenshtein({known}, {text}) BETWEEN 1 AND {letters})"


def _ranges_in_tables(_words: str, name: str) -> str:
    within = "e.ip_key BETWEEN c.low AND c.high"
    return f"{_exists('addresses', name, 'c.address = e.ip_key')} OR {_exists('ranges', name, within)}"


def _values_in_tables(words: str, name: str) -> str:
    like = f"lower({words}) LIKE lower(c.pattern) ESCAPE '\\'"
    return f"{_exists('values', name, f'lower(c.value) = lower({words})')} OR {_exists('patterns', name, like)}"


def _alike_in_tables(words: str, name: str) -> str:
    return _exists("values", name, _near(words, "c.value"))


def _exists(table: str, name: str, met: str) -> str:
    return f"EXISTS (SELECT 1 FROM context_{table} c WHERE c.list = '{name}' AND {_HERE} AND {met})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _blob(key: bytes) -> str:
    return f"unhex('{key.hex()}')"


_AS_LITERALS: Final[dict[str, Callable[[str, Sequence[Any]], list[str]]]] = {
    "ranges": _ranges,
    "values": _values,
    "alike": _alike,
}
_FROM_TABLES: Final[dict[str, Callable[[str, str], str]]] = {
    "ranges": _ranges_in_tables,
    "values": _values_in_tables,
    "alike": _alike_in_tables,
}
