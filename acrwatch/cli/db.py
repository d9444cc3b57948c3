"""`acrwatch db`: looking after the state database and the lake."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from acrwatch.cli.output import json_option, note, write_json
from acrwatch.cli.session import Session, pass_session
from acrwatch.core.errors import ConfigError, ConflictError, NotFoundError
from acrwatch.core.wording import counted

if TYPE_CHECKING:
    from storage.lake import Lake
    from storage.lake.repair import Repaired
    from storage.lake.verifying import Finding


@click.group()
def db() -> None:
    """Look after the state database and the lake."""


@db.command()
@json_option
@pass_session
def migrate(session: Session, as_json: bool) -> None:
    """Create the state database's tables, or bring them up to date."""
    with session.new_database() as database:
        if as_json:
            write_json({"database": database.name, "migrated": True})
        else:
            note(f"{database.name} is up to date.")


@db.command()
@json_option
@pass_session
def compact(session: Session, as_json: bool) -> None:
    """Join the lake's small files and checkpoint its log; a running service does so by itself."""
    with session.parts() as parts:
        done = parts.maintain(parts.lake())
    if done is None:
        raise ConflictError("another process looks after the lake just now", remedy="Try again in a minute")
    if as_json:
        found = dataclasses.asdict(done)
        del found["failed"]  # raised where there is one
        write_json(_plain(found))
        return
    note(
        f"{counted(len(done.dates), 'date')} compacted: {counted(done.files_removed, 'file')} into {done.files_added}."
    )
    if done.clustered:
        note(f"Put in order for look-ups: {', '.join(map(str, done.clustered))}.")
    if done.retired.dates:
        note(f"Retention took {counted(done.retired.rows, 'row')} of {counted(len(done.retired.dates), 'date')}.")
    if done.conflicts:
        left = f"{counted(done.conflicts, 'date')} {'was' if done.conflicts == 1 else 'were'} left"
        note(f"{left} to another process that was at the same files.")
    if done.orphans:
        note(f"Swept away: {counted(done.orphans, 'file')} of interrupted commits.")


@db.command()
@click.option("--full", is_flag=True, help="Look for repeated events in all dates, not only in the newest seven.")
@click.option("--repair", "mending", is_flag=True, help="Mend what can be mended; give up files that are missing.")
@json_option
@pass_session
def verify(session: Session, full: bool, mending: bool, as_json: bool) -> None:
    """Check the lake's log and data files and the state database's schema; exit 1 where something is wrong.

    --repair takes back what a power cut tore at the end of the log (its sources send it again) and takes missing or
    damaged data files out of the table. It says which rows that cost. Restore such files from a backup first if you
    can: then nothing is lost.
    """
    from storage.lake.repair import repair
    from storage.lake.verifying import verify as look

    lake = _lake(session)
    repaired = repair(lake) if mending else None
    if repaired is not None and (repaired.lost or repaired.taken_back):
        _read_imports_again(session)
    findings = [*look(lake, full=full), *_schema(session)]
    if as_json:
        found = [dataclasses.asdict(finding) for finding in findings]
        done = None if repaired is None else _plain(dataclasses.asdict(repaired))
        write_json({"ok": not findings, "findings": found, "repaired": done})
    else:
        _tell(findings, repaired)
    if findings:
        raise click.exceptions.Exit(1)


@db.command()
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing.")
@json_option
@pass_session
def vacuum(session: Session, dry_run: bool, as_json: bool) -> None:
    """Delete data files that no version and no reader needs; a running service does so by itself."""
    from storage.lake.holding import held_from
    from storage.lake.sweeping import sweep, sweepable

    lake, now = _lake(session), session.clock.now()
    with session.parts() as parts:
        held = held_from(lake.root, parts.hints(), now=now)
    paths = sweepable(lake, now=now, held=held)
    size = sum(path.stat().st_size for path in paths if path.exists())
    deleted = 0 if dry_run else sweep(lake, now=now, held=held)
    if as_json:
        names = [str(path.relative_to(lake.root)) for path in paths]
        write_json({"dry_run": dry_run, "files": names, "bytes": size, "deleted": deleted})
        return
    for path in paths if dry_run else ():
        note(str(path.relative_to(lake.root)))
    note(
        f"Of no use: {counted(len(paths), 'file')} of {size:,} bytes."
        if dry_run
        else f"Deleted: {counted(deleted, 'file')}."
    )


def _lake(session: Session) -> "Lake":
    """Return the lake as it lies there: opening it would mend it. Raises NotFoundError."""
    from storage.lake import Lake

    root = Path(session.config.store.path).absolute()
    if not (root / "_delta_log").is_dir():
        raise NotFoundError(f"there is no lake at {root}", remedy="Point --config at the right file")
    return Lake(root)


def _read_imports_again(session: Session) -> None:
    """Let files be imported, and archives be read, again: what was read before would be passed over."""
    from storage.state.forgetting import forget_imports

    with session.database() as database, database.begin() as connection:
        forget_imports(connection)


def _schema(session: Session) -> "list[Finding]":
    from storage.lake.verifying import Finding
    from storage.state.migration import is_current

    try:
        with session.database() as database, database.connect() as connection:
            if is_current(connection, database.name):
                return []
            said = f"The tables of {database.name} are not those that this version expects"
            return [Finding("schema_outdated", said, "Run acrwatch db migrate")]
    except (ConfigError, NotFoundError) as error:
        return [Finding("state_unusable", error.message, error.remedy)]


def _tell(findings: "list[Finding]", repaired: "Repaired | None") -> None:
    for version in repaired.taken_back if repaired else ():
        note(
            f"Version {version} was torn and is taken back. An event hub sends its rows again; what came by other "
            "roads is stored again when it is read again."
        )
    lost = repaired.lost if repaired else ()
    for file in lost:
        streams = ", ".join(file.streams) or "unknown streams (the log no longer says)"
        note(f"Given up: {counted(file.rows, 'row')} of {file.date} from {streams}, in {file.path}.")
    if lost:
        note(
            f"Lost from the lake: {counted(sum(file.rows for file in lost), 'row')}. To get them back: import their "
            "files again (acrwatch import), read their hours of a storage account again (acrwatch backfill archive) or "
            "of a workspace (acrwatch backfill log-analytics --again), or read the hub anew while it still holds them "
            "(acrwatch ingest reset). What is still there is not stored twice."
        )
    for finding in findings:
        note(f"{finding.kind}: {finding.message}. {finding.remedy}.")
    wrong = f"{counted(len(findings), 'thing')} {'is' if len(findings) == 1 else 'are'} wrong."
    note(wrong if findings else "Nothing is wrong.")


def _plain(value: object) -> object:
    """Return the same with dates as ISO text, as JSON wants them."""
    return json.loads(json.dumps(value, default=str))
