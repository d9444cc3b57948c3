"""Calling the command line in this process, with a clock that stands still."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pytest

from acrwatch.cli import run
from storage.state.database import Database
from tests.sqlite import database_in

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


class StandingClock:
    def now(self) -> datetime:
        return NOW


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command did."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


class Call(Protocol):
    def __call__(self, *arguments: str | Path) -> Outcome: ...


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """Return a caller of `acrwatch` in an empty working folder; logging is left as found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def called(*arguments: str | Path) -> Outcome:
        code = run([str(argument) for argument in arguments], clock=StandingClock())
        output = capfd.readouterr()
        return Outcome(code, output.out, output.err)

    yield called
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("azure", "uamqp", "alembic", "apscheduler", "httpx"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Return the state database that `call` finds when no configuration says otherwise."""
    found = database_in(tmp_path / "data" / "state.db")
    yield found
    found.close()
