"""`acrwatch suppressions`: what people do not want to be told of, for how long, and why."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from acrwatch.cli.actor import by_option
from acrwatch.cli.output import Column, Format, json_option, list_options, note, show_list, within, write_json
from acrwatch.cli.session import Session, pass_session
from acrwatch.cli.times import parsed, utc
from acrwatch.core.setting import duration, moment
from acrwatch.core.wording import counted

if TYPE_CHECKING:
    from detections.suppressing import Preview
    from storage.state.suppressions import Suppression

F = TypeVar("F", bound=Callable[..., Any])

_PREVIEWED: Final = 30
_STATE_STYLE: Final = {"active": "bold", "expired": "dim", "ended": "dim"}
_COLUMNS: Final = (
    Column("ID", lambda item: str(item["id"])),
    Column("STATE", lambda item: item["state"], lambda item: _STATE_STYLE.get(item["state"], "")),
    Column("FROM", lambda item: utc(parsed(item["starts_at"]))),
    Column("UNTIL", lambda item: utc(parsed(item["ended_at"] or item["expires_at"]))),
    Column("OWNER", lambda item: item["owner"]),
    Column("HIDDEN", lambda item: f"{counted(item['alerts'], 'alert')}, {counted(item['events'], 'event')}"),
    Column("WHAT", lambda item: item["what"], wrap=True),
)


@click.group()
def suppressions() -> None:
    """Say what need not be told, how long, and why."""


def _conditions(command: F) -> F:
    """Add what a suppression may ask for; all that is given must hold."""
    for name, metavar, says in reversed((
        ("--rule", "SLUG", "Only alerts of this rule. Default: any."),
        ("--registry", "NAME", "Only events on this registry."),
        ("--identity", "NAME", "Only events by this identity; upper and lower case are the same."),
        ("--ip", "ADDRESS|RANGE", "Only events from this address or network."),
        ("--repository", "NAME", "Only events on this repository; * stands for anything."),
        ("--digest", "DIGEST", "Only events on this digest."),
    )):  # fmt: skip
        field = "network" if name == "--ip" else name.removeprefix("--")
        command = click.option(name, field, metavar=metavar, help=says)(command)
    return command


@suppressions.command()
@_conditions
@click.option("--reason", metavar="TEXT", required=True, help="What is expected to happen, and who said so.")
@click.option("--owner", metavar="NAME", help="Who answers for it. Default: you.")
@click.option("--start", metavar="TIME", help="Events from this time on, which may lie in the past. Default: now.")
@click.option(
    "--expires", metavar="TIME|SPAN", default="30d", show_default=True, help="A time, or a span after the start."
)
@by_option
@json_option
@pass_session
def add(
    session: Session,
    /,
    reason: str,
    owner: str | None,
    start: str | None,
    expires: str,
    by: str,
    as_json: bool,
    **conditions: str | None,
) -> None:
    """Suppress what meets all of these conditions, by the time at which it happened.

    An event within the span is suppressed however late it arrives. What is suppressed is recorded (alerts list
    --suppressed) and counted, and not delivered. Alerts that were told before stay as they are.
    """
    from detections.suppressing import preview as previewed
    from storage.state import suppressions as store

    draft = _draft(session, conditions, owner=owner or by, reason=reason, start=start, expires=expires, by=by)
    now = session.clock.now()
    with session.database() as database, database.begin() as connection:
        made = store.add(connection, draft)
        found = previewed(connection, made, since=now - timedelta(days=_PREVIEWED))
    if as_json:
        write_json(_as_json(made, now))
    else:
        show_list(None, [_as_json(made, now)], _COLUMNS)
    note(_would_have(found, _PREVIEWED))


@suppressions.command("list")
@click.option("--all", "everything", is_flag=True, help="Those that are over, too.")
@list_options
@pass_session
def list_(session: Session, /, everything: bool, output_format: Format | None, limit: int) -> None:
    """List suppressions, newest first, with what each has hidden."""
    from storage.state import alerts
    from storage.state import suppressions as store

    now = session.clock.now()
    with session.database() as database, database.connect() as connection:
        found = store.recent(connection, limit=limit + 1, over_since=None if everything else now)
        hidden = alerts.hidden_by(connection)
    shown = within(limit, [_as_json(one, now, hidden.get(one.id, (0, 0))) for one in found])
    show_list(output_format, shown, _COLUMNS, Column("REASON", lambda item: item["reason"], wrap=True))
    if not shown:
        note("No suppressions." if everything else "No suppression is in force or to come; --all shows earlier ones.")


@suppressions.command()
@click.argument("number", metavar="ID", type=int)
@by_option
@pass_session
def end(session: Session, /, number: int, by: str) -> None:
    """End a suppression for events from now on. What it has hidden stays hidden, late events of its time too."""
    from detections.triage import named
    from storage.state import suppressions as store

    now = session.clock.now()
    with session.database() as database, database.begin() as connection:
        done = store.end(connection, store.get(connection, number), by=named(by), now=now)
    note(f"Suppression {done.id} holds for events before {utc(done.end)}, and for none after.")


@suppressions.command()
@_conditions
@click.option(
    "--days", type=click.IntRange(1, 366), default=_PREVIEWED, show_default=True, help="How far to look back."
)
@list_options
@pass_session
def preview(session: Session, /, days: int, output_format: Format | None, limit: int, **conditions: str | None) -> None:
    """List the standing alerts of the last days that such a suppression would have hidden. Changes nothing."""
    from detections.suppressing import preview as previewed
    from storage.state.alerts import as_json

    draft = _draft(session, conditions, owner="preview", reason="preview", start=None, expires="30d", by="preview")
    with session.database() as database, database.connect() as connection:
        found = previewed(connection, draft, since=session.clock.now() - timedelta(days=days))
    columns = (
        Column("LAST SEEN", lambda item: utc(parsed(item["last_seen"]))),
        Column("STATUS", lambda item: ", ".join(filter(None, (item["status"], item["close_reason"])))),
        Column("RULE", lambda item: item["rule"]),
        Column("ID", lambda item: item["id"]),
    )
    shown = within(limit, [as_json(alert) for alert in found.hidden])
    show_list(output_format, shown, columns, Column("REASON", lambda item: item["reason"], wrap=True))
    note(_would_have(found, days))


def _draft(
    session: Session,
    conditions: Mapping[str, str | None],
    *,
    owner: str,
    reason: str,
    start: str | None,
    expires: str,
    by: str,
) -> "Suppression":
    from acrwatch.cli.rules import known
    from detections import risk
    from detections.suppressing import drafted

    if (rule := conditions.get("rule")) is not None and rule != risk.SLUG:
        known(session, rule)  # what acrwatch says of itself cannot be suppressed: it would be blind and not know it
    now = session.clock.now()
    begins = _moment(start, now) if start else now
    return drafted(
        conditions, owner=owner, reason=reason, starts_at=begins, expires_at=_moment(expires, begins), by=by, now=now
    )


def _moment(text: str, after: datetime) -> datetime:
    """Return an ISO time, or a span after a moment. Raises UsageError."""
    try:
        return after + duration(text)
    except ValueError:
        pass
    try:
        return moment(text)
    except ValueError as error:
        raise click.UsageError(f"{text!r}: {error}, or a span such as 8h or 30d") from error


def _would_have(found: "Preview", days: int) -> str:
    number = len(found.hidden)
    rules = ", ".join(f"{count} of {rule}" for rule, count in found.by_rule.items())
    span = "day" if days == 1 else f"{days} days"
    said = f"Of the last {span} it would have hidden {counted(number, 'alert')}{f' ({rules})' if rules else ''}"
    if found.partly:
        said += f", and a part of {len(found.partly)} more, which would still have been told"
    if found.true:
        said += f". CAREFUL: {found.true} of them {'was' if found.true == 1 else 'were'} closed as true positive"
    return said + "."


def _as_json(one: "Suppression", now: datetime, hidden: tuple[int, int] = (0, 0)) -> Mapping[str, Any]:
    from detections.suppressing import spoken
    from storage.state.suppressions import as_json

    return {**as_json(one, now=now, hidden=hidden), "what": spoken(one)}
