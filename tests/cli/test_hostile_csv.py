"""CSV of what an attacker named: no value begins a row or a formula, for a reader that ends rows as spreadsheets do."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from storage.lake import Lake
from storage.state.alerts import insert_alert
from storage.state.database import Database
from tests.notebook.world import DELETING, Happening, table

Call = Callable[..., Any]
RUN = "=cmd|'/C calc'!A0"
INNER = [f"svc\r{RUN}", f"svc\n{RUN}", f"svc\r\n{RUN}", f'a"\r{RUN}']
SIGNS = ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "\ufeff="]  # noqa: RUF001 - full-width signs


def rows_of(text: str) -> list[list[str]]:
    """Return the rows as a spreadsheet has them: it ends one at any bare line feed or carriage return."""
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("value", [*INNER, *(f"{sign}1+1" for sign in SIGNS)])
def test_events_have_one_row_each_and_no_formula(call: Call, tmp_path: Path, value: str) -> None:
    Lake.open(tmp_path / "data" / "lake").commit(table([Happening(1, identity=value)]), {})
    done = call("events", "query", "SELECT identity, 1 AS n FROM events", "--csv")
    shown = value if value in INNER else f"'{value}"
    assert rows_of(done.stdout) == [["identity", "n"], [shown, "1"]]
    found = pd.read_csv(io.StringIO(done.stdout, newline=""))
    assert (len(found), found["n"].tolist()) == (1, [1])


@pytest.mark.parametrize("value", INNER)
def test_alerts_have_one_row_each(call: Call, database: Database, value: str) -> None:
    entities = ({"type": "identity", "value": value},)
    with database.begin() as connection:
        insert_alert(connection, replace(DELETING, title=value, reason=f"＝{value}", entities=entities))  # noqa: RUF001
    heading, row = rows_of(call("alerts", "export").stdout)
    told = dict(zip(heading, row, strict=True))
    assert (told["title"], told["reason"], told["entities"]) == (value, f"'＝{value}", f"identity={value}")  # noqa: RUF001


def test_a_heading_runs_nothing_either(call: Call, tmp_path: Path) -> None:
    """PIVOT makes columns of values."""
    Lake.open(tmp_path / "data" / "lake").commit(table([Happening(1, identity=RUN)]), {})
    done = call("events", "query", f'SELECT 1 AS "{RUN}", 2 AS "a\r{RUN}" FROM events', "--csv")
    assert rows_of(done.stdout) == [[f"'{RUN}", f"a\r{RUN}"], ["1", "2"]]
