"""When messages count as waiting too long in the hub, and when that is over."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from acrwatch.core.clock import SystemClock
from acrwatch.devhub import DevHub
from ingest.eventhub.hub import Arrived, Look
from ingest.eventhub.lag import LATE, RECOVERED, Lag
from ingest.eventhub.partition import Partition
from ingest.eventhub.positions import Stored
from ingest.eventhub.reports import Reports
from ingest.notices import Notices
from storage.state import incidents
from storage.state.database import Database
from tests.ingest_sources.reading import MakeSource, poll_until
from tests.sqlite import database_in

NOW = datetime(2026, 11, 22, tzinfo=UTC)
KEY = "hub_lag/eventhub/ns/hub/0/0"
LOOK = 30.0  # seconds between two looks


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = database_in(tmp_path / "incidents.db")
    yield made
    made.close()


class Owner:
    """A process that reads partition 0 and looks at it twice a minute."""

    def __init__(self, database: Database, now: float = 0.0) -> None:
        self.partition = Partition("0", "", "earliest")
        self.partition.resume(Stored("eventhub/ns/hub/0/0", 99))
        self.now = now
        self._notices = Notices(database, SystemClock())
        self._reports = Reports("hub", self._notices)

    def look(self, last: int) -> None:
        self.now += LOOK
        look = Look(0, last, NOW, empty=False)
        self.partition.aim(look)
        self._reports.lag(self.partition, self.partition.wait(look, self.now))
        self._notices.flush()

    def receive(self, number: int) -> None:
        self.partition.accept([Arrived(number, str(number), NOW, b"")])

    def left(self) -> None:
        self._reports.left(self.partition)
        self._notices.flush()


def wrong(database: Database) -> list[str]:
    with database.connect() as connection:
        return [incident.key for incident in incidents.current(connection)]


def fallen_behind(database: Database) -> Owner:
    owner = Owner(database)
    for _ in range(int(LATE / LOOK) + 1):
        owner.look(200)
    return owner


def test_messages_that_wait_for_ten_minutes_are_an_incident_that_says_how_long(database: Database) -> None:
    owner = Owner(database)
    for _ in range(int(LATE / LOOK)):
        owner.look(200)
    assert wrong(database) == []
    owner.look(200)
    with database.connect() as connection:
        (incident,) = incidents.current(connection)
    assert incident.key == KEY
    assert "waiting in the hub for 10 min" in incident.message


def test_lag_is_over_when_what_waited_has_been_read(database: Database) -> None:
    owner = fallen_behind(database)
    owner.receive(200)
    owner.look(200)
    assert wrong(database) == []


def test_a_quiet_partition_does_not_lag_however_old_its_last_message(database: Database) -> None:
    owner = Owner(database)
    for _ in range(100):
        owner.look(99)
    assert wrong(database) == []


def test_steady_traffic_that_is_read_within_a_minute_is_no_lag(database: Database) -> None:
    owner = Owner(database)
    for number in range(100, 200):
        owner.look(number + 2)
        owner.receive(number)
    assert wrong(database) == []


def test_one_that_stays_ten_minutes_behind_moving_traffic_lags_without_flapping(database: Database) -> None:
    owner, seen = Owner(database), []
    for number in range(100, 200):
        owner.look(number + 24)  # 24 looks are 12 minutes
        owner.receive(number)
        seen.append(bool(wrong(database)))
    assert seen == [False] * seen.index(True) + [True] * (len(seen) - seen.index(True))


def test_a_lag_below_two_minutes_ends_it_not_one_below_ten() -> None:
    lag = Lag()
    lag.note(0, 10, 0)
    assert lag.note(0, 20, LATE - 300) < LATE
    lag.note(0, 30, LATE)
    assert lag.late
    lag.note(10, 30, LATE + 1)  # what is left has waited for 301 s
    assert lag.late
    lag.note(20, 30, LATE + RECOVERED - 1)
    assert not lag.late


def test_what_a_process_said_before_it_died_is_taken_back_by_the_next_owner(database: Database) -> None:
    fallen_behind(database)
    Owner(database).look(99)
    assert wrong(database) == []


def test_who_lost_a_partition_takes_back_what_it_said_and_nothing_else(database: Database) -> None:
    ours = fallen_behind(database)
    ours.left()
    assert wrong(database) == []
    fallen_behind(database)
    Owner(database).left()
    assert wrong(database) == [KEY]


def test_a_look_at_a_partition_ends_the_lag_that_a_dead_process_left(hub: DevHub, source_of: MakeSource) -> None:
    source = source_of(hub)
    store = source._opening.database
    key = f"hub_lag/{source.name}/0/0"
    with store.begin() as connection:
        incidents.open(connection, key, kind="hub_lag", message="m", remedy="r", now=NOW)
    poll_until(source, lambda: key not in wrong(store))
