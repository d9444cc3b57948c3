"""Who is at the keyboard: the name that the history of alerts and rules keeps."""

import getpass
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def by_option(command: F) -> F:
    """Add `--by NAME`, passed on as `by`; without it the login name."""
    return click.option("--by", metavar="NAME", callback=_name, help="Who you are. Default: your login name.")(command)


def _name(_ctx: click.Context, _parameter: click.Parameter, given: str | None) -> str:
    if given is not None:
        return given
    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:  # a container may run under a number that no name belongs to
        raise click.UsageError("this account has no name; say who you are by --by NAME") from error
