"""Habits are read by an index and kept as folds; what is not needed any more goes with retention."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from storage.state.database import Database
from storage.state.forgetting import forget_habits
from storage.state.habits import WHOLE, Habits, Match, Slot
from tests.sqlite import database_in

MAY, JUNE, JULY = date(2026, 5, 1), date(2026, 6, 1), date(2026, 7, 1)

DEEDS: dict[str, Callable[[Habits], Any]] = {
    "note_firsts": lambda h: h.note_firsts({("ci", "oras"): MAY}),
    "note_dates": lambda h: h.note_dates({("ci", MAY)}),
    "add_amounts": lambda h: h.add_amounts({Slot("ci", "192.0.2.1", MAY): 2}),
    "raise_amounts": lambda h: h.raise_amounts({Slot("ci", WHOLE, MAY): 2}),
    "firsts_since": lambda h: h.firsts_since(["ci", "bo"], MAY),
    "measures_since": lambda h: h.measures_since(["ci", "bo"], MAY),
    "dates_since": lambda h: h.dates_since(["ci", "bo"], MAY),
    "values_from": lambda h: h.values_from(["ci", "bo"], "0"),
    "began": lambda h: h.began(["ci", "bo"]),
    "matching_since": lambda h: h.matching_since(MAY),
    "matches_at": lambda h: h.matches_at([Slot("ci", WHOLE, MAY)]),
    "matches_of": lambda h: h.matches_of(["a"]),
    "drop_matches": lambda h: h.drop_matches([Slot("ci", WHOLE, MAY)]),
}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty SQLite database: what is asked here is how SQLite goes about it."""
    opened = database_in(tmp_path / "state.db")
    yield opened
    opened.close()


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.begin() as opened:
        yield opened


@pytest.fixture
def habits(connection: Connection) -> Habits:
    return Habits(connection, "some-detection")


@pytest.mark.parametrize("deed", DEEDS)
def test_nothing_goes_through_a_whole_table(habits: Habits, deed: str) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        asked.append((statement, parameters[0] if many else parameters))

    event.listen(habits.connection, "before_cursor_execute", note)
    DEEDS[deed](habits)
    event.remove(habits.connection, "before_cursor_execute", note)
    explained = [habits.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values) for text, values in asked]
    steps = [str(row[3]) for plan in explained for row in plan]
    assert asked
    assert [step for step in steps if step.startswith("SCAN habit")] == []


def test_a_first_date_only_becomes_earlier(habits: Habits) -> None:
    key = ("ci", "oras")
    assert habits.note_firsts({key: JUNE}) == {key}
    assert habits.note_firsts({key: JULY}) == set()
    assert habits.note_firsts({key: MAY}) == {key}
    assert habits.firsts_since(["ci"], date.min) == [Slot("ci", "oras", MAY)]


def test_amounts_add_up_and_measures_only_rise(habits: Habits) -> None:
    part, whole = Slot("ci", "192.0.2.1", MAY), Slot("ci", WHOLE, MAY)
    assert [habits.add_amounts({part: n})[part] for n in (2, 3)] == [2, 5]
    assert [habits.raise_amounts({whole: n}) for n in (5, 4, 6)] == [{whole: 5}, {}, {whole: 6}]
    assert habits.measures_since(["ci"], MAY) == {"ci": {MAY: 6}}


def test_each_detection_has_rows_of_its_own(connection: Connection, habits: Habits) -> None:
    habits.note_dates({("ci", MAY)})
    assert Habits(connection, "another").began(["ci"]) == {}
    assert habits.began(["ci"]) == {"ci": MAY}


def test_a_date_knows_the_one_before_it(habits: Habits) -> None:
    habits.note_dates({("ci", MAY), ("ci", JULY), ("bo", JUNE)})
    assert habits.dates_since(["ci", "bo"], JUNE) == [("bo", JUNE, None), ("ci", JULY, MAY)]


def test_only_subjects_that_are_gone_and_never_matched_are_forgotten(database: Database) -> None:
    with database.begin() as connection:
        habits = Habits(connection, "some-detection")
        habits.note_dates({("gone", MAY), ("told", MAY), ("back", MAY), ("back", JULY)})
        habits.note_firsts({("gone", "oras"): MAY, ("back", "oras"): MAY})
        habits.add_amounts({Slot("back", "192.0.2.1", day): 3 for day in (MAY, JULY)})
        habits.save_matches([Match(Slot("told", WHOLE, MAY), "a", {}, {})])
        assert forget_habits(connection, before=JUNE) == 3
        assert habits.began(["gone", "told", "back"]) == {"told": MAY, "back": MAY}
        assert habits.firsts_since(["gone", "back"], date.min) == [Slot("back", "oras", MAY)]
        assert habits.add_amounts({Slot("back", "192.0.2.1", day): 1 for day in (MAY, JULY)}) == {
            Slot("back", "192.0.2.1", MAY): 1,
            Slot("back", "192.0.2.1", JULY): 4,
        }
