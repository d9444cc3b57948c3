"""Texts that show themselves only on demand."""

import re
from typing import Final

from acrwatch.core.masking import MASK, SHORTEST, hide

# Members of a connection string that are keys; a signature holds its own as `sig`.
_KEY_MEMBERS: Final = frozenset({"sharedaccesskey", "sharedaccesssignature", "accountkey", "sharedsecret", "password"})
_URL: Final = re.compile(r"(?P<before>[^:/]+://[^/:@]*:)(?P<password>.*)(?P<after>@[^@]*)")


class Secret:
    """A text that shows itself only to `reveal()`: never in repr, str, logs or error messages.

    What is secret in it is masked from now on wherever text leaves the process (acrwatch/core/masking.py).
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        hide(*self.keys())

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def keys(self) -> tuple[str, ...]:
        """Return what must never be shown: of a connection string its keys, of several secrets each, else all of it."""
        members = [member.partition("=") for member in self._value.split(";")]
        found = [value for name, _, value in members if name.strip().lower() in _KEY_MEMBERS]
        if found:
            signatures = [part.removeprefix("sig=") for text in found for part in text.split("&") if "sig=" in part]
            return (*found, *signatures)
        words = re.split(r"[\s,]+", self._value)
        return (self._value, *words, *(word.removeprefix("whsec_") for word in words))

    def __repr__(self) -> str:
        return f"Secret('{MASK}')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


class DatabaseUrl(Secret):
    """The address of a database, which may hold a password: shown without it, and without its query."""

    __slots__ = ()

    def keys(self) -> tuple[str, ...]:
        address, _, query = self.reveal().partition("?")
        password = _URL.fullmatch(address)
        return (password["password"] if password else "", *(pair.partition("=")[2] for pair in _secret_pairs(query)))

    def __repr__(self) -> str:
        address, mark, _ = self.reveal().partition("?")
        return _URL.sub(rf"\g<before>{MASK}\g<after>", address) + (f"?{MASK}" if mark else "")

    __str__ = __repr__


def looks_like_a_key(text: str) -> bool:
    """Tell a key from a word, such as `services` in a web address: by its length, or by digits among letters."""
    mixed = any(map(str.isdigit, text)) and any(map(str.isalpha, text))
    return len(text) >= 2 * SHORTEST or (mixed and len(text) >= SHORTEST)


def _secret_pairs(query: str) -> list[str]:
    return [pair for pair in query.split("&") if "pass" in pair.partition("=")[0].lower()]
