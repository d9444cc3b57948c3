"""Jobs that fail, over a database that is there and one that is not."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, text

from acrwatch.core.errors import StoreError
from storage.state import incidents
from storage.state.database import Database
from storage.state.incidents import Incident
from storage.state.job_reports import JobReports
from storage.state.tables import incidents as kept
from tests.delivery.receiver import NOW, MovableClock

MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def reports(database: Database, clock: MovableClock) -> JobReports:
    return JobReports(database, clock, ["detect", "deliver"])


def _fail(reports: JobReports, words: str = "the disk is full", job: str = "detect") -> None:
    with pytest.raises(StoreError), reports.turn(job):
        raise StoreError(words, remedy="Free some space")


def _succeed(reports: JobReports, job: str = "detect") -> None:
    with reports.turn(job):
        pass


@contextmanager
def _away(database: Database) -> Iterator[None]:
    """The database takes no incident within the block."""
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE incidents RENAME TO elsewhere"))
    yield
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO incidents"))


def _current(database: Database) -> list[Incident]:
    with database.connect() as connection:
        return list(incidents.current(connection))


def _ever(database: Database) -> list[tuple[str, datetime, datetime, datetime | None]]:
    with database.connect() as connection:
        rows = connection.execute(select(kept).order_by(kept.c.key)).mappings()
        return [(row["message"], row["since"], row["last_seen"], row["resolved_at"]) for row in rows]


def test_a_failure_is_an_incident_until_a_turn_of_that_job_succeeds(database: Database, reports: JobReports) -> None:
    _fail(reports)
    _succeed(reports, "deliver")
    (found,) = _current(database)
    assert (found.key, found.message, found.remedy) == ("job/detect", "detect: the disk is full", "Free some space")
    _succeed(reports)
    assert _current(database) == []


def test_what_another_process_left_open_is_over_with_the_first_good_turn(
    database: Database, clock: MovableClock, reports: JobReports
) -> None:
    _fail(reports)
    _succeed(JobReports(database, clock, ["detect"]))
    assert _current(database) == []


def test_failures_that_could_not_be_written_are_written_by_the_next_good_turn(
    database: Database, clock: MovableClock, reports: JobReports
) -> None:
    with _away(database):
        for number in range(5):
            _fail(reports, f"failure {number}")
            clock.move(MINUTE)
    _succeed(reports)
    assert _ever(database) == [("detect: failure 4", NOW, NOW + 4 * MINUTE, NOW + 5 * MINUTE)]
    with database.connect() as connection:
        kept_ones = connection.execute(select(kept.c.occurrences)).scalar_one()
    assert kept_ones == 2, "the first and the last are kept, and no more"


def test_failures_that_could_not_be_written_are_written_with_the_next_failure(
    database: Database, clock: MovableClock, reports: JobReports
) -> None:
    with _away(database):
        _fail(reports, "away")
    clock.move(MINUTE)
    _fail(reports, "still broken")
    (found,) = _current(database)
    assert (found.message, found.since, found.occurrences) == ("detect: still broken", NOW, 2)


def test_a_job_that_succeeds_writes_nothing_of_another_that_fails(
    database: Database, clock: MovableClock, reports: JobReports
) -> None:
    with _away(database):
        _fail(reports, job="deliver")
    _succeed(reports, "detect")
    assert _ever(database) == []
    _succeed(reports, "deliver")
    assert [message for message, *_ in _ever(database)] == ["deliver: the disk is full"]
