"""What must be said wherever alerts are shown: that no alerts may mean nobody is looking."""

from datetime import datetime
from typing import TYPE_CHECKING

from acrwatch.cli.output import counted

if TYPE_CHECKING:
    from sqlalchemy import Connection

_SHOWN = 3
# Rejects are counted up to here; beyond it the number says no more than that there are too many.
_COUNTED = 100


def incident_lines(connection: "Connection", *, now: datetime) -> list[str]:
    """Return what is wrong at `now`, longest first; nothing if all is well."""
    from storage.state import incidents

    found = [incident for incident in incidents.current(connection) if not incident.aged(now)]
    if not found:
        return []
    lines = [f"Health: {counted(len(found), 'incident')} open; alerts may be missing. See `acrwatch incidents list`."]
    for incident in found[:_SHOWN]:
        remedy = f". {incident.remedy}" if incident.remedy else ""
        lines.append(f"  since {incident.since:%Y-%m-%d %H:%M}Z: {incident.message}{remedy}")
    if len(found) > _SHOWN:
        lines.append(f"  and {len(found) - _SHOWN} more.")
    return lines


def unwatched_lines(connection: "Connection") -> list[str]:
    """Return since when no `acrwatch run` looks any more, where one ever did: nothing else here would tell."""
    from storage.state import leases

    ended = leases.lapsed(connection, "watch")
    if ended is None:
        return []
    since = f"{ended:%Y-%m-%d %H:%M}Z"
    line = (
        f"Health: no `acrwatch run` has looked for silence, lag and gaps since {since}. Is it running? What came since"
    )
    return [f"{line} may be neither read nor judged."]


def unjudged_lines(connection: "Connection", *, since: datetime) -> list[str]:
    """Return which detections met events since a moment that they could not judge."""
    from storage.state import runs

    found = runs.unjudged(connection, since=since)
    return [
        f"Health: {slug} could not judge {counted(count, 'event')} of the last day; `acrwatch check --live` shows "
        "which members of the records are absent or unusable."
        for slug, count in sorted(found.items())
    ]


def rejected_lines(connection: "Connection", *, since: datetime) -> list[str]:
    """Return how many records have been refused since a moment and wait to be replayed: none of them was judged."""
    from storage.state import rejects

    found = [
        reject
        for reject in rejects.recent(connection, limit=_COUNTED, pending_only=True)
        if reject.rejected_at >= since
    ]
    if not found:
        return []
    count = f"{_COUNTED} or more" if len(found) == _COUNTED else str(len(found))
    noun = "record" if len(found) == 1 else "records"
    return [f"Health: {count} {noun} refused in the last day and not judged; see `acrwatch rejects list --pending`."]
