"""Texts that no log, no file in UTF-8 and no database can hold, as escapes and bytes of another encoding make them."""

from acrwatch.core.errors import ConfigError


def unfit(text: str) -> str | None:
    """Return what of a text cannot be stored: half of a character (a surrogate), a NUL; None where all of it can."""
    if "\0" in text:
        return "a NUL"
    half = next((char for char in text if "\ud800" <= char <= "\udfff"), None)
    return None if half is None else f"half of a character, U+{ord(half):04X}"


def fit(text: str, what: str) -> str:
    """Return a text that can be stored. Raises ConfigError, which names it by `what`."""
    if wrong := unfit(text):
        raise ConfigError(f"{what} {text[:40]!r} holds {wrong}", remedy="Write it in UTF-8")
    return text
