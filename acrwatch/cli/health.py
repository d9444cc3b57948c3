"""What must be said wherever alerts are shown: that no alerts may mean nobody is looking."""

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

_SHOWN = 3


def incident_lines(connection: "Connection") -> list[str]:
    """Return what is wrong at present, longest first; nothing if all is well."""
    from storage.state import incidents

    found = incidents.current(connection)
    if not found:
        return []
    lines = [f"Health: {len(found)} {'incident' if len(found) == 1 else 'incidents'} open; alerts may be missing."]
    for incident in found[:_SHOWN]:
        remedy = f". {incident.remedy}" if incident.remedy else ""
        lines.append(f"  since {incident.since:%Y-%m-%d %H:%M}Z: {incident.message}{remedy}")
    if len(found) > _SHOWN:
        lines.append(f"  and {len(found) - _SHOWN} more.")
    return lines


def unjudged_lines(connection: "Connection", *, since: datetime) -> list[str]:
    """Return which detections met events since a moment that they could not judge."""
    from storage.state import runs

    found = runs.unjudged(connection, since=since)
    return [f"Health: {slug} could not judge {count} events of the last day." for slug, count in sorted(found.items())]
