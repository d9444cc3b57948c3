"""The worker: everything due is sent once, in order, and whatever happens is on record."""

import random
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import pytest

from acrwatch.delivery.schedule import SCHEDULE
from acrwatch.delivery.sinks import Outcome, Outgoing, Sink
from acrwatch.delivery.sinks.webhook import TOTAL_SECONDS
from acrwatch.delivery.worker import LEASE, TURN, Summary, deliver_due, ping
from storage.state import incidents, outbox
from storage.state.database import Database
from storage.state.outbox import Delivery
from tests.delivery.receiver import NOW, MovableClock, Receiver, open_webhook

Enqueue = Callable[..., None]
NOTHING = Summary()


@pytest.fixture
def deliver(database: Database, clock: MovableClock, webhook: Sink) -> Callable[..., Summary]:
    """Run the worker once, for the destination `siem` unless told otherwise."""

    def run(sinks: Mapping[str, Sink] | None = None) -> Summary:
        return deliver_due(database, sinks or {"siem": webhook}, clock=clock, rng=random.Random(1))

    return run


Deliver = Callable[..., Summary]


def _all(database: Database) -> list[Delivery]:
    with database.connect() as connection:
        return list(outbox.recent(connection, limit=1_000))[::-1]


def test_nothing_due_is_nothing_done(deliver: Deliver) -> None:
    assert deliver() == NOTHING


def test_what_is_due_is_sent_once(deliver: Deliver, enqueue: Enqueue, receiver: Receiver) -> None:
    enqueue(body='{"data": "é"}')
    assert deliver() == Summary(sent=1)
    assert deliver() == NOTHING
    assert [one.body for one in receiver.received] == ['{"data": "é"}'.encode()]
    assert receiver.ids() == ["alr_A_1_siem_created"]


def test_an_alerts_deliveries_arrive_in_order_in_one_call(
    deliver: Deliver, enqueue: Enqueue, receiver: Receiver
) -> None:
    enqueue(kind="alert.created", revision=1)
    enqueue(kind="alert.updated", revision=2)
    enqueue(kind="alert.closed", revision=3)
    assert deliver() == Summary(sent=3)
    assert [one.rpartition("_")[2] for one in receiver.ids()] == ["created", "updated", "closed"]


def test_more_than_a_batch_is_sent_in_one_call(deliver: Deliver, enqueue: Enqueue, receiver: Receiver) -> None:
    for number in range(25):
        enqueue(f"A{number:02}")
    assert deliver() == Summary(sent=25)
    assert receiver.ids() == [f"alr_A{number:02}_1_siem_created" for number in range(25)]


def test_a_failure_is_repeated_byte_for_byte_under_the_same_id(
    deliver: Deliver, enqueue: Enqueue, receiver: Receiver, clock: MovableClock
) -> None:
    receiver.answers = [(503, {}, b""), (200, {}, b"")]
    enqueue(body='{"b": 1, "a":2}')
    assert deliver() == Summary(retried=1)
    clock.move(timedelta(seconds=7))
    assert deliver() == Summary(sent=1)
    first, second = receiver.received
    assert first.body == second.body == b'{"b": 1, "a":2}'
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 7


def test_a_failure_waits_for_its_time(
    deliver: Deliver, enqueue: Enqueue, receiver: Receiver, clock: MovableClock
) -> None:
    receiver.answers = [(503, {}, b"")]
    enqueue()
    deliver()
    clock.move(timedelta(seconds=3))
    assert deliver() == NOTHING


def test_the_receivers_wish_holds_the_whole_destination_back(
    deliver: Deliver, enqueue: Enqueue, receiver: Receiver, clock: MovableClock
) -> None:
    receiver.answers = [(429, {"retry-after": "600"}, b""), (200, {}, b"")]
    for alert in "ABC":
        enqueue(alert)
    assert deliver() == Summary(retried=1)
    clock.move(timedelta(seconds=599))
    assert deliver() == NOTHING
    clock.move(timedelta(seconds=1))
    assert deliver() == Summary(sent=3)


def test_one_failing_delivery_does_not_stop_the_others(deliver: Deliver, enqueue: Enqueue, receiver: Receiver) -> None:
    receiver.answers = [(500, {}, b""), (200, {}, b"")]
    for alert in "ABC":
        enqueue(alert)
    assert deliver() == Summary(sent=2, retried=1)


