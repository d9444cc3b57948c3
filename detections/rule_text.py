"""The YAML of a rule file as nodes, and what none may hold.

Parsed YAML is a graph: what an alias names is there once, however often it is meant. Whoever walks it as a tree, as
pySigma and the search for a line do, walks for ever where it holds itself, and nearly so where aliases multiply. So the
graph is looked at first, each node once, and nothing is built of one that no rule needs.
"""

from collections.abc import Hashable
from typing import Any, Final

import yaml

# How many nodes aliases may add. pySigma's bound is the same; beyond it, no walk ends within a detection's turn.
_MOST_REPEATED: Final = 10_000

_YAML: Final = "tag:yaml.org,2002:"
_TEXT: Final = f"{_YAML}str"
# Scalars that are built of their text, and that it can be wrong for: the 30th of February, an empty number.
_BUILT: Final = frozenset(f"{_YAML}{kind}" for kind in ("int", "float", "bool", "timestamp"))


def documents(text: str) -> list[yaml.Node]:
    """Return the root of every document.

    Raises yaml.MarkedYAMLError, with the line, where the text is no YAML or holds what no rule may: a key that is
    written twice in one mapping, a text that no event and no database can hold, a value that is none of its kind, an
    alias within what it names, aliases that multiply beyond what any rule needs.
    """
    roots = list(yaml.compose_all(text, yaml.SafeLoader))
    for root in roots:
        _check(root)
    return roots


def built(node: yaml.Node) -> Any:
    """Return what a node of `documents` says."""
    return yaml.SafeLoader("").construct_document(node)


def _check(root: yaml.Node) -> None:
    """Look at each node once, the inner ones first, and count how many it would be if every alias were written out."""
    sizes: dict[int, int] = {}
    begun: set[int] = set()
    distinct = 0
    waiting = [root]
    while waiting:
        node = waiting[-1]
        inner = _inner(node)
        if id(node) in sizes:
            waiting.pop()
        elif id(node) in begun:
            waiting.pop()
            sizes[id(node)] = 1 + sum(sizes[id(one)] for one in inner)
            distinct += 1
            if sizes[id(node)] - distinct > _MOST_REPEATED:
                raise _mistake(node, "aliases make more of this than any rule needs: write out what is meant")
        else:
            begun.add(id(node))
            _check_alone(node)
            for one in inner:
                if id(one) in begun and id(one) not in sizes:
                    raise _mistake(one, "this holds itself: an alias in it names it")
            waiting += reversed(inner)  # so that the first mistake of a text is the one that is told


def _inner(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [one for pair in node.value for one in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _check_alone(node: yaml.Node) -> None:
    if isinstance(node, yaml.MappingNode):
        _check_keys(node)
    elif isinstance(node, yaml.ScalarNode):
        _check_text(node)
        if node.tag in _BUILT:
            try:
                built(node)
            except (ValueError, LookupError, ArithmeticError) as error:
                kind = node.tag.removeprefix(_YAML)
                raise _mistake(node, f"{node.value[:40]!r} is no {kind}: {error}") from error


def _check_keys(node: yaml.MappingNode) -> None:
    """YAML forbids a second key of the same name; the parser would keep the last one without a word."""
    first: dict[Hashable, yaml.Node] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        before = first.setdefault(_named(key), key)
        if before is not key:
            line = before.start_mark.line + 1
            raise _mistake(key, f"the key {key.value[:40]!r} is written twice in one mapping, first on line {line}")


def _named(key: yaml.ScalarNode) -> Hashable:
    """Return what two keys that are one have in common: `yes` is `true`, `1` is not `'1'`."""
    if key.tag in _BUILT:
        try:
            return (built(key),)
        except (ValueError, LookupError, ArithmeticError):  # told when the key itself is looked at
            pass
    return key.tag, key.value


def _check_text(node: yaml.ScalarNode) -> None:
    """Escapes can write what is no character. DuckDB ends a question that holds half of one, no event holds it, and
    PostgreSQL, which keeps the texts of alerts, takes no NUL."""
    wrong = next((char for char in node.value if "\ud800" <= char <= "\udfff" or char == "\0"), None)
    if wrong is None:
        return
    if wrong == "\0":
        raise _mistake(node, f"{node.value[:40]!r} holds a NUL, which no event does")
    raise _mistake(
        node,
        f"{node.value[:40]!r} holds half of a character, U+{ord(wrong):04X}: write the character, or \\U and all of it",
    )


def _mistake(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
