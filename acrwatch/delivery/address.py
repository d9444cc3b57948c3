"""Addresses of destinations: parsers for settings. For chat and flow services the web address itself is the secret."""

from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from acrwatch.core.masking import MASK
from acrwatch.core.secret import looks_like_a_key
from acrwatch.core.setting import Secret, text

# Shorter parts of a path or query ("v1", "hook") are words, not keys; masking them would only garble messages.
_SECRET_CHARACTERS: Final = 8
_EXPECTED: Final = "expected an http or https address such as https://siem.example/hook"


class WebAddress(Secret):
    """An http(s) address that shows itself as scheme, host and port only."""

    __slots__ = ()

    def __repr__(self) -> str:
        parts = urlsplit(self.reveal())
        return f"{parts.scheme}://{_host(parts)}/{MASK}"

    __str__ = __repr__

    def keys(self) -> tuple[str, ...]:
        """Return what is masked everywhere: the address without its scheme, and the parts of it that look like keys."""
        _, _, rest = self.reveal().partition("://")
        return (rest, *(part for part in self.secrets() if "/" not in part and looks_like_a_key(part)))

    def secrets(self) -> tuple[str, ...]:
        """Return the parts that must not be shown where it is quoted by whom it leads to, longest first."""
        parts = urlsplit(self.reveal())
        found = {parts.path, parts.query, parts.password or "", *parts.path.split("/")}
        found.update(value for _, value in parse_qsl(parts.query))
        found |= {unquote(part) for part in found}
        return tuple(sorted((part for part in found if len(part) >= _SECRET_CHARACTERS), key=len, reverse=True))


def web_address(value: object) -> WebAddress:
    """An http or https address."""
    written = text(value)
    try:
        parts = urlsplit(written)
        _ = parts.port
    except ValueError:
        raise ValueError(_EXPECTED) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not written.isprintable() or " " in written:
        raise ValueError(_EXPECTED)
    return WebAddress(written)


def file_path(value: object) -> Path:
    """A file path."""
    return Path(text(value))


def _host(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]
