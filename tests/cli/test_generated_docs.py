"""docs/cli.md and docs/settings.md say what the code does, and the README names every command."""

from pathlib import Path

import pytest

from acrwatch.cli.docs import pages
from acrwatch.cli.root import COMMANDS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["cli.md", "settings.md"])
def test_a_generated_page_is_up_to_date(name: str) -> None:
    """If this fails: `python -m acrwatch.cli.docs`, and commit what it wrote."""
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == pages()[name]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_heading(command: str) -> None:
    assert f"\n## acrwatch {command}\n" in pages()["cli.md"]


@pytest.mark.parametrize("name", ["retention", "lateness", "allowed_ranges", "consumer_group", "secret"])
def test_settings_of_every_section_are_listed(name: str) -> None:
    assert f"| `{name}` |" in pages()["settings.md"]


def test_generated_pages_name_no_place_on_the_machine_that_made_them() -> None:
    assert str(ROOT) not in "".join(pages().values())
