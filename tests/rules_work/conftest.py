"""Rule files of a test, and a state database that their state goes into."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from detections import library
from storage.state.database import Database
from tests.sqlite import database_in

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)

RULE = """\
title: A pull by {identity}
logsource: {{product: azure, service: containerregistry}}
detection:
  selection:
    operation: pull
    identity: {identity}
  condition: selection
"""
BROKEN = RULE.replace("identity: {identity}\n", "colour: {identity}\n", 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the rule `ci-pulls`."""
    found = tmp_path / "rules"
    found.mkdir()
    write(found, "ci-pulls", "ci")
    return found


@pytest.fixture
def none_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no rule come along but those of the test: reading ours takes about a second."""
    empty = tmp_path / "shipped"
    empty.mkdir()
    monkeypatch.setattr(library, "SHIPPED", empty)


def write(folder: Path, slug: str, identity: str, text: str = RULE) -> Path:
    """Write a rule on pulls by an identity; return its file."""
    file = folder / f"{slug}.yml"
    file.write_text(text.format(identity=identity))
    return file


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = database_in(tmp_path / "state.db")
    yield found
    found.close()
