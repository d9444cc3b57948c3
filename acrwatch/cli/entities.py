"""`acrwatch entities`: whom the alerts of the last days speak of, the riskiest first."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from acrwatch.cli.output import SEVERITY_STYLE, Column, Format, list_options, note, show_list, within
from acrwatch.cli.session import Session, pass_session
from acrwatch.cli.times import ago, parsed

if TYPE_CHECKING:
    from detections.risk import Risk


@click.group()
def entities() -> None:
    """See whom alerts speak of."""


@entities.command("risk")
@list_options
@pass_session
def risk_(session: Session, /, output_format: Format | None, limit: int) -> None:
    """List identities, and addresses without one, by what their alerts are worth together now, most first.

    An alert is worth 4 points if low, 10 if medium, 25 if high, 62 if critical, for a day after its last event; then
    half with each further day. Each rule counts once. Alerts closed as false, benign, test or duplicate count nothing.
    """
    from detections.risk import HORIZON, risks
    from storage.state import alerts

    now = session.clock.now()
    with session.database() as database, database.connect() as connection:
        found = risks(alerts.seen_since(connection, now - HORIZON), now)
    columns: Final = (
        Column("SCORE", lambda item: f"{item['score']:g}"),
        Column("LEVEL", lambda item: item["level"], lambda item: SEVERITY_STYLE.get(item["level"], "")),
        Column("LAST SEEN", lambda item: ago(parsed(item["last_seen"]) or now, now)),
        Column("TYPE", lambda item: item["type"]),
        Column("ENTITY", lambda item: item["value"]),
    )
    shown = within(limit, [_as_json(one, now) for one in found])
    show_list(output_format, shown, columns, Column("ALERTS", _alerts, wrap=True))
    if not shown:
        note("No alert of the last 4 days counts against anyone.")


def _as_json(one: "Risk", now: datetime) -> Mapping[str, Any]:
    from detections.risk import severity_of, shown, worth

    return {
        "type": one.entity.kind,
        "value": one.entity.value,
        "score": shown(one.score),
        "level": severity_of(one.score),
        "last_seen": max(part.last_seen for part in one.parts).isoformat().replace("+00:00", "Z"),
        "alerts": [
            {"id": part.id, "rule": part.rule, "severity": part.severity, "points": shown(worth(part, now))}
            for part in one.parts
        ],
    }


def _alerts(item: Mapping[str, Any]) -> str:
    return ", ".join(f"{part['rule']} {part['points']:g} ({part['id']})" for part in item["alerts"])
