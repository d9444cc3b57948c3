"""`acrwatch init`: a commented configuration, and the exact steps that make Azure send audit records to it."""

import contextlib
import re
import shlex
from importlib.resources import files
from pathlib import Path
from string import Template

import click

from acrwatch.cli.output import note, program, write_text
from acrwatch.core.config import DEFAULT_FILE
from acrwatch.core.errors import ConfigError

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"


@click.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False), default=DEFAULT_FILE)
@click.option("--registry", default="myregistry", show_default=True, help="The container registry to watch.")
@click.option("--namespace", default="mynamespace", show_default=True, help="The Event Hubs namespace.")
@click.option("--eventhub", default="acr-audit", show_default=True, help="The event hub in it.")
@click.option("--resource-group", default="myresourcegroup", show_default=True, help="Of the namespace.")
def init(path: Path, registry: str, namespace: str, eventhub: str, resource_group: str) -> None:
    """Write a commented acrwatch.toml and print the next steps.

    Nothing is sent anywhere: the printed `az` commands are yours to run.
    """
    names = {
        "registry": _checked("registry", registry.removesuffix(".azurecr.io")),
        "namespace": _checked("namespace", namespace.removesuffix(".servicebus.windows.net")),
        "eventhub": _checked("eventhub", eventhub),
        "resource_group": _checked("resource-group", resource_group),
        "program": program(),
        "file": shlex.quote(str(path)),
    }
    text = _template("acrwatch.toml.in").substitute(names, registry=names["registry"].lower())
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{path} exists already", remedy="Remove it first, or name another file") from None
    except OSError as error:
        _remove_half(path)
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}", remedy="Free disk space, or name a file elsewhere"
        ) from None
    note(f"Wrote {path}. What is left to do:")
    write_text(_template("next_steps.txt.in").substitute(names).rstrip("\n"))


def _remove_half(path: Path) -> None:
    """A half-written file would be refused as existing already the next time."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _template(name: str) -> Template:
    return Template(files("acrwatch.cli").joinpath(name).read_text(encoding="utf-8"))


def _checked(option: str, value: str) -> str:
    """Return a name that may stand in TOML and in a shell command as it is."""
    if not re.fullmatch(_NAME, value):
        raise ConfigError(f"--{option} {value!r} is no name that Azure would accept")
    return value
