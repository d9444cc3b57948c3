"""How commands show what they found: tables for people, one JSON document or JSON lines for programs."""

import json
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from acrwatch.core.log import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_LIMIT: Final = 100
# Without a terminal nothing is wrapped: one item stays one line for grep and cut.
_UNWRAPPED: Final = 10_000
# A wrapped column stays at least this wide; below it a table is wider than the terminal instead.
_NARROWEST: Final = 24
SEVERITY_STYLE: Final = {
    "critical": "bold white on red",
    "high": "bold red",
    "medium": "yellow",
    "low": "cyan",
    "informational": "dim",
}


class Format(Enum):
    """What goes to stdout."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its heading, what it shows of an item, and perhaps a style for it."""

    heading: str
    show: Callable[[Mapping[str, Any]], str]
    style: Callable[[Mapping[str, Any]], str] = lambda _: ""
    wrap: bool = False


def json_option(command: F) -> F:
    """Add `--json`, passed on as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)


def list_options(command: F) -> F:
    """Add `--json`, `--jsonl` (passed on as `output_format`) and `--limit`."""
    command = click.option(
        "--limit", type=click.IntRange(min=1), default=DEFAULT_LIMIT, show_default=True, help="At most this many."
    )(command)
    for format_ in (Format.JSONL, Format.JSON):
        word = "one JSON array" if format_ is Format.JSON else "one JSON object per line"
        command = click.option(
            f"--{format_.value}", "output_format", flag_value=format_, type=Format, help=f"Print {word}."
        )(command)
    return command


def write_json(document: object) -> None:
    """Print one document. Everything beyond ASCII is escaped: what an attacker named cannot steer a terminal."""
    _write(json.dumps(document, indent=2, default=str) + "\n")


def write_text(text: str) -> None:
    """Print a line of data."""
    _write(text + "\n")


def show_list(
    output_format: Format | None,
    items: Sequence[Mapping[str, Any]],
    columns: Sequence[Column],
    detail: Column | None = None,
) -> None:
    """Print items in the format asked for; as a table, only `columns` of them.

    `detail` is a long text: a line of its own below each row on a terminal, the last column where lines do not wrap.
    """
    if output_format is Format.JSON:
        write_json(items)
    elif output_format is Format.JSONL:
        for item in items:
            _write(json.dumps(item, default=str) + "\n")
    elif items and detail is not None and console().width < _UNWRAPPED:
        _render_with_detail(items, columns, detail)
    elif items:
        render(table(items, [*columns, *([detail] if detail else [])]))


def _render_with_detail(items: Sequence[Mapping[str, Any]], columns: Sequence[Column], detail: Column) -> None:
    from rich.padding import Padding

    screen = console()
    with screen.capture() as captured:
        screen.print(table(items, columns), crop=False)
    heading, *rows = captured.get().splitlines()
    _write(heading.rstrip() + "\n")
    for item, row in zip(items, rows, strict=True):
        _write(row.rstrip() + "\n")
        render(Padding(cell(detail.show(item), detail.style(item)), (0, 0, 0, 4)))


def within(limit: int, found: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the first `limit` items; say on stderr if there were more."""
    items = list(found)
    if len(items) > limit:
        note(f"Only the first {limit} are shown; --limit shows more.")
    return items[:limit]


def program() -> str:
    """Return what to type to call this program again: its bare name only where the shell would find this very file."""
    called = Path(sys.argv[0])
    found = shutil.which(called.name)
    if called.name != "acrwatch" or (found and Path(found).resolve() == called.resolve()):
        return "acrwatch"
    return shlex.quote(str(called))


def note(text: str) -> None:
    """Say something to the person, on stderr."""
    click.echo(printable(text), err=True)


def cell(text: object, style: str = "") -> "Text":
    """Return text as rich shows it: no markup read, nothing unprintable left. Log values are attacker-controlled."""
    from rich.text import Text

    return Text(printable(str(text)), style=style)


def table(items: Iterable[Mapping[str, Any]], columns: Sequence[Column]) -> "RenderableType":
    """Return a plain table of the items. A time or an id is never cut; rather the table is wider than the terminal."""
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    rows = [[cell(column.show(item), column.style(item)) for column in columns] for item in items]
    for number, column in enumerate(columns):
        heading = cell(column.heading)  # it may be a name that a query gave
        natural = max([heading.cell_len, *(row[number].cell_len for row in rows)])
        narrowest = min(natural, _NARROWEST) if column.wrap else natural
        shown.add_column(heading, overflow="fold", no_wrap=not column.wrap, min_width=narrowest)
    for row in rows:
        shown.add_row(*row)
    return shown


def bullets(lines: Iterable[str], *, numbered: bool = False) -> "RenderableType":
    """Return lines as a list whose marks stand out when a line wraps."""
    from rich.table import Table

    shown = Table.grid(padding=(0, 1, 0, 0))
    for number, line in enumerate(lines, start=1):
        shown.add_row(cell(f"  {number}." if numbered else "  -"), cell(line))
    return shown


def pairs(items: Iterable[tuple[str, str]]) -> "RenderableType":
    """Return names and values in two columns, so that a value that wraps stays beside its name."""
    from rich.table import Table

    shown = Table.grid(padding=(0, 2, 0, 0))
    for name, value in items:
        shown.add_row(cell(f"  {name}"), cell(value))
    return shown


def render(*parts: "RenderableType") -> None:
    """Print rich renderables to stdout, coloured only on a terminal and not under NO_COLOR."""
    screen = console()
    with screen.capture() as captured:
        for part in parts:
            screen.print(part, crop=False)
    lines = captured.get().splitlines()
    _write("\n".join(line.rstrip() for line in lines) + "\n")


def console() -> "Console":
    """Return a console on stdout: as wide as the terminal, or as COLUMNS, or without either as wide as needed."""
    from rich.console import Console

    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isdecimal() else None if sys.stdout.isatty() else _UNWRAPPED
    return Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def _write(text: str) -> None:
    """Write and flush; a reader that has seen enough (`| head`) ends the command without complaint."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.exceptions.Exit(0) from None
