"""What may stand on a watch list, and what history knows of it."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pyarrow as pa

from acrwatch.core.address import parse_address
from acrwatch.core.characters import fit
from acrwatch.core.errors import ConfigError
from detections.context import key_ranges
from storage.lookup import tally, tally_between
from storage.query import Reader
from storage.state.watch_entries import DIGEST, IDENTITY, IP

TYPES: Final = (IP, DIGEST, IDENTITY)

# `algorithm:hex` as the OCI image specification has it; SHA-256 and SHA-512 are registered.
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
# The allocations of one network operator are hardly wider; a list of all addresses would make every event an alert.
_WIDEST: Final = {4: 8, 6: 16}

_WHO: Final = ("registry", "identity", "caller_ip", "operation")
_WHAT: Final = ("registry", "repository", "operation")


@dataclass(frozen=True, slots=True)
class Sighting:
    """Events alike in some columns (`what`; None where they have no value), how many, and when, in UTC."""

    what: Mapping[str, str | None]
    events: int
    failed: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class History:
    """What is stored of one value, the latest first: by who, from where and what was done; by repository."""

    events: int
    first_seen: datetime | None
    last_seen: datetime | None
    actors: Sequence[Sighting]
    repositories: Sequence[Sighting]


def canonical(type_: str, value: str) -> str:
    """Return a value as its list keeps it: a range, a digest in lower case, an identity without spaces around it.

    Raises ConfigError where the value is none of its type, no text that can be stored, or so wide that nearly every
    event would be meant.
    """
    fit(value, type_)
    if type_ == IP:
        return str(_network(value.strip()))
    if type_ == DIGEST:
        return _digest(value.strip().casefold())
    if not value.strip() or re.search(r"[*?]", value):
        raise ConfigError(
            f"identity {value!r} cannot be watched: expected one identity as the audit log has it",
            remedy='Patterns go into watched_identities of [registries."*"]',
        )
    return value.strip()


def history(reader: Reader, type_: str, value: str) -> History:
    """Return what is stored of a canonical value. Raises StoreError.

    Identities are found in any case, as rules compare them. A digest is looked for among tags, too: pulls by digest may
    have it there.
    """
    who, what = (_found(reader, type_, value, by) for by in (_WHO, _WHAT))
    actors, repositories = _sightings(who, _WHO), _sightings(what, _WHAT)
    return History(
        sum(one.events for one in actors),
        min((one.first_seen for one in actors), default=None),
        max((one.last_seen for one in actors), default=None),
        actors,
        [one for one in repositories if one.what["repository"] is not None],
    )


def _found(reader: Reader, type_: str, value: str, by: Sequence[str]) -> pa.Table:
    if type_ == IDENTITY:
        return tally(reader, ["identity"], value, by=by, any_case=True)
    if type_ == DIGEST:
        return tally(reader, ["digest", "tag"], value, by=by)
    intervals = key_ranges([ipaddress.ip_network(value)])
    if len(intervals) == 1 and intervals[0][0] == intervals[0][1]:
        return tally(reader, ["ip_key"], intervals[0][0], by=by)
    return tally_between(reader, intervals, by=by)


def _sightings(found: pa.Table, by: Sequence[str]) -> list[Sighting]:
    rows: list[dict[str, Any]] = found.to_pylist()
    counted = ("events", "failed", "first_seen", "last_seen")
    return [Sighting({name: row[name] for name in by}, *(row[name] for name in counted)) for row in rows]


def _network(value: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return the range, or the one address, that a text means; an address may have a port, as the log has it."""
    try:
        found = ipaddress.ip_network(parse_address(value).text or value, strict=False)
    except ValueError:
        raise ConfigError(
            f"{value!r} is no address and no range", remedy="Write 203.0.113.9 or 203.0.113.0/24"
        ) from None
    if found.prefixlen < _WIDEST[found.version]:
        raise ConfigError(f"{found} is too wide to be watched", remedy=f"At most a /{_WIDEST[found.version]}")
    return found


def _digest(value: str) -> str:
    if not _DIGEST.fullmatch(value):
        raise ConfigError(
            f"{value!r} is no digest", remedy="Write the algorithm and all of it: sha256: and 64 hex digits"
        )
    return value
