"""The command table: fast, complete and true."""

import importlib.util
import subprocess
import sys

import click
import pytest

from acrwatch.cli.root import COMMANDS, root

HEAVY = (
    "pyarrow",
    "duckdb",
    "deltalake",
    "azure",
    "sqlalchemy",
    "alembic",
    "rich",
    "pandas",
    "msgspec",
    "httpx",
    "yaml",
)


@pytest.mark.parametrize("arguments", [["--help"], ["version"], ["alerts", "--help"], ["nonsense"]], ids=" ".join)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys; from acrwatch.cli import run; run(sys.argv[1:]);"
        f"print(*[name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60)
    assert done.stderr.splitlines()[-1] == ""


@pytest.mark.parametrize("name", HEAVY)
def test_the_heavy_modules_are_spelt_right(name: str) -> None:
    """Or the test above would pass for the wrong reason."""
    assert importlib.util.find_spec(name) is not None


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_exists_and_its_own_help_begins_with_its_line_in_the_list(name: str) -> None:
    command = root.get_command(click.Context(root), name)
    assert command is not None
    assert command.get_short_help_str(limit=200) == COMMANDS[name].help


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_answers_help(name: str) -> None:
    # As at run time: click keeps a command's help option as its first context names it, for all tests after this one.
    above = root.make_context("acrwatch", [], resilient_parsing=True)
    command = root.get_command(above, name)
    assert command is not None
    for verb, part in [("", command), *(command.commands.items() if isinstance(command, click.Group) else ())]:
        text = part.get_help(click.Context(part, info_name=verb, parent=above))
        assert "Usage:" in text
        assert part.help, f"{name} {verb} has no help"
