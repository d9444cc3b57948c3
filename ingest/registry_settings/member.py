"""One member of a JSON document, with its place, read strictly: a wrong type is an error that names file and member.

No error quotes a value: the documents may hold passwords.
"""

from collections.abc import Iterator
from typing import Any, Final

from acrwatch.core.characters import unfit

_TYPES: Final = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}


class WrongShapeError(ValueError):
    """A document, or a member of it, that is not what it should be. The text names file and member."""


class Member:
    """A value of a document. Names are found in any case, and below `properties` too, where ARM puts most of them."""

    def __init__(self, value: Any, place: str) -> None:
        self.value = value
        self.place = place

    def __getitem__(self, name: str) -> "Member":
        """Return a member by name; one that is absent or null has the value None. Raises WrongShapeError."""
        found, where = self._find(name)
        return Member(found, f"{where}.{name}" if ":" in where else f"{where}: {name}")

    def has(self, *names: str) -> bool:
        """Whether this is an object that has all these members, null or not."""
        return isinstance(self.value, dict) and all(any(_named(part, n) for part, _ in self._parts()) for n in names)

    def text(self) -> str | None:
        """Return a text, None where it is absent or empty. An escape may write what is no character: refused."""
        found: str | None = self._typed(str)
        if found and (wrong := unfit(found)):
            raise WrongShapeError(f"{self.place}: expected a text, found {wrong} in it")
        return found or None

    def word(self) -> str | None:
        """Return a word of a fixed set, folded: Azure's pages and answers differ in case."""
        found = self.text()
        return None if found is None else found.casefold()

    def truth(self) -> bool | None:
        """Return true or false, None where it is absent."""
        found: bool | None = self._typed(bool)
        return found

    def number(self) -> int | None:
        """Return a whole number, None where it is absent."""
        if isinstance(self.value, bool):
            self._refuse(int)
        found: int | None = self._typed(int)
        return found

    def items(self) -> list["Member"] | None:
        """Return the items of a list, None where it is absent."""
        found = self._typed(list)
        return None if found is None else [Member(item, f"{self.place}[{n}]") for n, item in enumerate(found)]

    def _find(self, name: str) -> tuple[Any, str]:
        if self.value is None:
            return None, self.place
        if not isinstance(self.value, dict):
            self._refuse(dict)
        for part, where in self._parts():
            for key in _named(part, name):
                if part[key] is not None:
                    return part[key], where
        return None, self.place

    def _parts(self) -> Iterator[tuple[dict[str, Any], str]]:
        yield self.value, self.place
        for key in _named(self.value, "properties"):
            if isinstance(self.value[key], dict):
                yield self.value[key], f"{self.place}.{key}" if ":" in self.place else f"{self.place}: {key}"

    def _typed(self, kind: type) -> Any:
        if self.value is not None and not isinstance(self.value, kind):
            self._refuse(kind)
        return self.value

    def _refuse(self, kind: type) -> None:
        found = _TYPES.get(type(self.value), "null")
        raise WrongShapeError(f"{self.place}: expected {_TYPES[kind]}, found {found}")


def _named(part: dict[str, Any], name: str) -> list[str]:
    return [key for key in part if key.casefold() == name.casefold()]
