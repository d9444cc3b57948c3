"""How Azure Monitor files blobs: by whom the records are about, then by hour.

Diagnostic settings append to `resourceId=<ARM ID>/y=2026/m=11/d=29/h=23/m=00/PT1H.json`; a data export rule of a Log
Analytics workspace writes `WorkspaceResourceId=<ARM id>/y=…/h=23/m=05/PT05M.json`, and `PT05M_1.json` and so on where
one becomes full. Both write a record a line. The hour is that in which Azure *received* the records, in UTC: a blob
holds older events, and that of the last hour may still grow at the beginning of the next.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

HOUR: Final = timedelta(hours=1)

_PLACE: Final = re.compile(
    r"(?P<root>(?:.*/)?)y=(?P<y>\d{4})/m=(?P<m>\d\d)/d=(?P<d>\d\d)/h=(?P<h>\d\d)/m=\d\d/[^/]+\.json(?:\.gz)?", re.DOTALL
)
_YEAR: Final = re.compile(r"(?P<root>(?:.*/)?)y=\d{4}/", re.DOTALL)
_REGISTRY: Final = re.compile(r".*/registries/([^/]+)/", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Listed:
    """One blob as the service lists it: `hour` is the beginning of the hour that it is filed under (UTC)."""

    name: str
    size: int
    etag: str
    modified: datetime
    hour: datetime

    @property
    def arrived(self) -> datetime:
        """When the newest of its records reached the archive, at the latest; a copy of the blob keeps its hour."""
        return min(self.modified, self.hour + HOUR)


def hour_of(name: str) -> datetime | None:
    """Return the hour that a blob is filed under, None where its name is not of this layout."""
    match = _PLACE.fullmatch(name)
    if match is None:
        return None
    try:
        return datetime(*(int(match[part]) for part in "ymdh"), tzinfo=UTC)  # type: ignore[arg-type,misc]
    except ValueError:
        return None


def root_of(prefix: str) -> str | None:
    """Return what stands before the year in a prefix that ends with one, else None."""
    match = _YEAR.fullmatch(prefix)
    return None if match is None else match["root"]


def registry_of(root: str) -> str | None:
    """Return the registry, case folded, whose blobs lie below a root; None where the root names none."""
    match = _REGISTRY.fullmatch(root)
    return None if match is None else match[1].casefold()


def floor(moment: datetime) -> datetime:
    """Return the beginning of the hour (UTC) that holds this aware time."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def prefixes(root: str, since: datetime | None, until: datetime) -> Iterator[str]:
    """Yield prefixes that together hold all blobs below a root from `since` (None: from the first) to `until`: a day's
    for a few days, a month's for more, so that one answer of the service, 5,000 blobs, holds each."""
    if since is None:
        yield f"{root}y="
        return
    first, last = since.astimezone(UTC).date(), until.astimezone(UTC).date()
    if (last - first).days < _DAYS_BY_DAY:
        for number in range((last - first).days + 1):
            yield f"{root}{first + timedelta(days=number):y=%Y/m=%m/d=%d/}"
        return
    month = first.replace(day=1)
    while month <= last:
        yield f"{root}{month:y=%Y/m=%m/}"
        month = _next(month)


_DAYS_BY_DAY: Final = 8


def _next(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)
