"""`acrwatch run`, `detect` and `deliver`: the stages after ingest, together or each by itself."""

import dataclasses
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeVar

import click

from acrwatch.cli.output import json_option, note, write_json
from acrwatch.cli.session import Session, pass_session
from acrwatch.cli.turns import repeat
from acrwatch.core.wording import counted

if TYPE_CHECKING:
    from detections.engine import Passed
    from scheduler import Parts

_T = TypeVar("_T")
# What the list of alerts leaves out unless an option asks for it: how it is called, and the option.
_UNLISTED: Final = {
    "building-block": ("building block", "building blocks", "--building-blocks"),
    "staged": ("staged one", "staged ones", "--staged"),
    "suppressed": ("suppressed one", "suppressed ones", "--suppressed"),
    "historical": ("historical one", "historical ones", "--all"),
    "withdrawn": ("merged or withdrawn since", "merged or withdrawn since", "--all"),
}
_ONCE = click.option("--once", is_flag=True, help="Do what is due now, print counts, and end.")


@click.command()
@pass_session
def run(session: Session) -> None:
    """Ingest, detect and deliver until stopped.

    SIGTERM and Ctrl-C end it in order: the commit and the pass under way finish first.
    """
    from scheduler import Service

    if not session.config.sources:
        note("No sources are configured: nothing new will arrive. `acrwatch init` shows how to write one.")
    with session.parts() as parts:
        Service(parts).run_until_signal()


@click.command()
@_ONCE
@json_option
@click.pass_context
def detect(ctx: click.Context, once: bool, as_json: bool) -> None:
    """Judge new events by the rules.

    Alerts found are no failure; a detection that fails, or a rule file that is broken, is, and ends --once with 1.
    """
    session: Session = ctx.obj
    with session.parts() as parts:
        if once:
            ctx.exit(_detect_once(parts, as_json=as_json))
        repeat(_reported(parts, "detect", _turn(parts)), session.config.detections.every)


@click.command()
@_ONCE
@json_option
@pass_session
def deliver(session: Session, once: bool, as_json: bool) -> None:
    """Send what waits in the outbox to its destinations."""
    from scheduler import DELIVER_EVERY

    with session.parts() as parts:
        turn = _reported(parts, "deliver", parts.deliver)
        if not once:
            repeat(turn, DELIVER_EVERY)
            return
        summary = last = turn()
        while last.sent or last.dead:  # slow destinations take several turns
            last = turn()
            summary += last
    if as_json:
        write_json(dataclasses.asdict(summary))
    else:
        note(f"{summary.sent} sent, {summary.retried} to be tried again, {summary.dead} given up.")


def _reported(parts: "Parts", job: str, work: Callable[[], _T]) -> Callable[[], _T]:
    """Return the work as one that leaves an incident when it fails, as the same job of `acrwatch run` does."""
    reports = parts.reports([job])

    def turn() -> _T:
        with reports.turn(job):
            return work()

    return turn


def _turn(parts: "Parts") -> "Callable[[], Passed]":
    """Return the work of one turn: the rules as they are now over all that is new."""
    engine = parts.engine()

    def turn() -> "Passed":
        parts.refresh_rules()
        return engine.run_until_done()

    return turn


def _detect_once(parts: "Parts", *, as_json: bool) -> int:
    started = parts.clock.now()
    passed = _reported(parts, "detect", _turn(parts))()
    broken = [str(mistake) for mistake in parts.rulebook.latest.mistakes]
    if as_json:
        counts = {"new_events": passed.new_events, "alerts_created": passed.created, "alerts_updated": passed.updated}
        write_json({**counts, "failed": list(passed.failed), "broken_rules": broken})
    else:
        created = counted(passed.created, "alert")
        note(f"{counted(passed.new_events, 'event')} judged: {created} created, {passed.updated} changed.")
        if passed.created:
            _tell_unlisted(parts, started)
    for slug in passed.failed:
        note(f"Detection {slug} failed; see the log. It tries the same events again.")
    for line in broken:
        note(f"Not in use: {line}")
    return 1 if passed.failed or broken else 0


def _tell_unlisted(parts: "Parts", since: datetime) -> None:
    """Say which of the alerts created since a moment the list does not show, or the count would seem wrong."""
    from storage.state import alerts

    with parts.database.connect() as connection:
        found = alerts.unlisted(connection, since=since)
    said = [
        f"{counted(found[why], one, more)} ({option})" for why, (one, more, option) in _UNLISTED.items() if why in found
    ]
    if said:
        note(f"Of these `acrwatch alerts list` leaves out {', '.join(said)}.")
