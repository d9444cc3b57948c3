"""Where in a rule file something stands, for messages that name a line."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Item:
    """One detection item: the line its key stands on, and a definition that holds it alone."""

    line: int
    definition: Any


class Document:
    """The YAML documents of one file, with their lines. Raises yaml.YAMLError where the text is none."""

    def __init__(self, text: str) -> None:
        self._roots = [root for root in yaml.compose_all(text, yaml.SafeLoader) if isinstance(root, yaml.MappingNode)]

    def line_of(self, *path: str, titled: str | None = None) -> int:
        """Return the line of the first document that has this path of keys, or of as much of it as there is; of those
        with a certain title, where one is given."""
        lines = [1, *(root.start_mark.line + 1 for root in self._roots)]
        best = (0, lines[-1])
        for root in [one for one in self._roots if titled is None or _title(one) == titled]:
            best = max(best, _deepest(root, path), key=lambda found: found[0])
        return best[1]

    def items(self) -> Iterator[Item]:
        """Yield every detection item of every document, also of filters."""
        for root in self._roots:
            for section in ("detection", "filter"):
                for name, node in _members(_member(root, section)):
                    if name not in ("condition", "rules", "timeframe"):
                        yield from _items(node)

    def blame(self, wrong: Callable[[Any], Exception | None]) -> tuple[int, Exception] | None:
        """Return the line of the first item that is wrong by itself, and why; None where each is right alone."""
        for item in self.items():
            if (error := wrong(item.definition)) is not None:
                return item.line, error
        return None


def _items(node: yaml.Node) -> Iterator[Item]:
    """A mapping is one item a key; a list holds mappings, or keywords that are items themselves."""
    line = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield Item(key.start_mark.line + 1, {_plain(key): _plain(value)})
    elif isinstance(node, yaml.SequenceNode):
        for member in node.value:
            yield from _items(member)
    else:
        yield Item(line, [_plain(node)])


def _plain(node: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    return loader.construct_object(node, deep=True)


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
