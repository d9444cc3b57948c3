"""`acrwatch rules run`: one rule on history, or on a file of audit records."""

import dataclasses
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from acrwatch.cli.output import SEVERITY_STYLE, Column, Format, list_options, note, show_list, within
from acrwatch.cli.session import Session
from acrwatch.cli.times import moment_of, parsed, utc
from acrwatch.cli.trying import stored, tried, within_history
from acrwatch.core.errors import NotFoundError
from acrwatch.core.wording import counted

if TYPE_CHECKING:
    from acrwatch.core.config import Config
    from detections.backtest import Tally
    from detections.detection import Detection
    from storage.state.alerts import Alert

_DAY: Final = timedelta(days=1)
# Of no record in a file it is told when it arrived, so none is late.
_NEVER_LATE: Final = timedelta(days=36_500)
_ALERT_COLUMNS: Final = (
    Column("FIRST SEEN", lambda item: utc(parsed(item["first_seen"]))),
    Column("SEVERITY", lambda item: item["severity"], lambda item: SEVERITY_STYLE.get(item["severity"], "")),
    Column("RULE", lambda item: item["rule"]),
    Column("REGISTRIES", lambda item: ", ".join(item["registries"])),
    Column("EVENTS", lambda item: str(item["count"])),
)
# What an alert that was never opened cannot have.
_NOT_OPENED: Final = frozenset(
    {"id", "url", "status", "created_at", "updated_at", "raised_at", "closed_at", "revision"}
    | {"close_reason", "merged_into", "changed_after_close"}
)


@click.command("run")
@click.argument("files", nargs=-1, required=True, metavar="NAME|PATH...")
@click.option("--events", "records", type=click.Path(exists=True, path_type=Path), help="Audit records to run it on.")
@click.option("--since", metavar="SPAN|TIME", default="24h", show_default=True, help="Without --events: this history.")
@list_options
@click.pass_context
def run(
    ctx: click.Context,
    files: tuple[str, ...],
    records: Path | None,
    since: str,
    output_format: Format | None,
    limit: int,
) -> None:
    """Run a rule on stored history, or on a file of audit records, and print the alerts it would raise.

    The file may have any shape that `acrwatch import` takes. Nothing is written. Ends with 1 if the rule fails.
    """
    from acrwatch.cli.rules import chosen

    session: Session = ctx.obj
    detections = chosen(session, files)
    if records is None:
        end = session.clock.now()
        snapshot = stored(session)
        begin = within_history(snapshot, moment_of(since, end, "--since"), end)
        found = tried(detections, snapshot, session.context(), begin, end, session.config.detections.lateness)
    else:
        found = _tried_on_file(session, detections, records)
    alerts = [_alert(alert) for tally in found for alert in tally.alerts]
    show_list(output_format, within(limit, alerts), _ALERT_COLUMNS, Column("REASON", lambda item: item["reason"]))
    for tally in found:
        words = f"{counted(tally.matched, 'match', 'matches')}, {counted(len(tally.alerts), 'alert')}"
        blind = f", {counted(tally.unjudged, 'event')} it could not judge" if tally.unjudged else ""
        note(f"{tally.rule}: failed: {tally.error}" if tally.error else f"{tally.rule}: {words}{blind}.")
    ctx.exit(1 if any(tally.error for tally in found) else 0)


def _tried_on_file(session: Session, detections: "Mapping[str, Detection]", records: Path) -> "list[Tally]":
    """Read a file into a lake of its own that is thrown away, and try the rules on all of it."""
    from acrwatch.cli.imports import read_files
    from acrwatch.cli.ingest import sentence

    with tempfile.TemporaryDirectory(prefix="acrwatch-run-") as folder:
        with session.parts(_aside(session.config, Path(folder))) as parts:
            _, counts = read_files(parts, (records,))
            snapshot = parts.lake().snapshot()
        note(f"{records}: {sentence(counts)}")
        dates = [file.date for file in snapshot.files]
        if not dates:
            raise NotFoundError(f"there is no audit record in {records}", remedy="See what import says of it")
        begin, end = datetime.combine(min(dates), time(), UTC), datetime.combine(max(dates) + _DAY, time(), UTC)
        return tried(detections, snapshot, session.context(), begin, end, _NEVER_LATE)


def _aside(config: "Config", folder: Path) -> "Config":
    store = dataclasses.replace(
        config.store, path=str(folder / "lake"), database=f"sqlite:///{folder / 'state.db'}", retention=None
    )
    return dataclasses.replace(config, store=store, sources=(), destinations=())


def _alert(alert: "Alert") -> dict[str, Any]:
    from storage.state.alerts import as_json

    return {name: value for name, value in as_json(alert).items() if name not in _NOT_OPENED}
