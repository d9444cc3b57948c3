"""Judge a tree of settings against their tables, collecting every mistake instead of stopping at the first."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from acrwatch.core.errors import ConfigError
from acrwatch.core.layers import Keys, Leaf, Node, Tree, dotted, environment_name, leaves, plain
from acrwatch.core.setting import REQUIRED, Secret, Setting

FILE_SUFFIX: Final = "_file"


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting as it is in force. `origin` is `default`, a file's path or the name of an environment variable."""

    key: str
    value: object
    origin: str


class SectionReader:
    """Hands out parsed values and keeps two lists: `entries` for `config show`, and the mistakes."""

    def __init__(self, tree: Tree, source: str, base: Path, mistakes: Sequence[str] = ()) -> None:
        self.entries: list[Entry] = []
        self._tree = tree
        self._source = source
        self._base = base
        self._mistakes = list(mistakes)

    def known_sections(self, names: Iterable[str]) -> None:
        """Note every top-level name that is none of `names`."""
        known = list(names)
        for name in self._tree:
            if name not in known:
                self.unknown_word((name,), f"section {name!r}", name, known)

    def tables(self, keys: Keys) -> list[Keys]:
        """Return the keys of each sub-table of the table at `keys`; anything else there is a mistake."""
        found = []
        for name, child in self._table(keys).items():
            if isinstance(child, dict):
                found.append((*keys, name))
            else:
                self.mistake((*keys, name), f"is a single value; expected a section `[{dotted((*keys, name))}]`")
        return found

    def items(self, section: str) -> list[Keys]:
        """Return the keys of each item of a list such as `[[sources]]`, in order."""
        node = self._tree.get(section, {})
        if isinstance(node, Leaf):
            if node.value != []:
                self.mistake((section,), f"is a list; write [[{section}]]")
            return []
        stray = [name for name in node if not (name.isdecimal() and name.isascii())]
        if stray:
            self.mistake((section, stray[0]), f"{section} is a list; write [[{section}]], or number its items")
            return []
        for index, name in enumerate(sorted(node, key=int)):
            if name != str(index):
                self.mistake((section, name), f"the next free number is {index}")
                return []
        return sorted(self.tables((section,)), key=lambda keys: int(keys[-1]))

    def values(
        self,
        keys: Keys,
        settings: Sequence[Setting[Any]],
        *,
        also_known: Sequence[str] = (),
        others_allowed: bool = False,
        elsewhere: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[str, Any]:
        """Return the parsed values of one section by name; a name whose value is wrong is absent, and noted.

        `elsewhere` says of names that are no settings here what to write instead.
        """
        table = self._table(keys)
        found = {}
        names = {setting.name for setting in settings}
        for setting in settings:
            try:
                found[setting.name] = self._value(keys, setting, table, names)
            except ValueError as error:
                self.note(str(error))
        if not others_allowed:
            self._unknown_keys(keys, table, settings, also_known, elsewhere)
        return found

    def where(self, keys: Keys) -> str:
        """Return the place of a section or value, for messages."""
        node: Node | None = self._tree
        for key in keys:
            node = node.get(key) if isinstance(node, dict) else None
        leaf = next(leaves(node), None) if node is not None else None
        if leaf and leaf.from_environment:
            return leaf.origin if leaf is node else environment_name(keys)
        return f"{leaf.origin if leaf else self._source}: {dotted(keys)}"

    def mistake(self, keys: Keys, problem: str) -> None:
        """Note a mistake at a place."""
        self.note(f"{self.where(keys)}: {problem}")

    def note(self, sentence: str) -> None:
        """Note a mistake."""
        self._mistakes.append(sentence)

    def unknown_word(self, keys: Keys, what: str, word: str, known: Iterable[str]) -> None:
        """Note a word that is none of the known ones, with the nearest of them."""
        names = sorted(known)
        near = difflib.get_close_matches(word, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names)}"
        self.mistake(keys, f"{what} is unknown; {hint}")

    def raise_mistakes(self) -> None:
        """Raise one ConfigError that lists every mistake noted; return if there are none."""
        if self._mistakes:
            count = "one mistake" if len(self._mistakes) == 1 else f"{len(self._mistakes)} mistakes"
            raise ConfigError(f"the configuration has {count}:\n" + "\n".join(f"  {line}" for line in self._mistakes))

    def _table(self, keys: Keys) -> Tree:
        node: Node = self._tree
        for key in keys:
            node = node.get(key, {}) if isinstance(node, dict) else {}
        if isinstance(node, dict):
            return node
        self.mistake(keys, f"is a single value; expected a section `[{dotted(keys)}]`")
        return {}

    def _value(self, keys: Keys, setting: Setting[Any], table: Tree, names: set[str]) -> object:
        """Return one parsed value; raises ValueError with the whole sentence."""
        name = setting.name
        direct = table.get(name)
        by_file = table.get(name + FILE_SUFFIX) if name + FILE_SUFFIX not in names else None
        chosen = _stronger(direct, by_file)
        if chosen is None:
            if setting.default is REQUIRED:
                place = environment_name((*keys, name))
                raise ValueError(f"{self.where(keys)}: {name} is missing: {setting.doc} Set it there, or as {place}")
            value = self._absolute(setting.default)
            self.entries.append(Entry(dotted((*keys, name)), value, "default"))
            return value
        shown = (*keys, name + FILE_SUFFIX if chosen is by_file else name)
        try:
            if chosen is direct and by_file is not None and _from_environment(direct) == _from_environment(by_file):
                raise ValueError(f"is given both directly and as {name}{FILE_SUFFIX}; keep one")
            value = self._parsed(setting, plain(chosen), by_file=chosen is by_file)
        except ValueError as error:
            raise ValueError(f"{self.where(shown)}: {error}") from None
        origin = next(leaves(chosen), None)
        self.entries.append(Entry(dotted((*keys, name)), value, origin.origin if origin else self._source))
        return value

    def _parsed(self, setting: Setting[Any], written: object, *, by_file: bool) -> object:
        value = setting.parse(_file_text(self._base, written) if by_file else written)
        if by_file and not isinstance(value, Secret):
            raise ValueError(f"only secrets can be read from a file; set {setting.name} itself")
        return self._absolute(value)

    def _absolute(self, value: object) -> object:
        if isinstance(value, tuple):
            return tuple(self._absolute(item) for item in value)
        return (self._base / value).resolve() if isinstance(value, Path) else value

    def _unknown_keys(
        self,
        keys: Keys,
        table: Tree,
        settings: Sequence[Setting[Any]],
        also_known: Sequence[str],
        elsewhere: Mapping[str, str],
    ) -> None:
        known = {setting.name for setting in settings} | set(also_known)
        for name in table:
            if name in elsewhere:
                self.mistake((*keys, name), f"{name!r} {elsewhere[name]}")
            elif name not in known and name.removesuffix(FILE_SUFFIX) not in known:
                self.unknown_word((*keys, name), f"{name!r}", name, known)


def _from_environment(node: Node | None) -> bool:
    return any(leaf.from_environment for leaf in leaves(node)) if node is not None else False


def _stronger(direct: Node | None, by_file: Node | None) -> Node | None:
    if direct is None or (by_file is not None and _from_environment(by_file) and not _from_environment(direct)):
        return by_file
    return direct


def _file_text(base: Path, written: object) -> str:
    if not isinstance(written, str) or not written:
        raise ValueError("expected the path of a file that holds the secret")
    try:
        return (base / written).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        # Not its path: the secret itself is what people put there by mistake.
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text, or no path"
        raise ValueError(f"the file that it names cannot be read: {why}") from None
