"""What must be said wherever alerts are shown: that no alerts may mean nobody is looking."""

from typing import TYPE_CHECKING

from acrwatch.cli.output import note

if TYPE_CHECKING:
    from sqlalchemy import Connection

_SHOWN = 3


def tell_incidents(connection: "Connection") -> None:
    """Say on stderr what makes us blind at present; nothing if all is well."""
    from storage.state import incidents

    found = incidents.current(connection)
    if not found:
        return
    note(f"Health: {len(found)} open. Alerts may be missing.")
    for incident in found[:_SHOWN]:
        note(f"  since {incident.since:%Y-%m-%d %H:%M}Z: {incident.message}. {incident.remedy}")
    if len(found) > _SHOWN:
        note(f"  and {len(found) - _SHOWN} more.")
