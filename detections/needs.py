"""What must be configured before a condition can ever be true: choices, of each of which one name must be there."""

from collections.abc import Callable, Iterable
from itertools import product
from typing import Final

from acrwatch.core.registry import called
from detections.context import Context

# A choice holds the names of lists and flags of which one is enough; every choice has to be met.
Needs = frozenset[frozenset[str]]
NOTHING: Final[Needs] = frozenset()

# Shipped rules have up to two. What lies beyond is left out: whatever is said to be needed is, and more may be.
_MOST: Final = 32


def one(name: str) -> Needs:
    """Return the need for one list or flag."""
    return frozenset({frozenset({name})})


def all_of(parts: Iterable[Needs]) -> Needs:
    """Return what a condition needs that is true where all its parts are."""
    return _least(choice for part in parts for choice in part)


def any_of(parts: Iterable[Needs]) -> Needs:
    """Return what a condition needs that is true where any of its parts is."""
    first, *others = parts
    for other in others:
        first = _least(mine | theirs for mine, theirs in product(first, other))
    return first


def unmet(needs: Needs, context: Context) -> list[str]:
    """Return the choices of which a context has nothing, in words."""
    return spoken(frozenset(choice for choice in needs if not any(map(context.has, choice))))


def spoken(needs: Needs, word: Callable[[str], str] = called) -> list[str]:
    """Return each choice in words, `push_identities or push_ranges`; `word` says what becomes of a name."""
    return [_joined([word(name) for name in sorted(choice)]) for choice in sorted(needs, key=sorted)]


def _least(choices: Iterable[frozenset[str]]) -> Needs:
    """Return choices without those that another one implies."""
    kept: list[frozenset[str]] = []
    for choice in sorted(set(choices), key=lambda choice: (len(choice), sorted(choice))):
        if len(kept) < _MOST and not any(other <= choice for other in kept):
            kept.append(choice)
    return frozenset(kept)


def _joined(names: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))
