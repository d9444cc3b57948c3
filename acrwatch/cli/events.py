"""`acrwatch events`: people's SQL over what is stored, and the newest events as they come."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from acrwatch.cli.exporting import JSONL, format_options, refuse_two_formats, said, write_parquet, write_rows
from acrwatch.cli.output import DEFAULT_LIMIT, Column, note, render, table, write_text
from acrwatch.cli.session import Session, pass_session
from acrwatch.cli.times import moment_of, parsed, utc
from acrwatch.cli.turns import stopped_by_signal
from acrwatch.core.log import printable
from acrwatch.core.wording import counted, image

if TYPE_CHECKING:
    import pyarrow as pa

    from acrwatch.core.errors import NotFoundError
    from storage.following import Follower

# Longer texts are wrapped on a terminal.
_LONG: Final = 32
_LOOK_EVERY: Final = timedelta(seconds=1)
_SHOWN: Final = (
    "event_time", "registry", "identity", "caller_ip", "operation", "status_code", "repository", "tag", "digest",
    "user_agent",
)  # fmt: skip


@click.group()
def events() -> None:
    """Query stored events by SQL, and watch new ones come."""


@events.command()
@click.argument("sql")
@click.option("--since", metavar="SPAN|TIME", help="Only events from then on: 7d, or 2026-11-22T00:00:00Z.")
@click.option("--until", metavar="SPAN|TIME", help="Only events before then.")
@click.option("--timeout", "seconds", type=click.FloatRange(min=0.1), default=60, show_default=True,
              help="Seconds that it may take.")  # fmt: skip
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help=f"At most this many rows. Default: {DEFAULT_LIMIT} of a table, else all.",
)
@format_options
@pass_session
def query(
    session: Session,
    /,
    sql: str,
    since: str | None,
    until: str | None,
    seconds: float,
    limit: int | None,
    output_format: str | None,
    parquet: Path | None,
) -> None:
    """Run one SELECT, in DuckDB's SQL, over `events`, `activity` (the control plane) and `alerts`.

    The columns stand in docs/columns.md. A query reads these relations and nothing else: no file, no network, no
    setting. Of a long history ask for less by --since: then only the files of those dates are opened.

    \b
    acrwatch events query "SELECT identity, count(*) AS n FROM events WHERE operation = 'delete' GROUP BY ALL"
    """
    from storage import sandbox
    from storage.lake.reading import read_snapshot

    refuse_two_formats(output_format, parquet)
    now = session.clock.now()
    begin = moment_of(since, now, "--since") if since else None
    end = moment_of(until, now, "--until") if until else None
    as_table = output_format is None and parquet is None
    rows = limit or (DEFAULT_LIMIT if as_table else None)
    snapshot = read_snapshot(session.config.store.path)
    limits = sandbox.Limits(rows, seconds)
    relations = {sandbox.ALERTS_RELATION: lambda: _alerts(session)}
    answer = sandbox.ask(snapshot, sql, since=begin, until=end, relations=relations, limits=limits)
    if parquet is not None:
        write_parquet(answer.rows, parquet)
        note(f"{parquet}: {counted(answer.rows.num_rows, 'row')}.")
    elif output_format is not None:
        write_rows(answer.rows, output_format)
    else:
        _show(answer.rows)
    if answer.more:
        more = "there are more" if answer.more < 0 else f"{answer.more:,} more are left out"
        note(f"Only the first {rows} are shown, {more}; --limit shows more.")


def _alerts(session: Session) -> "pa.Table":
    """Return the alerts that stand. Raises NotFoundError where there is no state database."""
    from storage.alert_table import alert_table
    from storage.state import alerts

    with session.database() as database, database.connect() as connection:
        return alert_table(alerts.find(connection))


def _show(rows: "pa.Table") -> None:
    if not rows.num_rows:
        note("No rows.")
        return
    columns = [_column(name, rows.column(name).to_pylist()) for name in rows.column_names]
    render(table(rows.to_pylist(), columns))


def _column(name: str, values: Iterable[Any]) -> Column:
    longest = max(len(_told(value)) for value in values)
    return Column(name, lambda row: _told(row[name]), wrap=longest > _LONG)


def _told(value: Any) -> str:
    if value is None:
        return "-"
    spoken = said(value)
    return ", ".join(map(str, spoken)) if isinstance(spoken, list) else str(spoken)


@events.command()
@click.option("-f", "--follow", is_flag=True, help="Go on with new events as they are stored, until Ctrl-C.")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Begin with so many.")
@click.option("--registry", multiple=True, metavar="NAME", help="Only of this registry; like the others, repeatable.")
@click.option("--identity", multiple=True, metavar="NAME", help="Only by this identity, as it is written.")
@click.option("--operation", multiple=True, metavar="NAME", help="Only these: login, pull, push, delete and so on.")
@click.option("--ip", multiple=True, metavar="ADDRESS|NETWORK", help="Only from there.")
@click.option("--jsonl", is_flag=True, help="Print one JSON object per line, with every column.")
@pass_session
def tail(
    session: Session,
    /,
    follow: bool,
    limit: int,
    registry: tuple[str, ...],
    identity: tuple[str, ...],
    operation: tuple[str, ...],
    ip: tuple[str, ...],
    jsonl: bool,
) -> None:
    """Print the newest events, the newest last, one line each.

    With -f it goes on: those of a commit come in order of time, after the commits before it. Events that arrive late
    are shown when they come. A registry that nothing is known of is an error, with -f a warning.
    """
    from acrwatch.choosing import COLUMNS, registry_names, selection_of
    from storage.following import Follower

    chosen = selection_of(
        registry=registry or None, operation=operation or None, identity=identity or None, ip=ip or None
    )
    follower = Follower(Path(session.config.store.path), chosen, COLUMNS if jsonl else _SHOWN)
    write = _write_jsonl if jsonl else _write_lines
    first = follower.newest(limit).rows
    absent = set(registry_names(registry)).difference(first["registry"].unique().to_pylist())
    stranger = _stranger(session, sorted(absent)) if absent else None
    if stranger is not None and not follow:
        raise stranger
    write(first)
    if stranger is not None:
        note(f"Waiting for the first event: {stranger}")
    if not follow:
        if not first.num_rows:
            note("No events.")
        return
    with stopped_by_signal() as stopping:
        follow_commits(follower, write, lambda: stopping.wait(_LOOK_EVERY.total_seconds()))


def _stranger(session: Session, registries: Iterable[str]) -> "NotFoundError | None":
    """Return what to tell of a registry that nobody ever heard of. There need not be a state database."""
    from acrwatch.known_names import unknown_registry
    from storage.lake.reading import read_snapshot
    from storage.state.database import Database

    config = session.config
    database = Database(config.store.database)
    try:
        there = database.file is None or database.file.exists()
        snapshot = read_snapshot(config.store.path)
        return unknown_registry(registries, config.registries, snapshot, database if there else None)
    finally:
        database.close()


def follow_commits(follower: "Follower", write: "Callable[[pa.Table], object]", stopped: Callable[[], bool]) -> None:
    """Write what each look finds, until `stopped`, which waits for the next look, says so."""
    while not stopped():
        found = follower.newer()
        if found is None:
            note("The log of the lake was cleaned up meanwhile: some events may not be shown. Ask for them by query.")
        elif found.num_rows:
            write(found)


def _write_jsonl(rows: "pa.Table") -> None:
    if rows.num_rows:
        write_rows(rows, JSONL)


def _write_lines(rows: "pa.Table") -> None:
    if rows.num_rows:
        write_text("\n".join(printable(_line(row)) for row in rows.to_pylist()))


def _line(event: Mapping[str, Any]) -> str:
    """Return one event on one line: time, operation and status in columns, then whom and what, parted by two blanks."""
    status = event["status_code"] if event["status_code"] is not None else "-"
    what = image(event)
    where = event["registry"] if what == "-" else f"{event['registry']}/{what}"
    words = (event["identity"], event["caller_ip"], where, event["user_agent"])
    return "  ".join(
        [utc(parsed(event["event_time"])), f"{event['operation']:<6}", f"{status:>3}", *(word or "-" for word in words)]
    )
