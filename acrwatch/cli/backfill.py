"""`acrwatch backfill`: history from where Azure keeps it."""

import click

from acrwatch.cli.backfill_archive import archive


@click.group()
def backfill() -> None:
    """Read history from where Azure keeps it.

    Run again after an interruption, it goes on where it stood. An event known already is stored once.
    """


backfill.add_command(archive)
