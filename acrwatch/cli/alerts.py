"""`acrwatch alerts`: what stands, newest first, and all there is to know about one of them.

What people do to alerts is in `acrwatch.cli.triage`."""

from datetime import timedelta
from typing import Any, Final

import click

from acrwatch.cli.alert_export import export
from acrwatch.cli.alert_filters import Filters, filter_options
from acrwatch.cli.health import health_lines
from acrwatch.cli.output import (
    SEVERITY_STYLE,
    Column,
    Format,
    json_option,
    list_options,
    note,
    show_list,
    within,
    write_json,
)
from acrwatch.cli.session import Session, pass_session
from acrwatch.cli.times import ago, parsed, utc
from acrwatch.cli.triage import COMMANDS
from acrwatch.core.wording import counted

_STATUS_STYLE = {"new": "bold", "closed": "dim"}
_SUPPRESSED_SPAN: Final = timedelta(hours=24)


@click.group()
def alerts() -> None:
    """List, read, assign and close alerts."""


for _command in (*COMMANDS, export):
    alerts.add_command(_command)


@alerts.command("list")
@filter_options
@list_options
@pass_session
def list_(session: Session, /, filters: Filters, output_format: Format | None, limit: int) -> None:
    """List alerts, newest first. Historical ones are hidden unless asked for."""
    from storage.state import alerts as store

    with session.database() as database, database.connect() as connection:
        found = filters.find(session, connection, limit=limit + 1)
        hidden = filters.hidden(connection)
        unsaid = (
            store.hidden_by(connection, since=session.clock.now() - _SUPPRESSED_SPAN) if filters.apart is None else {}
        )
        health = health_lines(session, connection)
    now = session.clock.now()
    columns = (
        Column("TIME", lambda item: utc(parsed(item["created_at"]))),
        Column("AGE", lambda item: ago(parsed(item["created_at"]) or now, now)),
        Column("SEVERITY", lambda item: item["severity"], lambda item: SEVERITY_STYLE.get(item["severity"], "")),
        Column("STATUS", _status, _status_style),
        Column("RULE", lambda item: item["rule"]),
        Column("REGISTRIES", lambda item: ", ".join(item["registries"])),
        Column("ID", lambda item: item["id"]),
    )
    shown = within(limit, [store.as_json(alert) for alert in found])
    show_list(output_format, shown, columns, Column("REASON", lambda item: item["reason"], wrap=True))
    if not shown:
        note("No alerts.")
    if hidden:
        note(hidden)
    if unsaid:
        number = counted(sum(alerts for alerts, _ in unsaid.values()), "alert")
        note(f"Suppressed within the last 24 hours: {number}. --suppressed shows them, `suppressions list` says why.")
    for line in health:
        note(line)


@alerts.command()
@click.argument("alert_id", metavar="ID")
@json_option
@pass_session
def show(session: Session, /, alert_id: str, as_json: bool) -> None:
    """Read one alert: why, who, where, the evidence, and what to do. The beginning of an ID is enough."""
    from acrwatch.cli.alert_page import write_alert
    from acrwatch.cli.rules import installed
    from storage.state import alerts as store

    with session.database() as database, database.connect() as connection:
        alert = store.get(connection, alert_id)
        history = store.history(connection, alert.id)
        health = health_lines(session, connection)
    if as_json:
        write_json({**store.as_json(alert), "history": [store.history_as_json(one) for one in history]})
    else:
        write_alert(alert, installed(session, alert.rule), history, session.clock.now())
    for line in health:
        note(line)


def _status_style(item: Any) -> str:
    return "yellow" if item["changed_after_close"] else _STATUS_STYLE.get(item["status"], "")


def _status(item: Any) -> str:
    whose = f"for {item['assignee']}" if item["assignee"] else None
    since = "with more events since" if item["changed_after_close"] else None
    words = [item["status"], item["close_reason"], since, whose, "historical" if item["historical"] else None]
    return ", ".join(word for word in words if word)
