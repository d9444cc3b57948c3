"""`acrwatch db`: looking after the state database and the lake."""

import dataclasses

import click

from acrwatch.cli.output import json_option, note, write_json
from acrwatch.cli.session import Session, pass_session
from acrwatch.core.errors import ConflictError


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
        write_json({**dataclasses.asdict(done), "dates": [day.isoformat() for day in done.dates]})
        return
    note(f"{len(done.dates)} dates compacted: {done.files_removed} files into {done.files_added}.")
    if done.orphans:
        note(f"{done.orphans} files of interrupted commits were swept away.")
