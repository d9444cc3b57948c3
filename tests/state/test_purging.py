"""What is forgotten after a while, and what never is."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from acrwatch.core.model import Reject
from storage.state import outbox, purging, rejects, runs
from storage.state.database import Database
from storage.state.outbox import Attempt
from storage.state.purging import Purged, purge
from storage.state.runs import FAILED, SUCCEEDED, Run
from storage.state.tables import attempts
from storage.state.tables import runs as kept

DAY = timedelta(days=1)
KEEP = 30 * DAY


def _deliver(database: Database, at: datetime, alert: str, outcome: str | None) -> None:
    """Write a delivery at that moment, and what came of it then; None: nothing yet."""
    with database.begin() as connection:
        outbox.enqueue(
            connection, destinations=["siem"], alert_id=alert, type="alert.created", revision=1, body="{}", now=at
        )
        (taken,) = outbox.claim(connection, "siem", owner="w", lease=DAY, limit=1, now=at)
        if outcome == "sent":
            outbox.finish(connection, taken, Attempt(at, 0.0, "sent", 200))
        elif outcome == "dead":
            outbox.dead(connection, taken, Attempt(at, 0.0, "dead", 410))


def _run(database: Database, at: datetime, outcome: str = SUCCEEDED, *, slug: str = "rule", **counts: int) -> None:
    run: Any = Run(slug, "1", at, at, outcome, 5)
    with database.begin() as connection:
        runs.record(connection, replace(run, **counts))


def _purge(database: Database, now: datetime) -> Purged:
    return purge(database, now=now, keep=KEEP)


def _left(database: Database) -> list[str | None]:
    with database.connect() as connection:
        return [one.alert_id for one in outbox.recent(connection, limit=100)]


def _runs(database: Database) -> list[datetime]:
    with database.connect() as connection:
        return list(connection.execute(select(kept.c.finished_at).order_by(kept.c.id)).scalars())


def test_deliveries_that_arrived_long_ago_go_with_their_attempts(database: Database, now: datetime) -> None:
    _deliver(database, now - KEEP - DAY, "old", "sent")
    _deliver(database, now - KEEP + DAY, "young", "sent")
    assert _purge(database, now) == Purged(deliveries=1)
    assert _left(database) == ["young"]
    with database.connect() as connection:
        tried = list(connection.execute(select(attempts.c.delivery_id)).scalars())
    assert tried == ["alr_young_1_siem_created"]


def test_updates_that_were_folded_go_too(database: Database, now: datetime) -> None:
    with database.begin() as connection:
        for revision in (1, 2):
            outbox.enqueue(
                connection,
                destinations=["siem"],
                alert_id="A",
                type="alert.updated",
                revision=revision,
                body="{}",
                now=now - KEEP - DAY,
            )
    assert _purge(database, now) == Purged(deliveries=1)
    with database.connect() as connection:
        assert [one.revision for one in outbox.recent(connection, limit=9)] == [2]


@pytest.mark.parametrize("outcome", ["dead", None])
def test_what_was_not_delivered_stays_however_old(database: Database, now: datetime, outcome: str | None) -> None:
    _deliver(database, now - 99 * KEEP, "A", outcome)
    assert _purge(database, now) == Purged()
    assert _left(database) == ["A"]


def test_runs_go_after_the_retention_and_those_in_which_nothing_happened_after_a_day(
    database: Database, now: datetime
) -> None:
    _run(database, now - KEEP - DAY, matched=1)
    _run(database, now - 3 * DAY, matched=1)
    _run(database, now - 3 * DAY, unjudged=1)
    _run(database, now - 3 * DAY, alerts_updated=1)
    _run(database, now - 3 * DAY, FAILED)
    _run(database, now - 3 * DAY)
    _run(database, now - DAY / 2)
    assert _purge(database, now) == Purged(runs=2)
    assert _runs(database) == [now - 3 * DAY] * 4 + [now - DAY / 2]


def test_the_last_run_of_each_detection_stays(database: Database, now: datetime) -> None:
    for slug in ("one", "other"):
        _run(database, now - 99 * KEEP, slug=slug)
    assert _purge(database, now) == Purged()


def test_a_heap_goes_in_many_transactions(database: Database, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "_AT_ONCE", 2)
    for number in range(5):
        _deliver(database, now - KEEP - DAY, f"A{number}", "sent")
        _run(database, now - KEEP - DAY)
    assert _purge(database, now) == Purged(deliveries=5, runs=4)


def _refuse(database: Database, at: datetime, number: int, *, replayed: datetime | None = None) -> None:
    with database.begin() as connection:
        rejects.store(connection, [Reject("s", number, 0, "invalid_json", "é", b"x" * 700, 700)], now=at)
        if replayed is not None:
            rejects.mark_replayed(connection, [("s", number, 0)], now=replayed)


def _refused(database: Database) -> list[int]:
    with database.connect() as connection:
        return sorted(one.sequence_number for one in rejects.recent(connection, limit=9))


def test_rejects_that_became_events_go_after_the_retention_and_make_room(
    database: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejects, "MAX_TOTAL_BYTES", 2_000)
    _refuse(database, now - 40 * DAY, 1, replayed=now - 31 * DAY)
    _refuse(database, now - 40 * DAY, 2)
    _refuse(database, now, 3)
    assert _refused(database) == [1, 2]

    assert _purge(database, now) == Purged(rejects=1)
    _refuse(database, now, 3)
    assert _refused(database) == [2, 3]


def test_rejects_that_wait_go_with_the_events_of_their_time(database: Database, now: datetime) -> None:
    for number, days in enumerate((400, 200)):
        _refuse(database, now - days * DAY, number)
    assert _purge(database, now) == Purged()
    assert purge(database, now=now, keep=KEEP, events_from=(now - 365 * DAY).date()) == Purged(rejects=1)
    assert _refused(database) == [1]


def test_old_rejects_give_way_where_there_is_no_room_for_new_ones(
    database: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejects, "MAX_TOTAL_BYTES", 1_900)
    _refuse(database, now - KEEP - 2 * DAY, 1)
    _refuse(database, now - DAY, 2)
    _refuse(database, now, 3)
    assert _refused(database) == [1, 2]

    assert _purge(database, now) == Purged(rejects=1)
    _refuse(database, now, 3)
    assert _refused(database) == [2, 3]
