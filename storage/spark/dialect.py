"""DuckDB's SQL into Spark's, for the statements that detections make: by syntax tree, never by text.

Every function must be known here with the same meaning on both sides. Another one is refused: translators hand unknown
functions through, and an engine that has another one of that name answers wrongly without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import sqlglot
from sqlglot import exp

from acrwatch.core.errors import StoreError
from storage.spark.pattern import PatternError, portable

# Mean the same on both, with the arguments that compiled rules give them.
_SAME: Final = (
    exp.And, exp.Or, exp.Case, exp.If, exp.Cast, exp.Coalesce, exp.Exists,
    exp.Count, exp.Min, exp.Max, exp.Sum, exp.LogicalAnd, exp.LogicalOr,
    exp.Substring, exp.StartsWith, exp.EndsWith, exp.Contains, exp.Hex, exp.Unhex, exp.Length, exp.Round,
    exp.SplitPart, exp.Nullif, exp.ConcatWs, exp.Translate,
    exp.Levenshtein,  # over ASCII alone, which is all it is given: DuckDB counts bytes, Spark letters
)  # fmt: skip
# Lists are counted and cut otherwise, and texts compared by other rules.
_NEVER: Final = (exp.Bracket, exp.Slice, exp.Glob, exp.SimilarTo, exp.ILike, exp.Pow, exp.IntDiv)
_PARTS: Final = frozenset({"minute", "hour", "day", "week", "month", "year", "isodow"})

# Letters whose lower case hangs on what stands around them, or is two letters, in Java and Rust but not in DuckDB:
# a capital sigma at the end of a word, and a capital I with a dot. Replaced before the engine folds.
_FOLDED_HERE: Final = ("Σİ", "σi")  # noqa: RUF001


def translated(sql: str, parameters: Sequence[Any] = ()) -> str:
    """Return one statement in Spark's SQL, `$1` and so on replaced by the parameters as literals.

    Raises StoreError naming what has no counterpart.
    """
    try:
        tree = sqlglot.parse_one(sql, read="duckdb")
        for node in reversed(list(tree.bfs())):  # what stands inside first
            said = _said(node, parameters)
            if said is not node:
                node.replace(said)
        return tree.sql(dialect="spark")
    except (PatternError, sqlglot.errors.SqlglotError) as error:
        raise StoreError(
            f"Spark cannot run this as DuckDB does: {error}",
            remedy="Run this detection on DuckDB, or say it otherwise",
        ) from error


def _said(node: exp.Expr, parameters: Sequence[Any]) -> exp.Expr:
    """Return one node, whose own parts are translated, as Spark says it."""
    if isinstance(node, exp.Placeholder | exp.Parameter):
        return _literal(parameters[int(node.name) - 1])
    if isinstance(node, exp.Window) and isinstance(node.this, exp.LogicalOr):
        return _any_of_window(node)
    if isinstance(node, _NEVER):
        raise PatternError(f"the operator {node.key}")
    if not isinstance(node, exp.Func) or isinstance(node, (*_SAME, exp.JSONPath)):
        return node
    if type(node) not in _SAID:
        raise PatternError(f"the function {node.sql_name().lower()}")
    return _SAID[type(node)](node)


def _any_of_window(node: exp.Window) -> exp.Expr:
    """Return `bool_or` over a window as a maximum: Sail has no bool_or for windows that slide."""
    number = exp.cast(node.this.this, "int")
    node.set("this", exp.Max(this=number))
    return exp.EQ(this=node.copy(), expression=exp.Literal.number(1))


def _anonymous(node: exp.Expr) -> exp.Expr:
    """Return the counterpart of a function that the parser does not know."""
    name, given = node.name.lower(), node.expressions
    if name == "epoch_us":
        return exp.Anonymous(this="unix_micros", expressions=given)
    if name == "date_part" and given[0].name in _PARTS:
        if given[0].name == "isodow":  # Spark calls it so, and has it count from Monday, 1, as well
            given = [exp.Literal.string("dayofweek_iso"), *given[1:]]
        return exp.Anonymous(this="date_part", expressions=given)
    raise PatternError(f"the function {name}")


def _lower(node: exp.Expr) -> exp.Expr:
    letters, folded = map(exp.Literal.string, _FOLDED_HERE)
    return exp.Lower(this=exp.Anonymous(this="translate", expressions=[node.this, letters, folded]))


def _pattern(node: exp.Expr) -> exp.Expr:
    given = node.expression
    if not isinstance(given, exp.Literal):
        raise PatternError("a regular expression that is not written in the statement")
    replaced = node.copy()
    replaced.set("expression", exp.Literal.string(portable(given.this)))
    return replaced


def _member(node: exp.Expr) -> exp.Expr:
    """Return a member of a JSON text as text; the path is in both the same."""
    path = node.expression
    if not isinstance(path, exp.JSONPath):
        raise PatternError("a path into JSON that is not written in the statement")
    return exp.Anonymous(this="get_json_object", expressions=[node.this, exp.Literal.string(path.sql("duckdb")[1:-1])])


_SAID: Final[dict[type[exp.Expr], Callable[[exp.Expr], exp.Expr]]] = {
    exp.Anonymous: _anonymous,
    exp.Lower: _lower,
    exp.RegexpLike: _pattern,
    exp.RegexpReplace: _pattern,
    exp.RegexpExtract: _pattern,
    exp.JSONExtractScalar: _member,
}


def _literal(value: Any) -> exp.Expr:
    if isinstance(value, datetime):
        text = value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00:00")
        return exp.cast(exp.Literal.string(text), "timestamptz")
    return exp.convert(value)
