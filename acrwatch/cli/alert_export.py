"""`acrwatch alerts export`: alerts for other programs, as many as there are."""

from pathlib import Path

import click

from acrwatch.cli.alert_filters import Filters, filter_options
from acrwatch.cli.exporting import CSV, JSON, JSONL, format_options, refuse_two_formats, write_parquet, write_rows
from acrwatch.cli.health import health_lines
from acrwatch.cli.output import Format, note, show_list
from acrwatch.cli.session import Session, pass_session
from acrwatch.core.wording import counted


@click.command()
@filter_options
@click.option("--limit", type=click.IntRange(min=1), help="At most this many, the newest. Default: all.")
@format_options
@pass_session
def export(
    session: Session, /, filters: Filters, limit: int | None, output_format: str | None, parquet: Path | None
) -> None:
    """Write alerts, newest first: CSV unless another format is asked for.

    Filters are those of the list, and so is what is left out unless asked for: historical alerts, those set apart
    (suppressed, staged, building blocks), and those merged or withdrawn.

    JSON has each alert as webhooks and `acrwatch alerts list --json` have it; CSV and Parquet have one row for each,
    with the columns in docs/columns.md. In CSV a list is one cell, and a text that a spreadsheet would take for a
    formula begins with an apostrophe.
    """
    from storage.alert_table import alert_table
    from storage.state.alerts import as_json

    refuse_two_formats(output_format, parquet)
    with session.database() as database, database.connect() as connection:
        found = filters.find(session, connection, limit=None if limit is None else limit + 1)
        hidden = filters.hidden(connection)
        health = health_lines(session, connection)
    more = limit is not None and len(found) > limit
    found = found[:limit]
    if parquet is not None:
        write_parquet(alert_table(found), parquet)
    elif output_format in (JSON, JSONL):
        show_list(Format(output_format), [as_json(alert) for alert in found], ())
    else:
        write_rows(alert_table(found), CSV)
    where = f"{parquet}: " if parquet else ""
    note(f"{where}{counted(len(found), 'alert')}{', there are more; --limit takes more' if more else ''}.")
    if hidden:
        note(hidden)
    for line in health:
        note(line)
