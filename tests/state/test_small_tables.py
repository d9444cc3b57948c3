"""Counts, positions, ledger, incidents and leases: what each function promises, on every database."""

from datetime import date, datetime, timedelta

import pytest

from acrwatch.core.errors import ConflictError, NotFoundError
from storage.state import counts, incidents, leases, ledger, log_reads, positions
from storage.state.database import Database
from storage.state.dialect import database_time
from storage.state.log_reads import LogRead
from storage.state.positions import Position

TODAY = date(2026, 11, 22)
MINUTE = timedelta(minutes=1)


def test_counts_add_up_per_date_and_name(database: Database) -> None:
    with database.begin() as connection:
        counts.add(connection, TODAY, {"skipped_metrics": 3, "expired": 1})
        counts.add(connection, TODAY, {"skipped_metrics": 4})
        counts.add(connection, TODAY - timedelta(days=1), {"expired": 9})
        assert counts.read(connection, TODAY, TODAY) == {TODAY: {"skipped_metrics": 7, "expired": 1}}


def test_counts_are_read_for_both_ends_of_the_span(database: Database) -> None:
    yesterday = TODAY - timedelta(days=1)
    with database.begin() as connection:
        for day in (yesterday - timedelta(days=1), yesterday, TODAY):
            counts.add(connection, day, {"expired": 1})
        assert list(counts.read(connection, yesterday, TODAY)) == [yesterday, TODAY]


def test_a_position_replaces_the_one_before(database: Database, now: datetime) -> None:
    with database.begin() as connection:
        positions.remember(connection, {"hub/0/1": Position("100", 7), "hub/1/1": Position("5", 1)}, now=now)
        positions.remember(connection, {"hub/0/1": Position("@latest", 8)}, now=now)
        assert positions.hints(connection) == {"hub/0/1": Position("@latest", 8), "hub/1/1": Position("5", 1)}


def test_hints_are_found_by_the_beginning_of_the_stream_name(database: Database, now: datetime) -> None:
    with database.begin() as connection:
        positions.remember(connection, {"a_b/0": Position("1", 1), "aXb/0": Position("2", 2)}, now=now)
        assert list(positions.hints(connection, "a_b/")) == ["a_b/0"]


def test_a_forgotten_position_is_gone(database: Database, now: datetime) -> None:
    with database.begin() as connection:
        positions.remember(connection, {"hub/0/1": Position("100", 7)}, now=now)
        positions.forget(connection, "hub/0/1")
        assert positions.hints(connection) == {}


def test_a_file_is_unknown_until_it_is_advanced(database: Database) -> None:
    with database.connect() as connection:
        assert ledger.find(connection, "0" * 64) is None


def test_a_file_remembers_how_far_it_was_read_and_that_it_is_done(database: Database, now: datetime) -> None:
    sha = "a" * 64
    with database.begin() as connection:
        ledger.advance(connection, sha, path="old.json", size=90, offset=10, records=2, now=now)
        ledger.advance(connection, sha, path="new.json", size=90, offset=90, records=5, now=now + MINUTE)
        half = ledger.find(connection, sha)
        ledger.finish(connection, sha, now=now + 2 * MINUTE)
        done = ledger.find(connection, sha)
    assert half == ledger.FileProgress(sha, "new.json", 90, 90, 5, None, now + MINUTE)
    assert done == ledger.FileProgress(sha, "new.json", 90, 90, 5, now + 2 * MINUTE, now + 2 * MINUTE)


def test_a_file_that_was_never_begun_cannot_be_finished(database: Database, now: datetime) -> None:
    with pytest.raises(NotFoundError, match="bbbb"), database.begin() as connection:
        ledger.finish(connection, "b" * 64, now=now)


def _open(database: Database, now: datetime, message: str = "no events") -> None:
    with database.begin() as connection:
        incidents.open(connection, "source_down/x", kind="source_down", message=message, remedy="look", now=now)


def test_an_incident_seen_again_counts_and_keeps_its_start(database: Database, now: datetime) -> None:
    _open(database, now)
    _open(database, now + MINUTE, "still no events")
    with database.connect() as connection:
        assert incidents.current(connection) == [
            incidents.Incident("source_down/x", "source_down", "still no events", "look", now, now + MINUTE, 2, None)
        ]


def test_a_resolved_incident_is_not_current_and_begins_anew(database: Database, now: datetime) -> None:
    _open(database, now)
    with database.begin() as connection:
        assert incidents.resolve(connection, "source_down/x", now=now)
        assert not incidents.resolve(connection, "source_down/x", now=now)
        assert incidents.current(connection) == []
    _open(database, now + MINUTE)
    with database.connect() as connection:
        (again,) = incidents.current(connection)
    assert (again.since, again.occurrences) == (now + MINUTE, 1)


def test_a_lease_has_one_owner_until_it_ends(database: Database) -> None:
    with database.begin() as connection:
        assert leases.acquire(connection, "compaction", "first", MINUTE)
        assert not leases.acquire(connection, "compaction", "second", MINUTE)
        assert leases.acquire(connection, "compaction", "first", timedelta(0)), "the owner may extend, or let it end"
        assert leases.acquire(connection, "compaction", "second", MINUTE)
        assert not leases.acquire(connection, "compaction", "first", MINUTE)


def test_only_the_owner_can_give_a_lease_back(database: Database) -> None:
    with database.begin() as connection:
        leases.acquire(connection, "compaction", "first", MINUTE)
        leases.release(connection, "compaction", "second")
        assert not leases.acquire(connection, "compaction", "second", MINUTE)
        leases.release(connection, "compaction", "first")
        assert leases.acquire(connection, "compaction", "second", MINUTE)


def test_the_database_tells_the_time_in_utc(database: Database) -> None:
    with database.begin() as connection:
        told = database_time(connection)
        later = database_time(connection)
    assert told.utcoffset() == timedelta(0)
    assert told <= later


def test_what_was_read_of_a_table_is_found_by_any_time_it_holds(database: Database, now: datetime) -> None:
    day = timedelta(days=1)
    first, longer = LogRead("logs", now, now + day, now), LogRead("logs", now + day / 2, now + 3 * day, now)
    with database.begin() as connection:
        for read in (first, longer, LogRead("other", now - day, now + 9 * day, now)):
            log_reads.begin(connection, read, now=now)
        log_reads.begin(connection, LogRead("logs", now, now + 2 * day, now), now=now)  # is there already
        found = [log_reads.find(connection, "logs", now + hours * day / 24) for hours in (-1, 0, 24, 72, 73)]
        log_reads.forget(connection, "logs")
        assert log_reads.find(connection, "logs", now) is None
    assert found == [None, first, longer, longer, None]


def test_of_two_that_read_the_same_table_only_the_first_moves_the_entry(database: Database, now: datetime) -> None:
    read = LogRead("logs", now, now, now)
    moved = LogRead("logs", now, now + MINUTE, now + MINUTE)
    with database.begin() as connection:
        log_reads.begin(connection, read, now=now)
        log_reads.advance(connection, read, moved, now=now)
    with database.begin() as connection, pytest.raises(ConflictError, match="another process reads logs"):
        log_reads.advance(connection, read, LogRead("logs", now, now + 2 * MINUTE, now), now=now)
    with database.connect() as connection:
        assert log_reads.find(connection, "logs", now) == moved
