"""`acrwatch backfill`: history that Azure keeps elsewhere. Another road is one line in the table."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import click

from acrwatch.cli.lazy import Entry, LazyGroup
from acrwatch.cli.times import moment_of, utc
from acrwatch.core.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])

ROADS: Final = {
    "log-analytics": Entry("acrwatch.cli.backfill_log_analytics:log_analytics", "From Log Analytics workspaces."),
    "archive": Entry("acrwatch.cli.backfill_archive:archive", "From a storage account."),
}


@click.group(cls=LazyGroup, entries=ROADS)
def backfill() -> None:
    """Bring history that Azure keeps elsewhere.

    What is known already, by whatever road, is stored once. A backfill that was interrupted goes on where it was. Its
    alerts are historical, listed and never delivered, unless --alert.
    """


def stretch_options(*, required: bool) -> Callable[[F], F]:
    """Return what adds what every road is told: from when (`required`, or from the first there is), up to when, and
    whether its alerts are told."""
    otherwise = "" if required else " Default: the first there is."
    since = f"A date, a time, or a span ago: 30d.{otherwise}"

    def decorate(command: F) -> F:
        for option in reversed((
            click.option("--from", "since", metavar="TIME|SPAN", required=required, help=since),
            click.option("--to", "until", metavar="TIME|SPAN", help="Up to when, not included. Default: now."),
            click.option("--alert", is_flag=True, help="Deliver its alerts, as if it happened now."),
        )):  # fmt: skip
            command = option(command)
        return command

    return decorate


def stretch_of(since: str, until: str | None, now: datetime) -> tuple[datetime, datetime]:
    """Return both ends of the stretch of time that these options mean. Raises ConfigError."""
    begin = moment(since, now, "--from")
    end = now if until is None else min(moment(until, now, "--to"), now)
    if begin >= end:
        raise ConfigError(f"--from ({utc(begin)}) is not before --to ({utc(end)}), which is now at the latest")
    return begin, end


def moment(written: str, now: datetime, option: str) -> datetime:
    """Return what an option says: a date, a time, or a span ago. Raises ConfigError that names the option."""
    try:
        return datetime.strptime(written, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return moment_of(written, now, option)
