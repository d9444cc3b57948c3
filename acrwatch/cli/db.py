"""`acrwatch db`: looking after the state database and the lake."""

import click

from acrwatch.cli.output import json_option, note, write_json
from acrwatch.cli.session import Session, pass_session


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
