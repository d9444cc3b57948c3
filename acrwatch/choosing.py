"""What people choose events and alerts by, checked: one value or several, names with the nearest known one."""

import difflib
import ipaddress
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from acrwatch.core.address import MAPPED_PREFIX, parse_address
from acrwatch.core.errors import ConfigError
from acrwatch.core.operation import OPERATIONS
from storage.schema import BY_NAME, PARTITION_COLUMN
from storage.selection import Selection

OneOrMore = str | Iterable[str] | None

SEVERITIES: Final = ("informational", "low", "medium", "high", "critical")
STATUSES: Final = ("new", "active", "closed", "suppressed", "staged", "building-block")

# Left out unless asked for: the day of `event_time` again, and `caller_ip` again as a key for joins by range.
_ON_REQUEST: Final = (PARTITION_COLUMN, "ip_key")
COLUMNS: Final = tuple(name for name in BY_NAME if name not in _ON_REQUEST)


def several(given: OneOrMore) -> tuple[str, ...] | None:
    """Return one text as a tuple of it, several as a tuple, None as None."""
    if given is None:
        return None
    return (given,) if isinstance(given, str) else tuple(given)


def one_of(given: str, known: Iterable[str], what: str) -> str:
    """Return a word that is known. Raises ConfigError with the nearest one."""
    names = list(known)
    if given not in names:
        raise ConfigError(f"there is no {what} {given!r}", remedy=nearest(given, names))
    return given


def nearest(given: str, names: Sequence[str]) -> str:
    """Return what to say to someone who wrote a name that is not known."""
    near = difflib.get_close_matches(given, names, n=1)
    return f"Did you mean {near[0]}?" if near else f"Known are {', '.join(names)}"


def columns_of(given: Sequence[str] | None) -> tuple[str, ...]:
    """Return the columns of a frame of events: all that are useful, or those given. Raises ConfigError."""
    chosen = several(given)
    return COLUMNS if chosen is None else tuple(one_of(name, BY_NAME, "column") for name in dict.fromkeys(chosen))


def severities_of(given: OneOrMore) -> tuple[str, ...] | None:
    """Return the severities that `high`, `>=medium`, `<high` or a list of them mean; None for any."""
    chosen = several(given)
    if chosen is None:
        return None
    met = {name for word in chosen for name in _meant(word)}
    return tuple(name for name in SEVERITIES if name in met)


def _meant(word: str) -> Sequence[str]:
    name = word.lstrip("<>= ").casefold()
    rank = SEVERITIES.index(one_of(name, SEVERITIES, "severity"))
    ranges = {"": slice(rank, rank + 1), ">=": slice(rank, None), ">": slice(rank + 1, None),
              "<=": slice(0, rank + 1), "<": slice(0, rank)}  # fmt: skip
    comparison = word[: len(word) - len(word.lstrip("<>= "))].strip()
    if comparison not in ranges:
        raise ConfigError(f"severity {word!r} is not clear", remedy='Pass "high", ">=medium" or a list of severities')
    return SEVERITIES[ranges[comparison]]


def selection_of(
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    registry: OneOrMore = None,
    operation: OneOrMore = None,
    identity: OneOrMore = None,
    ip: OneOrMore = None,
    digest: OneOrMore = None,
    repository: OneOrMore = None,
) -> Selection:
    """Return what is asked for. Raises ConfigError for an operation or an address that is none."""
    operations = several(operation)
    registries = several(registry)
    asked = {
        "registry": None if registries is None else registry_names(registries),
        "operation": operations and tuple(one_of(one.casefold(), (*OPERATIONS, "other"), "operation")
                                          for one in operations),
        "identity": several(identity),
        "digest": several(digest),
        "repository": several(repository),
    }  # fmt: skip
    any_of = {column: values for column, values in asked.items() if values is not None}
    return Selection(since, until, any_of, [interval(one) for one in several(ip) or ()])


def registry_names(given: Iterable[str]) -> tuple[str, ...]:
    """Return registries as events name them, from names or login servers in whatever case."""
    return tuple(name.casefold().partition(".")[0] for name in given)


def interval(text: str) -> tuple[bytes, bytes]:
    """Return the first and last `ip_key` of an address or a network. Raises ConfigError."""
    if "/" not in text:
        key = parse_address(text).key
        if key is None:
            raise ConfigError(f"ip {text!r} is no address", remedy="Pass one such as 203.0.113.9, or 203.0.113.0/24")
        return key, key
    try:
        network = ipaddress.ip_network(text.strip())
    except ValueError as error:
        raise ConfigError(f"ip {text!r} is no network: {error}", remedy="Pass one such as 203.0.113.0/24") from None
    prefix = MAPPED_PREFIX if network.version == 4 else b""
    return prefix + network.network_address.packed, prefix + network.broadcast_address.packed
