"""The generated pages say what the code does, and every command that is recommended anywhere exists."""

import re
from pathlib import Path

import click
import pytest

from acrwatch.cli.docs import pages
from acrwatch.cli.root import COMMANDS, root
from scheduler import load_detections

ROOT = Path(__file__).parents[2]
PACKAGES = ("acrwatch", "ingest", "storage", "detections")


@pytest.mark.parametrize("name", ["cli.md", "columns.md", "settings.md", "detections.md"])
def test_a_generated_page_is_up_to_date(name: str) -> None:
    """If this fails: `python -m acrwatch.cli.docs`, and commit what it wrote."""
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == pages()[name]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_heading(command: str) -> None:
    assert f"\n## acrwatch {command}\n" in pages()["cli.md"]


@pytest.mark.parametrize("name", ["retention", "lateness", "allowed_ranges", "consumer_group", "secret"])
def test_settings_of_every_section_are_listed(name: str) -> None:
    assert f"| `{name}` |" in pages()["settings.md"]


def test_every_detection_says_on_its_page_what_it_needs_and_misses() -> None:
    page = pages()["detections.md"]
    sections = dict(part.split("\n", 1) for part in page.split("\n## ")[1:])
    assert sections.keys() == load_detections().keys()
    assert [slug for slug, text in sections.items() if "\n- Misses: " not in text] == []
    assert "\n- Needs: `known_repositories`\n" in sections["look-alike-repository"]
    assert "\n- Judges by: what it has seen before\n" in sections["anomalous-source-ip"]


def test_generated_pages_name_no_place_on_the_machine_that_made_them() -> None:
    assert str(ROOT) not in "".join(pages().values())


def recommended() -> set[tuple[str, ...]]:
    """Return the first words of each command in the pages (code spans and blocks) and in the code's remedies."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *ROOT.glob("docs/**/*.md"))]
    code = [ROOT / "scheduler.py", *(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))]
    spans = [span for text in texts for span in re.findall(r"(?:`|^ {4})acrwatch ([a-z][a-z -]*)", text, re.MULTILINE)]
    spans += [span for path in code for span in re.findall(r"`acrwatch ([a-z][a-z -]*)", path.read_text("utf-8"))]
    return {tuple(span.split()) for span in spans}


@pytest.mark.parametrize("words", sorted(recommended()), ids=" ".join)
def test_a_recommended_command_exists(words: tuple[str, ...]) -> None:
    context = click.Context(root)
    command = root.get_command(context, words[0])
    assert command is not None, f"there is no acrwatch {words[0]}"
    if isinstance(command, click.Group) and len(words) > 1 and not words[1].startswith("-"):
        assert command.get_command(context, words[1]) is not None, f"there is no acrwatch {' '.join(words[:2])}"


def test_recommendations_are_found_in_pages_and_code() -> None:
    """Or the test above would have nothing to look at."""
    assert {("run",), ("db", "migrate")} <= recommended()
