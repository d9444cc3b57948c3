"""Settings before they are judged: a TOML file and the environment in one tree that knows where each leaf is from.

An array of tables (`[[sources]]`) becomes a table keyed "0", "1", …, so that `ACRWATCH__SOURCES__0__EVENTHUB` and the
file's first source meet at the same place.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from acrwatch.core.errors import ConfigError

ENV_PREFIX: Final = "ACRWATCH__"
_NEARLY: Final = "ACRWATCH_"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value as written. `origin` is a file's path or the name of an environment variable."""

    value: object
    origin: str
    from_environment: bool


Node = Leaf | dict[str, "Node"]
Tree = dict[str, Node]
Keys = tuple[str, ...]


def read_file(path: Path) -> Tree:
    """Return the tree of a TOML file; raises ConfigError if it cannot be read or is not TOML."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file", remedy="`acrwatch init` writes one to start from") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    return {name: _node(value, str(path)) for name, value in document.items()}


def overlay(tree: Tree, environ: Mapping[str, str]) -> list[str]:
    """Put every `ACRWATCH__…` variable into the tree, over what a file said. Returns the mistakes found."""
    mistakes = []
    for name in sorted(environ):
        if name.startswith(ENV_PREFIX):
            keys = tuple(name.removeprefix(ENV_PREFIX).lower().split("__"))
            problem = _put(tree, keys, Leaf(environ[name], name, True)) if all(keys) else "a part of the name is empty"
            if problem:
                mistakes.append(f"{name}: {problem}")
        elif name.startswith(_NEARLY) and "__" in name:
            mistakes.append(f"{name}: is unknown; did you mean {ENV_PREFIX}{name.removeprefix(_NEARLY)}?")
    return mistakes


def environment_name(keys: Keys) -> str:
    """Return the variable that sets the value at `keys`."""
    return ENV_PREFIX + "__".join(keys).upper()


def dotted(keys: Keys) -> str:
    """Return `keys` as people write them: `sources[0].eventhub`."""
    return "".join(f"[{key}]" if key.isdigit() else f".{key}" for key in keys).removeprefix(".")


def leaves(node: Node) -> Iterator[Leaf]:
    """Yield the leaves below a node, in order."""
    if isinstance(node, Leaf):
        yield node
    else:
        for child in node.values():
            yield from leaves(child)


def plain(node: Node) -> object:
    """Return a node as the TOML value that it was."""
    return node.value if isinstance(node, Leaf) else {name: plain(child) for name, child in node.items()}


def _node(value: object, origin: str) -> Node:
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        value = {str(index): item for index, item in enumerate(value)}
    if isinstance(value, dict):
        return {str(name): _node(item, origin) for name, item in value.items()}
    return Leaf(value, origin, False)


def _put(tree: Tree, keys: Keys, leaf: Leaf) -> str | None:
    table = tree
    for depth, word in enumerate(keys[:-1], start=1):
        # The environment has no lower case of its own: it must meet `[registries.Contoso]` as the file spells it.
        key = next((known for known in table if known.casefold() == word), word)
        node = table.setdefault(key, {})
        if isinstance(node, Leaf):
            return f"{dotted(keys[:depth])} is a single value ({node.origin}), not a section"
        table = node
    if isinstance(table.get(keys[-1]), dict):
        return f"{dotted(keys)} is a section, not a single value"
    table[keys[-1]] = leaf
    return None
