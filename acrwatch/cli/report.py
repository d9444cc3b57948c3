"""`acrwatch report`: a shift, or one alert and what lies around it, as one HTML file."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from acrwatch import __version__
from acrwatch.cli.output import note, write_text
from acrwatch.cli.session import Session, pass_session
from acrwatch.cli.times import moment_of, utc
from acrwatch.cli.trying import stored
from acrwatch.core.errors import ConfigError
from acrwatch.core.wording import counted

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from acrwatch.report.scope import Scope
    from detections.detection import Metadata
    from storage.lake.snapshot import Snapshot
    from storage.query import Reader
    from storage.state.alerts import Alert
    from storage.state.database import Database

_SHIFT: Final = timedelta(hours=8)
_AROUND: Final = (
    "This alert and what lies around it: two hours before and after, or as long as the alert itself lasted if that is "
    "longer."
)


@click.command()
@click.option("--from", "since", metavar="TIME|SPAN", help="Where it begins: a time, or a span before --to such as 8h.")
@click.option("--to", "until", metavar="TIME|SPAN", help="Where it ends: a time, or a span before now. Default: now.")
@click.option(
    "--html",
    "path",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    required=True,
    help="The file to write; - is stdout. One that is there is replaced.",
)
@click.option("--registry", "registries", multiple=True, metavar="NAME", help="Only this registry; repeatable.")
@click.option("--rule", "rules", multiple=True, metavar="SLUG", help="Only alerts of this rule; repeatable.")
@click.option("--alert", "alert_id", metavar="ID", help=_AROUND)
@pass_session
def report(
    session: Session,
    /,
    since: str | None,
    until: str | None,
    path: Path,
    registries: tuple[str, ...],
    rules: tuple[str, ...],
    alert_id: str | None,
) -> None:
    """Write a shift, or one alert and what lies around it, as HTML.

    A shift is the last 8 hours unless told otherwise. The file needs nothing else to be read: no network, no script.
    Alerts stand in it as they are now; what could not be seen in that time is said first. Needs the extra `charts`.
    """
    from acrwatch.report.drawing import require_charts
    from storage.query import Reader
    from storage.state import alerts as store

    if alert_id is not None and (rules or registries):
        raise click.UsageError("--alert goes without --registry and --rule")
    require_charts()
    now = session.clock.now()
    with session.database() as database, database.connect() as connection, Reader(stored(session)) as reader:
        if alert_id is None:
            scope = _span(since, until, now, registries, _known(session, connection, rules))
            _refuse_unknown(session, scope.registries, reader.snapshot, database)
            page, alerts = _shift(session, connection, reader, scope, now)
            said = f"{counted(len(alerts), 'alert')} from {utc(scope.since)} to {utc(scope.until)}"
        else:
            alert = store.get(connection, alert_id)
            page = _around(session, connection, reader, alert, since, until, now)
            said = f"Alert {alert.id}"
    _write(path, page)
    note(f"{said}: {'written to stdout' if str(path) == '-' else path}")


def _span(
    since: str | None, until: str | None, now: datetime, registries: tuple[str, ...], rules: tuple[str, ...]
) -> "Scope":
    from acrwatch.choosing import registry_names
    from acrwatch.report.scope import Scope

    end = moment_of(until, now, "--to") if until else now
    begin = moment_of(since, end, "--from") if since else end - _SHIFT
    return Scope(begin, end, registry_names(registries), rules)


def _refuse_unknown(session: Session, registries: "Sequence[str]", snapshot: "Snapshot", database: "Database") -> None:
    """Raise NotFoundError for a registry that nobody ever heard of: its page would look like peace."""
    from acrwatch.known_names import unknown_registry

    stranger = unknown_registry(registries, session.config.registries, snapshot, database)
    if stranger is not None:
        raise stranger


def _known(session: Session, connection: "Connection", rules: tuple[str, ...]) -> tuple[str, ...]:
    """Return these rules; each has alerts or is in use. Raises NotFoundError for a word that is no rule."""
    from acrwatch.cli.rules import refuse_unknown
    from storage.state import alerts as store

    for rule in rules:
        if not store.find(connection, rule=rule, include_withdrawn=True, limit=1):
            refuse_unknown(session, rule)
    return rules


def _shift(
    session: Session, connection: "Connection", reader: "Reader", scope: "Scope", now: datetime
) -> "tuple[str, list[Alert]]":
    from acrwatch.report import shift
    from acrwatch.report.page import shift_page

    config = session.config
    found = shift.gather(
        connection,
        reader,
        scope,
        now=now,
        lateness=config.detections.lateness,
        keep=config.store.state_retention,
        judging=session.judging(connection),
    )
    return shift_page(found, _rules(session, found.alerts), _versions()), found.standing


def _around(
    session: Session,
    connection: "Connection",
    reader: "Reader",
    alert: "Alert",
    since: str | None,
    until: str | None,
    now: datetime,
) -> str:
    from acrwatch.report import around
    from acrwatch.report.page import alert_page
    from acrwatch.report.scope import Scope

    begin, end = around.span_around(alert)
    end = moment_of(until, now, "--to") if until else min(end, now)
    scope = Scope(moment_of(since, end, "--from") if since else begin, end)
    config = session.config
    found = around.gather(
        connection,
        reader,
        alert,
        scope,
        now=now,
        lateness=config.detections.lateness,
        keep=config.store.state_retention,
        judging=session.judging(connection),
    )
    return alert_page(found, _rules(session, [alert, *found.related]), _versions())


def _rules(session: Session, alerts: "Iterable[Alert]") -> "dict[str, Metadata]":
    """Return what the rules behind these alerts say of themselves, those that are installed still."""
    from acrwatch.cli.rules import installed

    found = {slug: installed(session, slug) for slug in {alert.rule for alert in alerts}}
    return {slug: metadata for slug, metadata in found.items() if metadata is not None}


def _versions() -> dict[str, str]:
    import platform

    return {"acrwatch": __version__, "Python": platform.python_version()}


def _write(path: Path, page: str) -> None:
    """Write the page whole or not at all: a report half written must not stand where a whole one stood."""
    if str(path) == "-":
        write_text(page)
        return
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        beside.write_text(page, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ConfigError(
            f"cannot write {path}: {error.strerror}", remedy="Give --html a file that can be written"
        ) from error
