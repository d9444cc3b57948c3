"""`acrwatch incidents`: what makes acrwatch blind, when that ends, and a person's word that it has been seen."""

import dataclasses
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from acrwatch.cli.output import Column, Format, list_options, note, show_list, within
from acrwatch.cli.session import Session, pass_session
from acrwatch.cli.times import ago, parsed, utc
from acrwatch.core.errors import ConfigError
from acrwatch.core.wording import counted

if TYPE_CHECKING:
    from storage.state.incidents import Incident


@click.group()
def incidents() -> None:
    """List and acknowledge what makes acrwatch blind."""


@incidents.command("list")
@click.option("--all", "everything", is_flag=True, help="Those that are over, too.")
@list_options
@pass_session
def list_(session: Session, /, everything: bool, output_format: Format | None, limit: int) -> None:
    """List what is wrong at present, longest first; with --all what was, too, what was seen last first."""
    from storage.state import incidents as store

    now = session.clock.now()
    with session.database() as database, database.connect() as connection:
        found = (
            store.recent(connection, limit=limit + 1)
            if everything
            else [one for one in store.current(connection) if not one.aged(now)]
        )
    columns = (
        Column("SINCE", lambda item: utc(parsed(item["since"]))),
        Column("LAST SEEN", lambda item: ago(parsed(item["last_seen"]) or now, now)),
        Column("TIMES", lambda item: str(item["occurrences"])),
        Column("OVER", lambda item: utc(parsed(item["over_at"]))),
        Column("KEY", lambda item: item["key"]),
    )
    shown = within(limit, [_as_json(one, now) for one in found])
    show_list(output_format, shown, columns, Column("WHAT, AND WHEN IT ENDS", _sentence, wrap=True))
    if not shown:
        note("No incidents." if everything else "No incidents are open.")


@incidents.command()
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@pass_session
def ack(session: Session, /, keys: tuple[str, ...]) -> None:
    """Put incidents away that you have taken note of; their alerts close as acknowledged.

    For gaps, which nothing else ends before they are 7 days old, and for failures of what is no longer configured. A
    failure that goes on opens its incident anew.
    """
    from detections.blindness import acknowledge
    from detections.notices import Publishing
    from storage.state import incidents as store

    publishing = Publishing(tuple(one.name for one in session.config.destinations))
    now = session.clock.now()
    with session.database() as database, database.begin() as connection:
        found = [store.get(connection, key) for key in keys]
        for one in found:
            _refuse_what_ends_by_itself(one)
        still = [one for one in found if one.resolved_at is None]
        for one in still:
            acknowledge(connection, one, publishing, now=now)
    note(f"{counted(len(still), 'incident')} acknowledged; `acrwatch incidents list --all` still shows them.")


def _refuse_what_ends_by_itself(one: "Incident") -> None:
    from storage.state.incidents import kind_of

    kind = kind_of(one.kind)
    if not kind.by_person:
        raise ConfigError(
            f"incident {one.key!r} cannot be acknowledged: it ends by itself when {kind.ends}", remedy=one.remedy
        )


def _as_json(one: "Incident", now: datetime) -> dict[str, Any]:
    """Return one incident as the API shows it; `over_at` is null while it is open."""
    from storage.state.incidents import kind_of

    kind = kind_of(one.kind)
    over = one.resolved_at or (one.last_seen + kind.lasts if kind.lasts is not None and one.aged(now) else None)
    found = dataclasses.asdict(one)
    del found["resolved_at"]
    return {
        name: value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
        for name, value in {**found, "over_at": over, "ends_when": kind.ends}.items()
    }


def _sentence(item: Any) -> str:
    remedy = f" {item['remedy'].rstrip('.')}." if item["remedy"] else ""
    return f"{item['message'].rstrip('.')}.{remedy} It ends when {item['ends_when']}."
