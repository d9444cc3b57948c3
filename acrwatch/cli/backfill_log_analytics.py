"""`acrwatch backfill log-analytics`: audit records that Log Analytics workspaces keep."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from acrwatch.cli.backfill import stretch_of, stretch_options
from acrwatch.cli.ingest import sentence
from acrwatch.cli.output import json_option, note, write_json
from acrwatch.cli.progress import bar
from acrwatch.cli.session import Session, pass_session
from acrwatch.cli.times import utc
from acrwatch.core.errors import ConfigError
from acrwatch.core.wording import counted

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

    from ingest.loganalytics.access import LogsAccess
    from ingest.pipeline import Counts
    from ingest.sources.loganalytics import History, LogAnalyticsSource
    from scheduler import Parts


@click.command("log-analytics")
@click.option(
    "--workspace", "workspaces", multiple=True, required=True, metavar="ID", help="Its customerId; repeatable."
)
@stretch_options(required=True)
@click.option("--again", is_flag=True, help="Read once more what an earlier run has read.")
@click.option("--endpoint", metavar="URL", help="Where queries go. Default: https://api.loganalytics.io.")
@click.option("--audience", metavar="URL", help="What tokens are for, if not the endpoint.")
@click.option("--credential", metavar="KIND", help="default, managed_identity, workload_identity or environment.")
@click.option("--client-id", metavar="ID", help="Of a user-assigned managed identity, or of the workload identity.")
@click.option("--connection-verify", metavar="FILE", help="PEM file of the authority to trust instead of the system's.")
@json_option
@pass_session
def log_analytics(
    session: Session,
    /,
    workspaces: tuple[str, ...],
    since: str,
    until: str | None,
    alert: bool,
    again: bool,
    as_json: bool,
    **connection: str | None,
) -> None:
    """Bring both audit tables of Log Analytics workspaces.

    Needs the role Log Analytics Reader there. An interrupted run goes on where it was when it is started again with the
    same --from, or a later one. Rows that Azure took in after their time had been read are found by the next run.
    """
    from ingest.sources.loganalytics import History

    begin, end = stretch_of(since, until, session.clock.now())
    history = History(begin, end, alert=alert, again=again)
    access = _access(workspaces, connection)
    with session.parts() as parts:
        source, counts = _read(parts, access, history)
    absent = [{"workspace": workspace, "table": table} for workspace, table in sorted(source.absent)]
    if as_json:
        stretch = {"from": begin.isoformat(), "to": end.isoformat(), "rows": source.progress.rows}
        write_json({**stretch, "absent_tables": absent, **dataclasses.asdict(counts)})
    _tell(source, counts, history)


def _tell(source: "LogAnalyticsSource", counts: "Counts", history: "History") -> None:
    rows = counted(source.progress.rows, "row")
    note(f"{rows} from {utc(history.since)} to {utc(history.until)}: {sentence(counts)}")
    for workspace, table in sorted(source.absent):
        note(
            f"Workspace {workspace} has no table {table}: no record of that category has come there, or the right to "
            "read that table is missing. The next run asks for all of it again."
        )
    if not source.progress.rows and not history.again and not source.absent:
        note("What an earlier run has read is not read again; --again does.")
    if counts.events:
        told = "told" if history.alert else "historical: listed, not delivered"
        note(f"`acrwatch detect --once` judges them now; a running service does by itself. Alerts are {told}.")


def _access(workspaces: Sequence[str], connection: dict[str, str | None]) -> "LogsAccess":
    """Return what these options mean, by the settings of a source of this kind. Raises ConfigError."""
    from ingest.loganalytics.access import from_settings, parse_workspace
    from ingest.sources.loganalytics import CONNECTION_SETTINGS

    values: dict[str, Any] = {"workspaces": tuple(_parsed("--workspace", parse_workspace, one) for one in workspaces)}
    for setting in CONNECTION_SETTINGS:
        given = connection[setting.name]
        option = f"--{setting.name.replace('_', '-')}"
        values[setting.name] = setting.default if given is None else _parsed(option, setting.parse, given)
    if (path := values["connection_verify"]) is not None:
        values["connection_verify"] = Path(path).absolute()
    return from_settings(values)


def _parsed(option: str, parse: Callable[[object], Any], given: object) -> Any:
    try:
        return parse(given)
    except ValueError as error:
        raise ConfigError(f"{option} is {given!r}: {error}") from None


def _read(parts: "Parts", access: "LogsAccess", history: "History") -> "tuple[LogAnalyticsSource, Counts]":
    from ingest.sources.loganalytics import LogAnalyticsSource
    from scheduler import BULK_COMMIT_INTERVAL

    source, pipeline = parts.reading(
        lambda opening: LogAnalyticsSource(access, opening, history=history), BULK_COMMIT_INTERVAL
    )
    with _progress_bar(source):
        return source, pipeline.run_once()


def _progress_bar(source: "LogAnalyticsSource") -> AbstractContextManager[None]:
    """Show how much of the time asked for has been read, how many rows come a second, and how long it may take."""
    started = time.monotonic()

    def columns() -> "Sequence[ProgressColumn]":
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

        words = TextColumn("{task.description}", markup=False)
        rows = TextColumn("{task.fields[rows]} rows, {task.fields[rate]}/s", markup=False)
        return words, BarColumn(), TaskProgressColumn(), rows, TimeRemainingColumn()

    def look() -> dict[str, Any]:
        seen = source.progress
        rate = seen.rows / max(time.monotonic() - started, 0.1)
        total = {"total": seen.seconds_total, "completed": seen.seconds_done}
        return {**total, "rows": f"{seen.rows:,}", "rate": f"{rate:,.0f}"}

    return bar("Backfilling", columns, look)
