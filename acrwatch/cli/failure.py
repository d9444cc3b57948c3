"""Telling a person, or a program, why a command failed: on stderr, with secrets masked."""

import json
import re

import click

from acrwatch.core.errors import AcrWatchError
from acrwatch.core.log import mask, printable

USAGE = 2


def tell(error: AcrWatchError, *, as_json: bool) -> int:
    """Write an error and return the exit code it stands for."""
    _write(_code(type(error)), error.message, error.remedy, as_json=as_json)
    return error.exit_code


def tell_usage(error: click.ClickException, *, as_json: bool) -> int:
    """Write a mistake in the command line, or the help where a command was called without what it needs; return exit
    code 2."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return USAGE
    context = getattr(error, "ctx", None)
    hint = f"Try '{context.command_path} --help'" if context else ""
    _write("usage", error.format_message().rstrip("."), hint, as_json=as_json)
    return USAGE


def _code(kind: type[AcrWatchError]) -> str:
    words = re.findall("[A-Z][a-z]*", kind.__name__.removesuffix("Error"))
    return "_".join(words).lower() if kind is not AcrWatchError else "failed"


def _write(code: str, message: str, remedy: str, *, as_json: bool) -> None:
    if as_json:
        document = {"error": {"code": code, "message": mask(message), "hint": mask(remedy)}}
        click.echo(json.dumps(document), err=True)
        return
    lines = [*f"Error: {message}".splitlines(), *([remedy] if remedy else [])]
    click.echo("\n".join(printable(mask(line)) for line in lines), err=True)
