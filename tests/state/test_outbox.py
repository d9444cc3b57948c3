"""The outbox: what is due, in which order, to whom, and what becomes of it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from acrwatch.core.errors import NotFoundError, StoreError
from storage.state import outbox
from storage.state.database import Database
from storage.state.dialect import database_time
from storage.state.outbox import Attempt, Delivery
from tests.state.leased import let_leases_end

CREATED, UPDATED, CLOSED = "alert.created", "alert.updated", "alert.closed"
LEASE = timedelta(minutes=2)
MINUTE = timedelta(minutes=1)


def _enqueue(
    database: Database, now: datetime, kind: str, revision: int, *, alert: str = "A", to: Sequence[str] = ("siem",)
) -> None:
    with database.begin() as connection:
        outbox.enqueue(connection, destinations=to, alert_id=alert, type=kind, revision=revision, body="{}", now=now)


def _claim(
    database: Database, now: datetime, *, to: str = "siem", owner: str = "w1", limit: int = 10
) -> list[Delivery]:
    with database.begin() as connection:
        return list(outbox.claim(connection, to, owner=owner, lease=LEASE, limit=limit, now=now))


def _claim_one(database: Database, now: datetime) -> Delivery:
    (one,) = _claim(database, now)
    return one


def _sent(database: Database, delivery: Delivery, at: datetime) -> None:
    with database.begin() as connection:
        outbox.finish(connection, delivery, Attempt(at, 0.0, "sent", 200))


def _retry(database: Database, delivery: Delivery, at: datetime, not_before: datetime) -> None:
    with database.begin() as connection:
        outbox.retry_later(connection, delivery, Attempt(at, 0.5, "retry", 503, "busy"), not_before=not_before)


def _dead(database: Database, delivery: Delivery, at: datetime) -> None:
    with database.begin() as connection:
        outbox.dead(connection, delivery, Attempt(at, 0.0, "dead", 410))


def _all(database: Database) -> list[Delivery]:
    with database.connect() as connection:
        return list(outbox.recent(connection, limit=100))[::-1]


def test_ids_name_the_alert_revision_destination_and_type() -> None:
    assert outbox.delivery_id("01J", 3, "siem.eu", UPDATED) == "alr_01J_3_siem~eu_updated"


def test_ids_differ_wherever_anything_differs() -> None:
    made = {
        outbox.delivery_id(alert, revision, destination, kind)
        for alert in ("a", "b")
        for revision in (1, 11)
        for destination in ("x", "x.y", "x-y", "x_y")
        for kind in (CREATED, UPDATED, CLOSED)
    }
    assert len(made) == 48
    assert not any("." in one for one in made)


def test_the_same_revision_cannot_be_enqueued_twice(database: Database, now: datetime) -> None:
    _enqueue(database, now, CREATED, 1)
    with pytest.raises(StoreError):
        _enqueue(database, now, CREATED, 1)


def test_every_destination_gets_its_own_delivery(database: Database, now: datetime) -> None:
    _enqueue(database, now, CREATED, 1, to=("siem", "pager"))
    assert [one.destination for one in _claim(database, now, to="pager")] == ["pager"]
    assert [one.destination for one in _claim(database, now)] == ["siem"]


def test_nothing_is_written_if_the_alert_change_fails(database: Database, now: datetime) -> None:
    with pytest.raises(ZeroDivisionError):
        _enqueue_and_fail(database, now)
    assert _all(database) == []


def _enqueue_and_fail(database: Database, now: datetime) -> None:
    with database.begin() as connection:
        outbox.enqueue(connection, destinations=["siem"], alert_id="A", type=CREATED, revision=1, body="{}", now=now)
        raise ZeroDivisionError


# --- folding ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kinds", "states"),
    [
        ([CREATED, UPDATED], ["pending", "pending"]),
        ([CREATED, UPDATED, UPDATED], ["pending", "folded", "pending"]),
        ([UPDATED, UPDATED, UPDATED], ["folded", "folded", "pending"]),
        ([CREATED, UPDATED, CLOSED], ["pending", "pending", "pending"]),
        ([CREATED, CLOSED, UPDATED], ["pending", "pending", "pending"]),
        ([UPDATED, CLOSED, UPDATED], ["folded", "pending", "pending"]),
        ([CLOSED, CREATED, CLOSED], ["pending", "pending", "pending"]),
    ],
)
def test_only_unsent_updates_fold_into_a_newer_update(
    database: Database, now: datetime, kinds: list[str], states: list[str]
) -> None:
    for revision, kind in enumerate(kinds):
        _enqueue(database, now, kind, revision)
    assert [one.status for one in _all(database)] == states


@pytest.mark.parametrize(("alert", "to"), [("B", "siem"), ("A", "pager")])
def test_updates_of_another_alert_or_destination_do_not_fold(
    database: Database, now: datetime, alert: str, to: str
) -> None:
    _enqueue(database, now, UPDATED, 1)
    _enqueue(database, now, UPDATED, 2, alert=alert, to=[to])
    assert [one.status for one in _all(database)] == ["pending", "pending"]


def test_an_update_being_sent_does_not_fold_and_the_next_waits(database: Database, now: datetime) -> None:
    _enqueue(database, now, UPDATED, 1)
    _claim(database, now)
    _enqueue(database, now + MINUTE, UPDATED, 2)
    assert [(one.status, one.not_before) for one in _all(database)] == [
        ("pending", now),
        ("pending", now + 5 * MINUTE),
    ]


def test_an_update_whose_lease_ran_out_folds(database: Database, now: datetime) -> None:
    _enqueue(database, now, UPDATED, 1)
    _claim(database, now)
    let_leases_end(database)
    _enqueue(database, now, UPDATED, 2)
    assert [one.status for one in _all(database)] == ["folded", "pending"]


def test_the_first_update_is_due_at_once(database: Database, now: datetime) -> None:
    _enqueue(database, now, UPDATED, 1)
    assert [one.not_before for one in _all(database)] == [now]


def test_a_folding_update_takes_over_the_due_time(database: Database, now: datetime) -> None:
    """However many updates arrive, the notice is not pushed further and further away."""
    _enqueue(database, now, UPDATED, 1)
    _sent(database, _claim_one(database, now), now)
    for revision in range(2, 6):
        _enqueue(database, now + revision * MINUTE, UPDATED, revision)
    assert [one.not_before for one in _all(database) if one.status == "pending"] == [now + 5 * MINUTE]


def test_an_update_long_after_the_last_is_due_at_once(database: Database, now: datetime) -> None:
    _enqueue(database, now, UPDATED, 1)
    _sent(database, _claim_one(database, now), now)
    _enqueue(database, now + 6 * MINUTE, UPDATED, 2)
    assert _all(database)[-1].not_before == now + 6 * MINUTE


def test_five_minutes_count_from_the_time_it_was_sent(database: Database, now: datetime) -> None:
    _enqueue(database, now, UPDATED, 1)
    _sent(database, _claim_one(database, now + 3 * MINUTE), now + 3 * MINUTE)
    _enqueue(database, now + 4 * MINUTE, UPDATED, 2)
    assert _all(database)[-1].not_before == now + 8 * MINUTE


def test_a_close_does_not_wait_for_an_update_before_it_whose_time_has_not_come(
    database: Database, now: datetime
) -> None:
    _enqueue(database, now, UPDATED, 1)
    _sent(database, _claim_one(database, now), now)
    _enqueue(database, now + MINUTE, UPDATED, 2)
    _enqueue(database, now + 2 * MINUTE, CLOSED, 3)
    update = _claim_one(database, now + 2 * MINUTE)
    _sent(database, update, now + 2 * MINUTE)
    assert (update.revision, _claim_one(database, now + 2 * MINUTE).revision) == (2, 3)


def test_a_close_waits_for_an_update_before_it_that_failed(database: Database, now: datetime) -> None:
    _enqueue(database, now, UPDATED, 1)
    _retry(database, _claim_one(database, now), now, now + 5 * MINUTE)
    _enqueue(database, now + MINUTE, CLOSED, 2)
    assert _claim(database, now + 2 * MINUTE) == []
    assert _claim_one(database, now + 5 * MINUTE).revision == 1


def test_a_folded_update_is_never_claimed(database: Database, now: datetime) -> None:
    _enqueue(database, now, UPDATED, 1)
    _enqueue(database, now, UPDATED, 2)
    assert [one.revision for one in _claim(database, now)] == [2]


# --- claiming -----------------------------------------------------------------------------------------------------


def test_a_claimed_delivery_is_not_claimed_again_until_its_lease_ends(database: Database, now: datetime) -> None:
    _enqueue(database, now, CREATED, 1)
    (first,) = _claim(database, now)
    assert _claim(database, now, owner="w2") == []
    let_leases_end(database)
    (again,) = _claim(database, now, owner="w2")
    assert (again.id, again.lease_owner) == (first.id, "w2")


HOUR = timedelta(hours=1)


@pytest.mark.parametrize("ahead", [-HOUR, HOUR])
def test_clocks_an_hour_apart_do_not_share_a_lease(database: Database, ahead: timedelta) -> None:
    """Neither takes over what the other sends just now, and an update does not fold what is being sent."""
    ours = datetime.now(UTC)
    theirs = ours + ahead
    _enqueue(database, ours, UPDATED, 1)
    (mine,) = _claim(database, ours, owner="w1")
    assert mine.lease_until is not None
    with database.connect() as connection:
        assert timedelta() < mine.lease_until - database_time(connection) <= LEASE
        assert outbox.due(connection, ["siem"], now=theirs) == []
    assert _claim(database, theirs, owner="w2") == []
    _enqueue(database, theirs, UPDATED, 2)
    assert [one.status for one in _all(database)] == ["pending", "pending"]


def test_a_lease_taken_before_the_clock_went_back_holds_nothing_up(database: Database, now: datetime) -> None:
    _enqueue(database, now, CREATED, 1)
    with database.begin() as connection:
        outbox.claim(connection, "siem", owner="dead", lease=timedelta(hours=5), limit=1, now=now)
    assert [one.lease_owner for one in _claim(database, now, owner="w2")] == ["w2"]


def test_what_a_clock_an_hour_ahead_finds_due_at_once_is_due_at_once(database: Database, now: datetime) -> None:
    _enqueue(database, now + HOUR, CREATED, 1)
    with database.connect() as connection:
        assert outbox.due(connection, ["siem"], now=now) == ["siem"]
    taken = _claim_one(database, now)
    _retry(database, taken, now, now + MINUTE)
    assert _claim(database, now) == [], "what failed waits for its time, whoever wrote it"


def test_a_pending_earlier_one_blocks_the_later_ones_of_its_alert(database: Database, now: datetime) -> None:
    _enqueue(database, now, CREATED, 1)
    _enqueue(database, now, CLOSED, 2)
    _enqueue(database, now, CREATED, 1, alert="B")
    (first, other) = _claim(database, now)
    assert [(one.alert_id, one.type) for one in (first, other)] == [("A", CREATED), ("B", CREATED)]
    _retry(database, first, now, now + MINUTE)
    assert _claim(database, now) == []
    _sent(database, _claim_one(database, now + MINUTE), now + MINUTE)
    assert [one.type for one in _claim(database, now + MINUTE)] == [CLOSED]


def test_a_dead_one_does_not_block(database: Database, now: datetime) -> None:
    _enqueue(database, now, CREATED, 1)
    _enqueue(database, now, CLOSED, 2)
    _dead(database, _claim_one(database, now), now)
    assert [one.type for one in _claim(database, now)] == [CLOSED]


def test_the_oldest_come_first_up_to_the_limit(database: Database, now: datetime) -> None:
    for alert in "CAB":
        _enqueue(database, now, CREATED, 1, alert=alert)
    assert [one.alert_id for one in _claim(database, now, limit=2)] == ["C", "A"]
    assert [one.alert_id for one in _claim(database, now, limit=2)] == ["B"]


def test_what_is_not_due_yet_is_not_claimed(database: Database, now: datetime) -> None:
    _enqueue(database, now, UPDATED, 1)
    _sent(database, _claim_one(database, now), now)
    _enqueue(database, now, UPDATED, 2)
    assert _claim(database, now) == []


def test_two_that_claim_at_once_never_get_the_same(database: Database, now: datetime) -> None:
    for alert in "ABCD":
        _enqueue(database, now, CREATED, 1, alert=alert)
    with ThreadPoolExecutor(1) as pool, database.begin() as connection:
        first = outbox.claim(connection, "siem", owner="w1", lease=LEASE, limit=2, now=now)
        second = pool.submit(_claim, database, now, owner="w2", limit=2)
        with suppress(TimeoutError):
            second.result(timeout=0.2)  # PostgreSQL skips what is locked; SQLite waits for the commit below
        connection.commit()
        assert [one.alert_id for one in first] == ["A", "B"]
        assert [one.alert_id for one in second.result(timeout=30)] in (["C", "D"], [])
    assert {(one.alert_id, one.lease_owner) for one in _all(database)} >= {("A", "w1"), ("B", "w1")}


def test_due_names_the_destinations_worth_a_claim(database: Database, now: datetime) -> None:
    _enqueue(database, now, CREATED, 1, to=["siem", "removed"])
    _enqueue(database, now, CREATED, 1, to=["later"])
    with database.begin() as connection:
        outbox.hold(connection, "later", until=now + MINUTE)
    with database.connect() as connection:
        assert outbox.due(connection, ["siem", "later"], now=now) == ["siem"]
    _claim(database, now)
    with database.connect() as connection:
        assert outbox.due(connection, ["siem", "later"], now=now) == []


# --- outcomes -----------------------------------------------------------------------------------------------------


def test_every_attempt_is_recorded(database: Database, now: datetime) -> None:
    _enqueue(database, now, CREATED, 1)
    (first,) = _claim(database, now)
    _retry(database, first, now, now + MINUTE)
    (second,) = _claim(database, now + MINUTE)
    _sent(database, second, now + MINUTE)
    with database.connect() as connection:
        assert outbox.tried(connection, first.id) == [
            Attempt(now, 0.5, "retry", 503, "busy"),
            Attempt(now + MINUTE, 0.0, "sent", 200),
        ]
    assert [(one.status, one.attempts, one.finished_at) for one in _all(database)] == [("sent", 2, now + MINUTE)]


def test_a_late_failure_does_not_disturb_who_took_over(database: Database, now: datetime) -> None:
    _enqueue(database, now, CREATED, 1)
    (slow,) = _claim(database, now, owner="slow")
    let_leases_end(database)
    (quick,) = _claim(database, now, owner="quick")
    _dead(database, slow, now + LEASE)
    _retry(database, slow, now + LEASE, now + 9 * LEASE)
    assert _all(database) == [quick]


def test_a_late_success_counts(database: Database, now: datetime) -> None:
    _enqueue(database, now, CREATED, 1)
    (slow,) = _claim(database, now, owner="slow")
    let_leases_end(database)
    _claim(database, now, owner="quick")
    _sent(database, slow, now + LEASE)
    assert [one.status for one in _all(database)] == ["sent"]


def test_released_deliveries_are_due_again_untouched(database: Database, now: datetime) -> None:
    _enqueue(database, now, CREATED, 1)
    claimed = _claim(database, now)
    with database.begin() as connection:
        outbox.release(connection, claimed)
    (again,) = _claim(database, now)
    assert (again.attempts, again.not_before) == (0, now)


def test_a_held_destination_waits_and_others_do_not(database: Database, now: datetime) -> None:
    _enqueue(database, now, CREATED, 1)
    _enqueue(database, now, CREATED, 1, alert="B", to=["pager"])
    with database.begin() as connection:
        outbox.hold(connection, "siem", until=now + MINUTE)
    assert _claim(database, now) == []
    assert len(_claim(database, now, to="pager")) == 1
    assert len(_claim(database, now + MINUTE)) == 1


@pytest.mark.parametrize("which", ["siem", "alr_A_1_siem_created"])
def test_dead_deliveries_can_be_retried_by_destination_or_id(database: Database, now: datetime, which: str) -> None:
    _enqueue(database, now, CREATED, 1)
    _dead(database, _claim_one(database, now), now)
    with database.begin() as connection:
        assert outbox.retry_dead(connection, which, now=now + MINUTE) == 1
        assert outbox.retry_dead(connection, which, now=now + MINUTE) == 0
    (again,) = _claim(database, now + MINUTE)
    assert (again.id, again.attempts, again.finished_at) == ("alr_A_1_siem_created", 0, None)


def test_retrying_what_does_not_exist_is_an_error(database: Database, now: datetime) -> None:
    with pytest.raises(NotFoundError, match="'nobody'"), database.begin() as connection:
        outbox.retry_dead(connection, "nobody", now=now)


def test_a_destination_has_dead_ones_until_they_are_retried(database: Database, now: datetime) -> None:
    _enqueue(database, now, CREATED, 1)
    _dead(database, _claim_one(database, now), now)
    with database.begin() as connection:
        assert outbox.has_dead(connection, "siem")
        assert not outbox.has_dead(connection, "pager")
        outbox.retry_dead(connection, "siem", now=now)
        assert not outbox.has_dead(connection, "siem")


def test_the_tally_counts_what_is_pending_and_dead(database: Database, now: datetime) -> None:
    for alert in "ABC":
        _enqueue(database, now, CREATED, 1, alert=alert)
    first, second, _third = _claim(database, now)
    _dead(database, first, now)
    _sent(database, second, now)
    with database.connect() as connection:
        assert outbox.tally(connection) == {("siem", "dead"): 1, ("siem", "pending"): 1}


def test_what_has_waited_for_long_is_overdue(database: Database, now: datetime) -> None:
    _enqueue(database, now, CREATED, 1, alert="A", to=["siem", "pager"])
    _enqueue(database, now + MINUTE, CREATED, 1, alert="B")
    _sent(database, _claim(database, now, to="pager")[0], now)
    later = now + outbox.LATE + MINUTE
    with database.connect() as connection:
        assert outbox.overdue(connection, now=now + outbox.LATE) == {}
        assert outbox.overdue(connection, now=later) == {"siem": (1, now)}
        assert outbox.overdue(connection, now=later + MINUTE) == {"siem": (2, now)}
