"""What a setting is: a name, a parser, a default and a sentence. Tables of these drive loading, docs and errors."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Generic, TypeVar

from acrwatch.core.characters import unfit
from acrwatch.core.secret import DatabaseUrl as DatabaseUrl
from acrwatch.core.secret import Secret as Secret

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
T = TypeVar("T")

REQUIRED: Final = object()
# A hundred years: more than any log is kept. What is added to a time, or taken from it, then stays within the calendar.
LONGEST: Final = timedelta(days=36_500)
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """One key of one section. `parse` takes the TOML value or the environment's text and raises ValueError with a
    sentence that names what is expected; `default` is `REQUIRED`, or a value that `parse` would return."""

    name: str
    parse: Callable[[object], T]
    default: object
    doc: str


def text(value: object) -> str:
    """A non-empty string that can be stored: the environment may hold bytes of another encoding."""
    if not isinstance(value, str) or not value:
        raise ValueError("expected a non-empty text")
    if wrong := unfit(value):
        raise ValueError(f"expected a text in UTF-8, found {wrong}")
    return value


def secret(value: object) -> Secret:
    """A non-empty string that is masked wherever it is shown. Its environment key may end in `_FILE`."""
    return Secret(text(value))


def database_url(value: object) -> DatabaseUrl:
    """The address of a database, masked where it holds a password. Its environment key may end in `_FILE`."""
    return DatabaseUrl(text(value))


def integer(value: object) -> int:
    """A whole number, as such or as text."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("expected a whole number")
    try:
        return int(value)
    except ValueError:
        raise ValueError("expected a whole number") from None


def boolean(value: object) -> bool:
    """true or false, as such or as text."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError("expected true or false")


def duration(value: object) -> timedelta:
    """A positive time span such as 500ms, 5s, 10m, 24h, 60d or 2w, at most LONGEST."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)", value) if isinstance(value, str) else None
    if match is None or float(match[1]) == 0:
        raise ValueError("expected a time span such as 500ms, 5s, 10m, 24h or 60d")
    seconds = float(match[1]) * _UNITS[match[2]]
    if seconds > LONGEST.total_seconds():
        raise ValueError(f"expected a time span of at most {LONGEST.days}d")
    return max(timedelta(seconds=seconds), timedelta.resolution)


def at_least_a_day(value: object) -> timedelta:
    """A time span of 24 hours or more."""
    span = duration(value)
    if span < timedelta(days=1):
        raise ValueError("expected a time span of at least 24h")
    return span


def moment(value: object) -> datetime:
    """An ISO 8601 time with a zone, or a TOML date-time; returned in UTC."""
    try:
        parsed = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        parsed = None
    if not isinstance(parsed, datetime) or parsed.tzinfo is None:
        raise ValueError("expected a time with a zone, such as 2026-11-22T00:00:00Z")
    try:
        return parsed.astimezone(UTC)
    except OverflowError:
        raise ValueError("expected a time that UTC has a year for") from None


def texts(value: object) -> tuple[str, ...]:
    """A list of texts; from the environment, comma separated."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise ValueError("expected a list of texts")
    return tuple(text(item.strip() if isinstance(item, str) else item) for item in items)


def file_path(value: object) -> Path:
    """One file or folder."""
    return Path(text(value))


def paths(value: object) -> tuple[Path, ...]:
    """A list of files or folders; from the environment, comma separated."""
    return tuple(map(Path, texts(value)))


def networks(value: object) -> tuple[IpNetwork, ...]:
    """A list of CIDR ranges or single addresses, v4 or v6."""
    found = []
    for item in texts(value):
        try:
            found.append(ipaddress.ip_network(item))
        except ValueError as error:
            raise ValueError(f"{error}: expected a range such as 203.0.113.0/24 or 2001:db8::/32") from None
    return tuple(found)
