"""Every example in docs/notebooks.md runs, one after the other, on the small world."""

import re
import shutil
import warnings
from datetime import datetime
from pathlib import Path

import pytest

from acrwatch.notebook import BlindWarning, opening
from tests.behavioural.mmdb import mmdb
from tests.notebook.world import NOW

PAGE = Path(__file__).parents[2] / "docs" / "notebooks.md"
EXAMPLE = re.compile(r"^```python[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class StandingClock:
    def now(self) -> datetime:
        return NOW


@pytest.fixture
def folder(lake: Path, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder as the page has it."""
    shutil.copytree(lake, tmp_path / "data" / "lake")
    shutil.copy(database_url.removeprefix("sqlite:///"), tmp_path / "data" / "state.db")
    for name in ("GeoLite2-City.mmdb", "GeoLite2-ASN.mmdb"):
        (tmp_path / name).write_bytes(mmdb({"203.0.113.0/24": {"country": {"iso_code": "BR"}}}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(opening, "SystemClock", StandingClock)
    return tmp_path


def test_every_example_runs_and_finds_something(folder: Path) -> None:
    examples = EXAMPLE.findall(PAGE.read_text(encoding="utf-8"))
    assert len(examples) == PAGE.read_text(encoding="utf-8").count("```python") > 10
    names: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BlindWarning)  # the world has events without an address, as the page explains
        for example in examples:
            exec(compile(example, str(PAGE), "exec"), names)
    assert len(names["events"]) > 0  # type: ignore[arg-type]
    assert len(names["alerts"]) > 0  # type: ignore[arg-type]
    assert (folder / "who-touched-what.svg").exists()


def test_what_the_page_calls_the_result_of_a_call_exists(folder: Path) -> None:
    """Attributes that the prose names but no example uses."""
    alert = opening.open("data/lake", database="sqlite:///data/state.db").alerts()["id"].iloc[0]
    found = opening.open("data/lake", database="sqlite:///data/state.db").alert(alert)
    prose = re.search(r"^(`facts`.*?) are attributes", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert prose is not None
    named = re.findall(r"`(\w+)`", prose[1])
    assert [name for name in named if not hasattr(found, name)] == []
    assert len(named) == 9
