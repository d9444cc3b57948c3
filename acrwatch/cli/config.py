"""`acrwatch config`: what is in force, and who said so."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import click

from acrwatch.cli.output import Column, json_option, render, table, write_json
from acrwatch.cli.session import Session, pass_session
from acrwatch.cli.times import span
from acrwatch.core.log import MASK, mask
from acrwatch.core.setting import Secret

# The members of an Azure connection string that are no secret, and tell where it leads.
_OPEN_MEMBERS: Final = ("endpoint", "entitypath", "hostname", "sharedaccesskeyname", "usedevelopmentemulator")


@click.group()
def config() -> None:
    """Show the configuration in force."""


@config.command()
@click.option("--origin", is_flag=True, help="Also say where each value comes from.")
@json_option
@pass_session
def show(session: Session, origin: bool, as_json: bool) -> None:
    """Show every setting in force, secrets masked."""
    entries = [
        {"key": entry.key, "value": shown(entry.value), "origin": entry.origin} for entry in session.config.entries
    ]
    if as_json:
        write_json(entries)
        return
    columns = [Column("SETTING", lambda item: item["key"]), Column("VALUE", _text, wrap=True)]
    render(table(entries, [*columns, Column("ORIGIN", lambda item: item["origin"])] if origin else columns))


def shown(value: object) -> Any:
    """Return a setting's value as JSON can hold it, as it would be written in the file, without secrets."""
    if isinstance(value, Secret):
        return _open_part(value)
    if isinstance(value, timedelta):
        return span(value)
    if isinstance(value, list | tuple):
        return [shown(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): shown(item) for name, item in value.items()}
    return value if value is None or isinstance(value, bool | int | float) else mask(str(value))


def _open_part(secret: Secret) -> str:
    """Return a connection string with its key masked; anything else as it shows itself."""
    members = [member.partition("=") for member in secret.reveal().split(";") if member]
    if not members or members[0][0].strip().lower() != "endpoint":
        return MASK if type(secret) is Secret else str(secret)
    return ";".join(f"{name}={value if name.strip().lower() in _OPEN_MEMBERS else MASK}" for name, _, value in members)


def _text(item: Mapping[str, Any]) -> str:
    value = item["value"]
    if value is None:
        return "-"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
