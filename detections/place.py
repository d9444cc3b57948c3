"""Where in a rule file something stands, for messages that name a line."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import yaml

from detections.rule_text import built, documents

# Each is asked of the database, which takes a millisecond; a file has room for a hundred thousand.
_MOST_BLAMED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Item:
    """One detection item: the line its key stands on, and a definition that holds it alone."""

    line: int
    definition: Any


class Document:
    """The YAML documents of one file, with their lines. Raises yaml.YAMLError as `documents` does."""

    def __init__(self, text: str) -> None:
        self._documents = documents(text)
        self._roots = [root for root in self._documents if isinstance(root, yaml.MappingNode)]

    def contents(self) -> list[Any]:
        """Return what each document says, made anew."""
        return [built(root) for root in self._documents]

    def line_of(self, *path: str, titled: str | None = None) -> int:
        """Return the line of the first document that has this path of keys, or of as much of it as there is; of those
        with a certain title, where one is given."""
        lines = [1, *(root.start_mark.line + 1 for root in self._roots)]
        best = (0, lines[-1])
        for root in [one for one in self._roots if titled is None or _title(one) == titled]:
            best = max(best, _deepest(root, path), key=lambda found: found[0])
        return best[1]

    def items(self) -> Iterator[Item]:
        """Yield every detection item of every document, also of filters; one that aliases repeat, once."""
        seen: set[int] = set()
        for root in self._roots:
            for section in ("detection", "filter"):
                for name, node in _members(_member(root, section)):
                    if name not in ("condition", "rules", "timeframe"):
                        yield from _items(node, seen)

    def blame(self, wrong: Callable[[Any], Exception | None]) -> tuple[int, Exception] | None:
        """Return the line of the first item that is wrong by itself, and why; None where each is right alone, or
        where that is not seen within so many items as no rule has."""
        for item in islice(self.items(), _MOST_BLAMED):
            if (error := wrong(item.definition)) is not None:
                return item.line, error
        return None


def _items(node: yaml.Node, seen: set[int]) -> Iterator[Item]:
    """A mapping is one item a key; a list holds mappings, or keywords that are items themselves."""
    if id(node) in seen:
        return
    seen.add(id(node))
    line = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield Item(key.start_mark.line + 1, {built(key): built(value)})
    elif isinstance(node, yaml.SequenceNode):
        for member in node.value:
            yield from _items(member, seen)
    else:
        yield Item(line, [built(node)])


def _members(node: yaml.Node | None) -> list[tuple[str, yaml.Node]]:
    return [(str(key.value), value) for key, value in node.value] if isinstance(node, yaml.MappingNode) else []


def _member(node: yaml.Node, name: str) -> yaml.Node | None:
    return next((value for key, value in _members(node) if key == name), None)


def _title(root: yaml.Node) -> str:
    title = _member(root, "title")
    return str(title.value) if title is not None else ""


def _deepest(root: yaml.MappingNode, path: tuple[str, ...]) -> tuple[int, int]:
    """Return how much of a path a document has, and the line of its last key."""
    node: yaml.Node | None = root
    depth, line = 0, root.start_mark.line + 1
    for name in path:
        key = (
            next((key for key, _ in node.value if key.value == name), None)
            if isinstance(node, yaml.MappingNode)
            else None
        )
        if key is None or node is None:
            break
        depth, line, node = depth + 1, key.start_mark.line + 1, _member(node, name)
    return depth, line
