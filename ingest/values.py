"""Single values: times, numbers, status codes, operations, resource ids. Each rule in one place, for both paths."""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from acrwatch.core.operation import OPERATIONS, operation_of
from ingest.rows import UnfitError, shown

__all__ = [
    "EPOCH",
    "INT64_MAX",
    "MICROSECOND",
    "OPERATIONS",
    "Resource",
    "microseconds",
    "operation_of",
    "parse_duration",
    "parse_resource",
    "parse_size",
    "parse_status",
    "parse_time",
]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
INT64_MAX: Final = 2**63 - 1

_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))?", re.ASCII
)
_STATUS: Final = re.compile(r"([1-5][0-9]{2})(?:\.0+)?", re.ASCII)
_SIZE: Final = re.compile(r"[0-9]{1,19}", re.ASCII)
_REGISTRY: Final = re.compile(r"/.*/registries/([^/\s]+)", re.DOTALL)


class Resource(NamedTuple):
    """A registry's ARM id, case folded, and the registry's name, its last segment."""

    folded: str
    registry: str


def microseconds(moment: datetime) -> int:
    """Return an aware time as microseconds since 1970-01-01 UTC."""
    return (moment - EPOCH) // MICROSECOND


def parse_time(text: str) -> int:
    """Return an RFC 3339 time as microseconds since 1970-01-01 UTC.

    Up to nine fractional digits are *cut* to six, never rounded: Azure writes seven, Log Analytics may hand out six,
    and one event must have one time by every road. A blank for the `T` and a missing offset are Log Analytics forms,
    taken as UTC. Raises UnfitError for any other form, a time that does not exist, or one before 1970 (`0001-01-01`
    is .NET's "no time").
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise UnfitError("invalid_time", f"time {shown(text)} is not an RFC 3339 time")
    date, clock, fraction, sign, hours, minutes = match.groups()
    try:
        seconds = microseconds(datetime.fromisoformat(f"{date}T{clock}+00:00"))
    except ValueError:
        raise UnfitError("invalid_time", f"time {shown(text)} does not exist") from None
    moment = seconds + int((fraction or "")[:6].ljust(6, "0")) - _offset(text, sign, hours, minutes)
    if moment < 0:
        raise UnfitError("invalid_time", f"time {shown(text)} lies before 1970")
    return moment


def _offset(text: str, sign: str | None, hours: str, minutes: str) -> int:
    if sign is None:
        return 0
    if int(hours) > 23 or int(minutes) > 59:
        raise UnfitError("invalid_time", f"time {shown(text)} has an offset that does not exist")
    return (int(hours) * 60 + int(minutes)) * 60_000_000 * (-1 if sign == "-" else 1)


def parse_duration(text: str) -> float | None:
    """Return a finite number of milliseconds, or None where the text is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def parse_size(value: Any) -> int | None:
    """Return a number of bytes, 0 to 2^63-1, given as integer, whole float or digits; None for anything else."""
    if isinstance(value, str) and _SIZE.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= INT64_MAX
    return value if usable else None


def parse_status(text: str) -> int | None:
    """Return an HTTP status (100 to 599) given as `200` or `200.0`; None for any other text."""
    match = _STATUS.fullmatch(text)
    return int(match[1]) if match else None


def parse_resource(resource_id: str) -> Resource:
    """Return a registry's ARM id folded, and the registry's name.

    The wire writes resource ids in capitals, Log Analytics in small letters, so identity of resources ignores case.
    Raises UnfitError where the id's last two segments are not `registries/<name>`.
    """
    folded = resource_id.casefold().rstrip("/")
    match = _REGISTRY.fullmatch(folded)
    if match is None:
        raise UnfitError("not_a_registry", f"resourceId {shown(resource_id)} is not the ARM id of a registry")
    return Resource(folded, match[1])