def test_a_destination_that_is_down_is_left_alone_after_three_and_the_log_says_why_once(
    deliver: Deliver, enqueue: Enqueue, receiver: Receiver, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answers = [(500, {}, b"")]
    for number in range(8):
        enqueue(f"A{number}")
    assert deliver() == Summary(retried=3)
    assert [one.attempts for one in _all(database)] == [1, 1, 1, 0, 0, 0, 0, 0]
    assert [one.lease_owner for one in _all(database)] == [None] * 8
    assert caplog.messages == ["siem did not take alr_A0_1_siem_created: HTTP 500"]


def test_after_ten_attempts_it_is_dead_and_an_incident(
    deliver: Deliver, enqueue: Enqueue, receiver: Receiver, clock: MovableClock, database: Database
) -> None:
    receiver.answers = [(500, {}, b"broken")]
    enqueue()
    results = []
    for _ in SCHEDULE:
        results.append(deliver())
        clock.move(timedelta(hours=29))
    assert results == [Summary(retried=1)] * 9 + [Summary(dead=1)]
    assert deliver() == NOTHING
    assert [(one.status, one.attempts) for one in _all(database)] == [("dead", 10)]
    with database.connect() as connection:
        (incident,) = incidents.current(connection)
        assert len(outbox.tried(connection, "alr_A_1_siem_created")) == 10
    assert (incident.key, incident.kind) == ("dead_letter/siem", "dead_letter")
    assert "HTTP 500 broken" in incident.message
    assert "acrwatch deliveries retry siem" in incident.remedy


def test_what_the_last_attempt_brings_is_sent_and_not_dead(
    deliver: Deliver, enqueue: Enqueue, receiver: Receiver, clock: MovableClock, database: Database
) -> None:
    receiver.answers = [(500, {}, b"")]
    enqueue()
    for _ in SCHEDULE[:-1]:
        assert deliver() == Summary(retried=1)
        clock.move(timedelta(hours=29))
    receiver.answers = [(200, {}, b"")]
    assert deliver() == Summary(sent=1)
    assert [(one.status, one.attempts) for one in _all(database)] == [("sent", 10)]


def test_what_is_begun_within_the_lease_ends_within_it() -> None:
    assert TURN + timedelta(seconds=TOTAL_SECONDS) < LEASE


def test_a_refusal_is_dead_at_once_and_others_go_on(
    deliver: Deliver, enqueue: Enqueue, receiver: Receiver, database: Database
) -> None:
    receiver.answers = [(410, {}, b""), (200, {}, b"")]
    enqueue("A")
    enqueue("B")
    assert deliver() == Summary(sent=1, dead=1)
    assert [one.status for one in _all(database)] == ["dead", "sent"]


def test_the_incident_ends_when_the_dead_have_been_delivered(
    deliver: Deliver, enqueue: Enqueue, receiver: Receiver, database: Database
) -> None:
    receiver.answers = [(410, {}, b""), (200, {}, b"")]
    enqueue("A")
    enqueue("B")
    deliver()
    with database.begin() as connection:
        assert len(incidents.current(connection)) == 1, "B arrived, but A is still dead"
        outbox.retry_dead(connection, "siem", now=NOW)
    assert deliver() == Summary(sent=1)
    with database.connect() as connection:
        assert incidents.current(connection) == []


def test_an_attempt_is_recorded_with_what_was_answered(
    deliver: Deliver, enqueue: Enqueue, receiver: Receiver, database: Database
) -> None:
    receiver.answers = [(503, {}, b"busy")]
    enqueue()
    deliver()
    with database.connect() as connection:
        (attempt,) = outbox.tried(connection, "alr_A_1_siem_created")
    assert (attempt.at, attempt.outcome, attempt.status_code, attempt.detail) == (NOW, "retry", 503, "HTTP 503 busy")


class BrokenSink:
    """A sink with a defect, whose message quotes a secret."""

    def send(self, outgoing: Outgoing) -> Outcome:
        raise KeyError("hunter2", outgoing.id)

    def close(self) -> None:
        """Nothing is held."""


def test_a_defect_of_a_sink_is_recorded_and_stops_nobody(
    deliver: Deliver, enqueue: Enqueue, database: Database, webhook: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    enqueue(to=["broken", "siem"])
    assert deliver({"broken": BrokenSink(), "siem": webhook}) == Summary(sent=1, retried=1)
    with database.connect() as connection:
        (attempt,) = outbox.tried(connection, "alr_A_1_broken_created")
    assert "KeyError at test_worker.py:" in (attempt.detail or "")
    assert "hunter2" not in caplog.text + (attempt.detail or "")


def test_a_hanging_destination_does_not_hold_up_another(
    deliver: Deliver, enqueue: Enqueue, receiver: Receiver, webhook: Sink
) -> None:
    """The first destination answers only once the second has got all of its own."""
    quick = Receiver()
    everything_else_is_there = threading.Event()

    class QuickSink(BrokenSink):
        def send(self, outgoing: Outgoing) -> Outcome:
            quick.received.append(outgoing)  # type: ignore[arg-type]
            if len(quick.received) == 20:
                everything_else_is_there.set()
            return Outcome("sent")

    waited: list[bool] = []
    receiver.before_answer = lambda _: waited.append(everything_else_is_there.wait(timeout=10))
    for number in range(20):
        enqueue(f"A{number:02}", to=["the-other"])
    enqueue("A00")
    assert deliver({"siem": webhook, "the-other": QuickSink()}) == Summary(sent=21)
    assert waited == [True]


def test_a_slow_destination_leaves_the_others_their_turn_however_much_waits_for_it(
    deliver: Deliver, enqueue: Enqueue, receiver: Receiver, clock: MovableClock
) -> None:
    """Each answer takes ten seconds: the call ends after the second, and the next goes on where it ended."""
    for number in range(25):
        enqueue(f"A{number:02}")
    receiver.before_answer = lambda _: clock.move(timedelta(seconds=10))
    assert [deliver(), deliver()] == [Summary(sent=2)] * 2
    assert receiver.ids() == [f"alr_A{number:02}_1_siem_created" for number in range(4)]


def test_deliveries_of_a_removed_destination_stay_where_they_are(
    deliver: Deliver, enqueue: Enqueue, database: Database
) -> None:
    enqueue(to=["removed"])
    assert deliver() == NOTHING
    assert [one.status for one in _all(database)] == ["pending"]


def test_nothing_is_sent_inside_a_transaction(
    deliver: Deliver, enqueue: Enqueue, receiver: Receiver, database: Database
) -> None:
    """While the receiver thinks, another writer gets in: SQLite has room for one at a time."""

    def write(_: object) -> None:
        with database.begin() as connection:
            incidents.open(connection, "other", kind="other", message="", remedy="", now=NOW)

    receiver.before_answer = write
    enqueue()
    assert deliver() == Summary(sent=1)
    with database.connect() as connection:
        assert [one.key for one in incidents.current(connection)] == ["other"]


def test_two_workers_at_once_send_each_delivery_once(
    database: Database, enqueue: Enqueue, receiver: Receiver, clock: MovableClock
) -> None:
    for number in range(60):
        enqueue(f"A{number:02}")
    both = threading.Barrier(2)
    # The first two requests wait for each other: neither worker can do it all.
    receiver.before_answer = lambda one: _wait_if(one in receiver.received[:2], both)
    summaries: list[Summary] = []

    def work(seed: int) -> None:
        sinks = {"siem": open_webhook(receiver.url)}
        summaries.append(deliver_due(database, sinks, clock=clock, rng=random.Random(seed)))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(receiver.ids()) == [f"alr_A{number:02}_1_siem_created" for number in range(60)]
    assert sum(summary.sent for summary in summaries) == 60
    assert all(summary.sent > 0 for summary in summaries)


def _wait_if(wanted: bool, barrier: threading.Barrier) -> None:
    if wanted:
        barrier.wait(timeout=10)


def test_a_worker_never_sends_on_a_lease_that_is_over(
    deliver: Deliver, enqueue: Enqueue, receiver: Receiver, clock: MovableClock, database: Database
) -> None:
    """The clock jumps while the first is being sent: the second is claimed anew before it is sent."""
    enqueue("A")
    enqueue("B")
    ends: list[datetime | None] = []

    def jump(_: object) -> None:
        ends.extend(one.lease_until for one in _all(database) if one.id == receiver.ids()[-1])
        clock.move(LEASE)

    receiver.before_answer = jump
    assert [deliver(), deliver()] == [Summary(sent=1)] * 2
    first, second = ends
    assert first is not None
    assert second is not None
    assert second > first, "sent on the lease of the first claim"


def test_a_ping_says_what_it_is(receiver: Receiver, webhook: Sink, clock: MovableClock) -> None:
    assert ping(webhook, clock=clock, rng=random.Random(1)).result == "sent"
    (got,) = receiver.received
    assert got.body.startswith(b'{"type":"test.ping","timestamp":"2026-11-22T12:00:00.500000Z","data":{')
    assert got.headers["webhook-id"].startswith("ping_")
