"""Marks of placeholders in compiled SQL, replaced by what a context has.

Short lists become literals, which a database plans in a fraction of a millisecond and folds to `false` where nobody
configured them. Long ones are looked up in the tables of the context: texts and addresses by hash, past which the rows
stream; ranges, patterns and look-alikes by a correlated question, for which DuckDB keeps all rows aside with every
column, so that it stands for the longest lists alone. Plain SQL that DuckDB and Spark both read: EXISTS, equality, IN,
BETWEEN, LIKE with an escape. `e` is the event. No condition is ever NULL.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from acrwatch.core.registry import EVERY
from detections.context import Context, is_pattern, like_pattern
from detections.ip_rules import rules_within
from detections.placeholders import MARK

_HERE: Final = f"c.registry IN (e.registry, '{EVERY}')"
_LETTERS: Final = "translate(lower({}), '0123456789', '')"
# Between the registry and the rest of a key: in neither of them.
_BETWEEN: Final = "chr(31)"


@dataclass(frozen=True, slots=True)
class _Lookup:
    """How some entries of a list are met: up to `literals` of them as literals, else in a table of the context.

    `met` gives the SQL of some entries (without their registry) for a text, `in_table` that of the table for a list.
    """

    literals: int
    met: Callable[[str, Sequence[Any]], list[str]]
    in_table: Callable[[str, str], str]

    def condition(self, words: str, name: str, entries: Sequence[Any], literals: int | None) -> str:
        if not entries:
            return "false"
        if len(entries) > (self.literals if literals is None else literals):
            return f"coalesce({self.in_table(words, name)}, false)"
        parts = []
        for registry, members in groupby(entries, lambda entry: entry[0]):
            met = "(" + " OR ".join(self.met(words, [entry[1:] for entry in members])) + ")"
            parts.append(met if registry == EVERY else f"(e.registry = {_quoted(registry)} AND {met})")
        return f"coalesce({' OR '.join(parts)}, false)"


def bound(sql: str, context: Context, *, literals: int | None = None) -> str:
    """Return SQL with the condition in place of each mark; `literals` entries at most as literals, if given."""

    def condition(found: re.Match[str]) -> str:
        if found["kind"] is None:
            return found[0]  # a text of the rule itself, whatever it looks like
        return _condition(context, found["kind"], found["name"], found["words"], literals)

    return MARK.sub(condition, sql)


def _condition(context: Context, kind: str, name: str, words: str, literals: int | None) -> str:
    if kind == "flagged":
        return _of_registries(context.flagged(name))
    ranges, values = context.intervals(name), context.values(name)
    if kind == "within":
        return rules_within(words, ranges)
    if kind == "listed":
        return _of_registries({*(entry[0] for entry in ranges), *(entry[0] for entry in values)})
    parts = [
        lookup.condition(words, name, entries, literals)
        for lookup, entries in (
            (_ADDRESSES, [entry for entry in ranges if kind == "ranges" and entry[1] == entry[2]]),
            (_RANGES, [entry for entry in ranges if kind == "ranges" and entry[1] != entry[2]]),
            (_TEXTS, [entry for entry in values if kind == "values" and not is_pattern(entry[1])]),
            (_PATTERNS, [entry for entry in values if kind == "values" and is_pattern(entry[1])]),
            (_ALIKE, [entry for entry in values if kind == "alike" and not is_pattern(entry[1])]),
        )
        if entries
    ]
    return f"({' OR '.join(parts)})" if parts else "false"


def _of_registries(names: Iterable[str]) -> str:
    """Return the condition that the event's registry is one of these; `*` is all of them."""
    found = sorted(names)
    if not found:
        return "false"
    return "true" if EVERY in found else f"coalesce(e.registry IN ({', '.join(map(_quoted, found))}), false)"


def _address(_words: str, found: Sequence[tuple[bytes, bytes]]) -> list[str]:
    return [f"e.ip_key IN ({', '.join(_blob(low) for low, _ in found)})"]


def _range(_words: str, found: Sequence[tuple[bytes, bytes]]) -> list[str]:
    return [f"e.ip_key BETWEEN {_blob(low)} AND {_blob(high)}" for low, high in found]


def _text(words: str, found: Sequence[tuple[str]]) -> list[str]:
    return [f"lower({words}) IN ({', '.join(f'lower({_quoted(value)})' for (value,) in found)})"]


def _pattern(words: str, found: Sequence[tuple[str]]) -> list[str]:
    return [f"lower({words}) LIKE lower({_quoted(like_pattern(value))}) ESCAPE '\\'" for (value,) in found]


def _alike(words: str, found: Sequence[tuple[str]]) -> list[str]:
    return [_near(words, _quoted(value)) for (value,) in found]


def _near(words: str, value: str) -> str:
    """Return the condition of a look-alike, as `placeholders.like_values` says it."""
    known, text = _LETTERS.format(value), _LETTERS.format(words)
    plain = " AND ".join(f"regexp_matches({one}, '^[ -~]+$')" for one in (known, text))
    letters = f"CASE WHEN length({known}) >= 14 THEN 2 ELSE 1 END"
    return f"(length({known}) >= 4 AND {plain} AND levenshtein({known}, {text}) BETWEEN 1 AND {letters})"


def _hashed(table: str, name: str, mine: str, theirs: str) -> str:
    """Return the condition that a key is in a table, under the event's registry or all."""
    some = f"SELECT c.registry || {_BETWEEN} || {theirs} FROM context_{table} c WHERE c.list = '{name}'"
    return " OR ".join(f"{registry} || {_BETWEEN} || {mine} IN ({some})" for registry in ("e.registry", f"'{EVERY}'"))


def _exists(table: str, name: str, met: str) -> str:
    return f"EXISTS (SELECT 1 FROM context_{table} c WHERE c.list = '{name}' AND {_HERE} AND {met})"


def _like_any(words: str, name: str) -> str:
    return _exists("patterns", name, f"lower({words}) LIKE lower(c.pattern) ESCAPE '\\'")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _blob(key: bytes) -> str:
    return f"unhex('{key.hex()}')"


# Of what is compared one by one a row meets only the entries of its own registry, at 10 to 30 ns each.
_ADDRESSES: Final = _Lookup(64, _address, lambda _, name: _hashed("addresses", name, "hex(e.ip_key)", "hex(c.address)"))
_RANGES: Final = _Lookup(512, _range, lambda _, n: _exists("ranges", n, "e.ip_key BETWEEN c.low AND c.high"))
_TEXTS: Final = _Lookup(64, _text, lambda words, n: _hashed("values", n, f"lower({words})", "lower(c.value)"))
_PATTERNS: Final = _Lookup(256, _pattern, _like_any)
# To measure how far two names are apart takes 1 µs; in a table it is done once for each name that occurs.
_ALIKE: Final = _Lookup(8, _alike, lambda words, n: _exists("values", n, _near(words, "c.value")))
