"""`acrwatch alerts ack|assign|comment|close|reopen`: what people do to alerts."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from acrwatch.cli.actor import by_option
from acrwatch.cli.failure import tell
from acrwatch.cli.output import Column, json_option, note, show_list, write_json
from acrwatch.cli.session import Session, pass_session
from acrwatch.core.errors import AcrWatchError
from acrwatch.core.verdict import VERDICTS, verdict_named

if TYPE_CHECKING:
    from detections.triage import Hand
    from storage.state.alerts import Alert

F = TypeVar("F", bound=Callable[..., Any])

_COLUMNS: Final = (
    Column("ID", lambda item: item["id"]),
    Column("STATUS", lambda item: ", ".join(filter(None, (item["status"], item["close_reason"])))),
    Column("ASSIGNEE", lambda item: item["assignee"] or "-"),
    Column("REVISION", lambda item: str(item["revision"])),
    Column("RULE", lambda item: item["rule"]),
)


def _common(command: F) -> F:
    """Add the ids and options that every change of alerts takes."""
    command = json_option(by_option(command))
    command = click.option(
        "--revision",
        type=click.IntRange(min=1),
        help="Only if the alert is still at this revision: that nobody changed it since you read it.",
    )(command)
    return click.argument("alert_ids", nargs=-1, required=True, metavar="ID...")(command)


_COMMENT = click.option(
    "--comment", metavar="TEXT", help="What you found; kept in the history and told to destinations."
)


@click.command()
@_common
@pass_session
def ack(session: Session, /, alert_ids: tuple[str, ...], revision: int | None, by: str, as_json: bool) -> None:
    """Take note of alerts: they become active, and the time is kept."""
    _each(session, alert_ids, revision, by, lambda hand, alert: hand.acknowledge(alert), as_json=as_json)


@click.command()
@click.option("--to", "assignee", metavar="NAME", help="Whom to give them to. Default: yourself.")
@click.option("--nobody", is_flag=True, help="Take them from whoever has them.")
@_common
@pass_session
def assign(
    session: Session,
    /,
    alert_ids: tuple[str, ...],
    assignee: str | None,
    nobody: bool,
    revision: int | None,
    by: str,
    as_json: bool,
) -> None:
    """Give alerts to somebody; without --to to yourself. Their status stays: `ack` says that somebody has looked."""
    if nobody and assignee is not None:
        raise click.UsageError("--to and --nobody contradict each other")
    to = None if nobody else assignee or by
    _each(session, alert_ids, revision, by, lambda hand, alert: hand.assign(alert, to), as_json=as_json)


@click.command()
@click.option("--comment", metavar="TEXT", required=True, help="What you found.")
@_common
@pass_session
def comment(
    session: Session, /, alert_ids: tuple[str, ...], comment: str, revision: int | None, by: str, as_json: bool
) -> None:
    """Add a comment to the history of alerts."""
    _each(session, alert_ids, revision, by, lambda hand, alert: hand.comment(alert, comment), as_json=as_json)


def _verdict_help() -> str:
    meanings = "; ".join(f"{one.name}: {one.meaning}" for one in VERDICTS.values())
    return f"One of these, or an unambiguous beginning. {meanings}."


@click.command()
@click.option("--verdict", required=True, metavar="VERDICT", help=_verdict_help())
@_COMMENT
@click.option("--of", "duplicate_of", metavar="ID", help="With the verdict duplicate: the alert that it repeats.")
@_common
@pass_session
def close(
    session: Session,
    /,
    alert_ids: tuple[str, ...],
    verdict: str,
    comment: str | None,
    duplicate_of: str | None,
    revision: int | None,
    by: str,
    as_json: bool,
) -> None:
    """Close alerts with a verdict; for those that a person closed before, change the verdict.

    Events up to the close that come to light later are added to the closed alert, which is then marked; later ones
    open a new alert. A rule that judges whole days takes all events of the day of the close for earlier ones.
    """
    meant = verdict_named(verdict)

    def closed(hand: "Hand", alert: "Alert") -> "Alert":
        other = hand.take(duplicate_of) if duplicate_of else None
        return hand.close(alert, meant, comment, duplicate_of=other)

    _each(session, alert_ids, revision, by, closed, as_json=as_json)


@click.command()
@_COMMENT
@_common
@pass_session
def reopen(
    session: Session, /, alert_ids: tuple[str, ...], comment: str | None, revision: int | None, by: str, as_json: bool
) -> None:
    """Take back the verdict on alerts that a person closed: they are active again."""
    _each(session, alert_ids, revision, by, lambda hand, alert: hand.reopen(alert, comment), as_json=as_json)


COMMANDS: Final = (ack, assign, comment, close, reopen)


def _each(
    session: Session,
    alert_ids: tuple[str, ...],
    revision: int | None,
    by: str,
    change: "Callable[[Hand, Alert], Alert]",
    *,
    as_json: bool,
) -> None:
    """Change each alert in a transaction of its own, show what became of it, and end with the worst that happened."""
    from detections.notices import Publishing
    from detections.triage import Hand
    from storage.state import alerts as store

    if revision is not None and len(alert_ids) > 1:
        raise click.UsageError("--revision goes with one alert")
    publishing = Publishing(tuple(one.name for one in session.config.destinations))
    done: list[dict[str, Any]] = []
    codes = [0]
    with session.database() as database:
        for alert_id in dict.fromkeys(alert_ids):
            try:
                with database.begin() as connection:
                    hand = Hand(connection, by, session.clock.now(), publishing)
                    taken = hand.take(alert_id, revision)
                    changed = change(hand, taken)
            except AcrWatchError as error:  # one that cannot be changed does not keep the others from it
                codes.append(tell(error, as_json=as_json))
                continue
            done.append(store.as_json(changed))
            if changed is taken:
                note(f"Alert {taken.id} is so already; nothing was changed.")
    if as_json:
        write_json(done)
    else:
        show_list(None, done, _COLUMNS)
    click.get_current_context().exit(max(codes))
