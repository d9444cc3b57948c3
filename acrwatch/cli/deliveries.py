"""`acrwatch deliveries`: what was sent, waits, or was given up."""

from typing import TYPE_CHECKING, Any

import click

from acrwatch.cli.output import Column, Format, json_option, list_options, note, show_list, within, write_json
from acrwatch.cli.session import Session, pass_session
from acrwatch.cli.times import ago, parsed, utc

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from storage.state.outbox import Delivery

_STYLES = {"dead": "bold red", "pending": "yellow", "folded": "dim"}


@click.group()
def deliveries() -> None:
    """List and retry what was sent, waits or was given up."""


@deliveries.command("list")
@click.option("--status", type=click.Choice(["pending", "sent", "folded", "dead"]), help="Only these.")
@click.option("--destination", metavar="NAME", help="Only those to this destination.")
@list_options
@pass_session
def list_(
    session: Session, /, status: str | None, destination: str | None, output_format: Format | None, limit: int
) -> None:
    """List deliveries, newest first."""
    from storage.state import outbox

    with session.database() as database, database.connect() as connection:
        found = outbox.recent(connection, limit=limit + 1, status=status, destination=destination)
        items = [_as_json(connection, delivery) for delivery in found]
    now = session.clock.now()
    columns = (
        Column("TIME", lambda item: utc(parsed(item["created_at"]))),
        Column("DESTINATION", lambda item: item["destination"]),
        Column("TYPE", lambda item: item["type"]),
        Column("STATUS", lambda item: item["status"], lambda item: _STYLES.get(item["status"], "")),
        Column("TRIES", lambda item: str(item["attempts"])),
        Column("AGE", lambda item: ago(parsed(item["created_at"]) or now, now)),
        Column("ID", lambda item: item["id"]),
    )
    show_list(output_format, within(limit, items), columns, Column("LAST ATTEMPT", _last, wrap=True))
    if not items:
        note("No deliveries.")


@deliveries.command()
@click.argument("which", metavar="ID|DESTINATION")
@json_option
@pass_session
def retry(session: Session, /, which: str, as_json: bool) -> None:
    """Send again what was given up: one delivery, or all of a destination."""
    from storage.state import outbox

    with session.database() as database, database.begin() as connection:
        count = outbox.retry_dead(connection, which, now=session.clock.now())
    if as_json:
        write_json({"retried": count})
    else:
        note(f"{count} {'delivery is' if count == 1 else 'deliveries are'} due again.")


def _as_json(connection: "Connection", delivery: "Delivery") -> dict[str, Any]:
    from storage.state import outbox

    tries = outbox.tried(connection, delivery.id)
    return {
        "id": delivery.id,
        "destination": delivery.destination,
        "type": delivery.type,
        "alert": delivery.alert_id,
        "revision": delivery.revision,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "created_at": delivery.created_at.isoformat(),
        "not_before": delivery.not_before.isoformat(),
        "finished_at": delivery.finished_at.isoformat() if delivery.finished_at else None,
        "last_attempt": {
            "at": tries[-1].at.isoformat(),
            "outcome": tries[-1].outcome,
            "status_code": tries[-1].status_code,
            "detail": tries[-1].detail,
        }
        if tries
        else None,
    }


def _last(item: Any) -> str:
    last = item["last_attempt"] or {}
    code, detail = str(last.get("status_code") or ""), str(last.get("detail") or "")
    return (detail if code in detail else f"{code} {detail}").strip() or "-"
