"""Readers of the profile go by an index to what they are asked for: a pass costs the same however long the history."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from storage.state.homes import Home, homes_at, homes_of, identities_seen, save_homes
from storage.state.profiles import NetworkDay, matching_days_of, network_days_at, save_network_days
from storage.state.visits import Before, first_day, save_judgements, stays_of, uses_before, visits_since
from tests.sqlite import database_in

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = NOON.date()
OFFICE, ABROAD = "192.0.2.0/24", "203.0.113.0/24"

READERS: dict[str, Callable[[Connection], Any]] = {
    "network_days_at": lambda c: network_days_at(c, [("ana", OFFICE, "2026-03-02"), ("bo", OFFICE, "2026-03-02")]),
    "matching_days_of": lambda c: matching_days_of(c, [("ana", OFFICE), ("bo", ABROAD)]),
    "visits_since": lambda c: visits_since(c, ["ana", "bo"], DAY),
    "first_day": lambda c: first_day(c, "ana"),
    "uses_before": lambda c: uses_before(c, "ana", DAY, dates=30, since=DAY),
    "stays_of": lambda c: stays_of(c, ["ana", "bo"]),
    "save_judgements": lambda c: save_judgements(c, visits_since(c, ["ana"], DAY)),
    "homes_at": lambda c: homes_at(c, [("contoso", "ana"), ("fabrikam", "bo")]),
    "homes_of": lambda c: homes_of(c, "contoso"),
    "identities_seen": lambda c: identities_seen(c, "contoso", since=DAY, network=None),
}


def _day(network: str, day: int, judgement: dict[str, int] | None = None) -> NetworkDay:
    when = f"2026-03-{day:02}"
    return NetworkDay("ana", network, when, NOON, NOON, 1, False, {}, judgement)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    database = database_in(tmp_path / "state.db")
    with database.begin() as opened:
        days = [_day(OFFICE, day) for day in range(1, 6)]
        save_network_days(opened, [*days, _day(ABROAD, 2, {"n": 1}), _day(ABROAD, 4, {"n": 1}), _day(ABROAD, 5)])
        save_homes(opened, [Home("contoso", "ana", OFFICE, NOON, None)])
        yield opened
    database.close()


@pytest.mark.parametrize("reader", READERS)
def test_no_reader_goes_through_a_whole_table(connection: Connection, reader: str) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        asked.append((statement, parameters[0] if many else parameters))

    event.listen(connection, "before_cursor_execute", note)
    READERS[reader](connection)
    event.remove(connection, "before_cursor_execute", note)
    plans = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values).all() for text, values in asked]
    steps = [str(row[3]) for plan in plans for row in plan]
    assert [step for step in steps if step.startswith(("SEARCH network_days", "SEARCH registry_homes"))]
    assert [step for step in steps if step.startswith(("SCAN network_days", "SCAN registry_homes"))] == []


def test_a_visit_knows_the_one_before_it_in_the_same_network(connection: Connection) -> None:
    fourth = [visit for visit in visits_since(connection, ["ana"], date(2026, 3, 4)) if visit.day.day == 4]
    assert {visit.network: visit.before for visit in fourth} == {
        OFFICE: Before(date(2026, 3, 3), None),
        ABROAD: Before(date(2026, 3, 2), {"n": 1}),
    }


def test_uses_go_back_for_the_dates_asked_for(connection: Connection) -> None:
    uses = uses_before(connection, "ana", date(2026, 3, 5), dates=2, since=date(2026, 3, 5))
    assert {(use.network, use.day.day, use.matched, use.told) for use in uses} == {
        (OFFICE, 3, False, False),
        (OFFICE, 4, False, False),
        (ABROAD, 4, True, False),
    }


def test_a_stay_is_told_with_the_day_that_followed(connection: Connection) -> None:
    (stay,) = stays_of(connection, ["ana"])
    assert (stay.network, stay.first_day.day, stay.last_day.day, stay.next_day) == (ABROAD, 2, 4, date(2026, 3, 5))
