"""Rejects are kept once, capped, counted past the cap, and can be found and replayed."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from acrwatch.core.errors import NotFoundError
from acrwatch.core.model import Reject
from storage.state import counts, rejects
from storage.state.database import Database

TODAY = date(2026, 11, 22)


def _reject(number: int, *, ordinal: int = 0, body: bytes = b"{", detail: str = "unexpected end") -> Reject:
    return Reject("eventhub/ns/hub/0/1", number, ordinal, "invalid_json", detail, body, len(body))


def _dropped(database: Database) -> int:
    with database.connect() as connection:
        return counts.read(connection, TODAY, TODAY).get(TODAY, {}).get(rejects.DROPPED, 0)


def test_a_reject_comes_back_as_it_was(database: Database, now: datetime) -> None:
    found = replace(_reject(7, ordinal=-1, body=b"\xff\x00"), enqueued_time=datetime(2026, 11, 22, 11, 0, tzinfo=UTC))
    with database.begin() as connection:
        assert rejects.store(connection, [found], now=now) == 1
        kept = rejects.get(connection, ("eventhub/ns/hub/0/1", 7, -1))
    assert (kept.body, kept.reason, kept.enqueued_time) == (b"\xff\x00", "invalid_json", found.enqueued_time)
    assert (kept.rejected_at, kept.replayed_at, kept.whole) == (now, None, True)


def test_storing_again_is_harmless(database: Database, now: datetime) -> None:
    with database.begin() as connection:
        assert rejects.store(connection, [_reject(1), _reject(2)], now=now) == 2
        assert rejects.store(connection, [_reject(2, detail="other"), _reject(3), _reject(3)], now=now) == 1
        assert [reject.detail for reject in rejects.recent(connection, limit=9)] == ["unexpected end"] * 3


def test_storing_none_is_nothing(database: Database, now: datetime) -> None:
    with database.begin() as connection:
        assert rejects.store(connection, [], now=now) == 0


def test_a_body_is_capped_and_its_length_remembered(database: Database, now: datetime) -> None:
    with database.begin() as connection:
        rejects.store(connection, [_reject(1, body=b"x" * 70_000)], now=now)
        (kept,) = rejects.recent(connection, limit=1)
    assert (len(kept.body), kept.body_length, kept.whole) == (65_536, 70_000, False)


def test_text_that_a_database_cannot_hold_is_escaped(database: Database, now: datetime) -> None:
    with database.begin() as connection:
        rejects.store(connection, [_reject(1, detail="tag \x00 \ud800 é")], now=now)
        (kept,) = rejects.recent(connection, limit=1)
    assert kept.detail == "tag \\x00 \\ud800 é"


def test_a_flood_is_capped_in_bytes_and_the_rest_counted(
    database: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejects, "MAX_TOTAL_BYTES", 10_000)
    flood = [_reject(number, body=b"x" * 1_000) for number in range(20)]
    with database.begin() as connection:
        first = rejects.store(connection, flood[:5], now=now)
        second = rejects.store(connection, flood[5:], now=now)
    assert (first, second) == (5, 3)
    assert _dropped(database) == 12


def test_rows_without_bodies_fill_the_cap_too(
    database: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejects, "MAX_TOTAL_BYTES", 10_000)
    with database.begin() as connection:
        kept = rejects.store(connection, [_reject(n, body=b"", detail="") for n in range(1_000)], now=now)
    assert kept == 50


def test_a_reject_kept_before_the_flood_is_not_counted_as_dropped(
    database: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.begin() as connection:
        rejects.store(connection, [_reject(1)], now=now)
    monkeypatch.setattr(rejects, "MAX_TOTAL_BYTES", 0)
    with database.begin() as connection:
        assert rejects.store(connection, [_reject(1)], now=now) == 0
    assert _dropped(database) == 0


def test_expired_dates_make_room(database: Database, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejects, "MAX_TOTAL_BYTES", 1_000)
    with database.begin() as connection:
        rejects.store(connection, [_reject(1, body=b"x" * 700)], now=now - timedelta(days=1))
        assert rejects.store(connection, [_reject(2, body=b"x" * 700)], now=now) == 0
        assert rejects.expire(connection, TODAY) == 1
        assert rejects.store(connection, [_reject(2, body=b"x" * 700)], now=now) == 1
        assert [kept.sequence_number for kept in rejects.recent(connection, limit=9)] == [2]


def test_the_list_is_newest_first_and_can_leave_out_the_replayed(database: Database, now: datetime) -> None:
    with database.begin() as connection:
        for number in (1, 2, 3):
            rejects.store(connection, [_reject(number)], now=now + timedelta(minutes=number))
        rejects.mark_replayed(connection, [("eventhub/ns/hub/0/1", 2, 0)], now=now)
        both = rejects.recent(connection, limit=2)
        pending = rejects.recent(connection, limit=9, pending_only=True)
        other = rejects.recent(connection, limit=9, reason="missing_member")
    assert [reject.sequence_number for reject in both] == [3, 2]
    assert [reject.sequence_number for reject in pending] == [3, 1]
    assert other == []
    assert both[1].replayed_at == now


def test_a_reject_that_does_not_exist_is_not_found(database: Database) -> None:
    with pytest.raises(NotFoundError, match="no reject 0 at 5 of nowhere"), database.connect() as connection:
        rejects.get(connection, ("nowhere", 5, 0))
