"""Counts, positions, ledger, incidents and leases: what each function promises, on every database."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from acrwatch.core.errors import ConflictError
from storage.state import blobs, counts, incidents, leases, ledger, log_reads, positions
from storage.state.blobs import BlobProgress
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
        positions.remember(connection, {"hub/0/1": Position("100", 7), "hub/1/1": Position("5", 1)}, now=now)
        positions.forget(connection, "hub/0/1")
        assert positions.hints(connection).keys() == {"hub/1/1"}


def test_a_file_is_known_once_it_is_finished_by_its_content_and_found_by_its_size(
    database: Database, now: datetime
) -> None:
    one, other = (ledger.ImportedFile(letter * 64, f"{letter}.json", size, 5) for letter, size in (("a", 90), ("b", 7)))
    with database.begin() as connection:
        assert ledger.finished(connection, [90, 7]) == set()
        ledger.finish(connection, [other, one], now=now)
        ledger.finish(connection, [one], now=now + MINUTE)
        ledger.finish(connection, [], now=now)
        assert ledger.finished(connection, [90]) == {"a" * 64}
        assert ledger.finished(connection, range(2_000)) == {"a" * 64, "b" * 64}


def test_how_far_a_blob_was_read_is_found_by_its_name(database: Database, now: datetime) -> None:
    name = "account/container/" + "x" * 1_000
    begun = BlobProgress(name, 10, 2, 10, "c" * 64, "")
    further = BlobProgress(name, 90, 5, 50, "d" * 64, "0x1")
    with database.begin() as connection:
        assert blobs.find(connection, [name]) == {}
        blobs.advance(connection, [begun], now=now)
        blobs.advance(connection, [further, replace(begun, name="other")], now=now + MINUTE)
        assert blobs.find(connection, [name, "gone"]) == {name: further}
        assert len(blobs.find(connection, [*map(str, range(1_500)), name, "other"])) == 2


def test_of_several_callers_one_claims_a_stream(database: Database, now: datetime) -> None:
    with database.begin() as connection:
        positions.remember(connection, {"archive/a/1": Position("", 7), "archive/ab": Position("", 1)}, now=now)
        assert positions.claim(connection, "archive/a/") == ("archive/a/1", Position("", 7))
        assert positions.claim(connection, "archive/a/") is None
        assert positions.hints(connection).keys() == {"archive/ab"}


def _open(database: Database, now: datetime, message: str = "no events") -> None:
    with database.begin() as connection:
        incidents.open(connection, "source_down/x", kind="source_down", message=message, remedy="look", now=now)


def test_an_incident_says_no_secret(database: Database, now: datetime) -> None:
    with database.begin() as connection:
        secret = "SharedAccessKey=a1B2c3D4e5F6"
        incidents.open(connection, "source_down/x", kind="source_down", message=secret, remedy=secret, now=now)
        (said,) = incidents.current(connection)
    assert said.message == said.remedy == "SharedAccessKey=********"


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


def test_a_lease_taken_before_the_clock_went_back_is_free(database: Database) -> None:
    with database.begin() as connection:
        assert leases.acquire(connection, "compaction", "dead", timedelta(hours=5))
        assert leases.acquire(connection, "compaction", "second", MINUTE)


def test_leases_of_other_names_are_apart(database: Database) -> None:
    with database.begin() as connection:
        assert leases.acquire(connection, "compaction", "first", MINUTE)
        assert leases.acquire(connection, "watch", "second", MINUTE)
        assert not leases.acquire(connection, "compaction", "second", MINUTE)
        leases.release(connection, "watch", "second")
        assert leases.acquire(connection, "watch", "first", MINUTE)
        leases.release(connection, "watch", "first")
        assert not leases.acquire(connection, "compaction", "second", MINUTE)


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
