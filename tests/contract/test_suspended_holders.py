"""A process that is suspended while it holds something, and resumed when others have done the work: nothing twice."""

import random
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from acrwatch.cli.session import Session
from acrwatch.core.clock import SystemClock
from acrwatch.delivery.worker import Summary, deliver_due
from scheduler import Parts
from storage.lake import Lake
from storage.state import incidents, leases, outbox, runs
from storage.state.database import Database
from tests.contract.child import SLUG
from tests.contract.conftest import Hold
from tests.delivery.receiver import NOW, MovableClock, Receiver, open_webhook
from tests.detections.conftest import Bench, Happening
from tests.state.leased import let_leases_end

MINUTE = timedelta(minutes=1)
ID = "alr_A_1_siem_created"


def _deliver_when_the_lease_is_over(database: Database, receiver: Receiver) -> Summary:
    let_leases_end(database)
    return deliver_due(database, {"siem": open_webhook(receiver.url)}, clock=MovableClock(), rng=random.Random(2))


def _enqueue(database: Database) -> None:
    with database.begin() as connection:
        what: Any = {"alert_id": "A", "type": "alert.created", "revision": 1}
        outbox.enqueue(connection, destinations=["siem"], body="{}", now=NOW, **what)


def _delivery(database: Database) -> tuple[str, int, str | None]:
    with database.connect() as connection:
        (found,) = outbox.recent(connection, limit=9)
    return found.status, found.attempts, found.lease_owner


def test_a_delivery_taken_over_is_recorded_once_and_sent_again_under_its_id(
    database: Database, database_url: str, receiver: Receiver, hold: Hold
) -> None:
    _enqueue(database)
    holder = hold("deliver", database_url, receiver.url)
    assert _deliver_when_the_lease_is_over(database, receiver) == Summary(sent=1)
    assert holder.resume() == 0
    assert receiver.ids() == [ID, ID]
    assert _delivery(database) == ("sent", 1, None)
    assert _deliver_when_the_lease_is_over(database, receiver) == Summary()


def test_a_late_refusal_does_not_undo_a_delivery_and_alarms_nobody(
    database: Database, database_url: str, receiver: Receiver, hold: Hold
) -> None:
    receiver.answers = [(200, {}, b""), (410, {}, b"")]
    _enqueue(database)
    holder = hold("deliver", database_url, receiver.url)
    assert _deliver_when_the_lease_is_over(database, receiver) == Summary(sent=1)
    assert holder.resume() == 0
    assert _delivery(database) == ("sent", 1, None)
    with database.connect() as connection:
        assert incidents.current(connection) == []


def _logins(first: int, count: int = 3) -> list[Happening]:
    return [
        Happening(n, at=n * MINUTE, operation="login", identity="contoso", tag=None)
        for n in range(first, first + count)
    ]


def _assert_judged_once(bench: Bench, events: int) -> None:
    """One alert, announced once, on as many events as there are; each event judged by one successful run."""
    assert (bench.only().count, bench.only().rule) == (events, SLUG)
    assert [kind for kind, _ in bench.notices()] == ["alert.created"]
    with bench.database.connect() as connection:
        judged = connection.exec_driver_sql("SELECT outcome, new_events FROM runs").all()
        assert list(runs.load(connection)[SLUG].positions.values()) == [events]
    assert judged == [("succeeded", events)]


def test_a_pass_overtaken_before_its_transaction_changes_nothing(bench: Bench, hold: Hold) -> None:
    bench.store(_logins(0))
    holder = hold("detect", bench.url, bench.lake.root, "observed", 50)
    bench.judge()
    assert holder.resume() == 0
    _assert_judged_once(bench, 3)


def test_a_pass_suspended_in_its_transaction_and_one_that_waits_for_it_judge_once(bench: Bench, hold: Hold) -> None:
    bench.store(_logins(0))
    bench.database.migrate()
    holder = hold("detect", bench.url, bench.lake.root, "judged", 50)
    other = threading.Thread(target=bench.judge)
    other.start()
    assert holder.resume() == 0
    other.join(60)
    assert not other.is_alive()
    _assert_judged_once(bench, 3)


@pytest.fixture
def config(bench: Bench) -> Path:
    path = bench.folder / "acrwatch.toml"
    path.write_text(f'[store]\npath = "{bench.lake.root}"\ndatabase = "{bench.url}"\nretention = "36500d"\n')
    return path


def _event_ids(lake: Lake) -> list[bytes]:
    read = [pq.ParquetFile(lake.root / file.path).read(["event_id"]) for file in lake.snapshot().files]
    return sorted(value for table in read for value in table.column("event_id").to_pylist())


def test_a_compactor_suspended_past_its_lease_harms_neither_rows_nor_the_next_lease(
    bench: Bench, config: Path, hold: Hold
) -> None:
    for number in range(10):
        bench.store(_logins(number, 1))
    before = _event_ids(bench.lake)
    holder = hold("maintain", config, 1)
    session = Session(config, clock=SystemClock(), environ={})
    with Parts(session.config, clock=session.clock, rng=random.Random(2)) as parts:
        done = None
        while done is None:  # a second by the database's clock; the suite's time limit bounds it
            done = parts.maintain(bench.lake)
    assert (done.files_removed, done.files_added) == (10, 1)
    with bench.database.begin() as connection:
        assert leases.acquire(connection, "maintenance", "third", MINUTE)
    assert holder.resume() == 0
    assert _event_ids(bench.lake) == before
    assert len(bench.lake.snapshot().files) == 1
    with bench.database.begin() as connection:
        assert not leases.acquire(connection, "maintenance", "fourth", MINUTE), "the third's lease was given away"
