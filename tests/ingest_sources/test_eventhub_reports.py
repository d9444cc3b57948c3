"""What is said of a partition that cannot be read is taken back by whoever reads it next."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from acrwatch.core.clock import SystemClock
from acrwatch.core.errors import RemoteUnreachableError
from acrwatch.devhub import DevHub
from ingest.eventhub.partition import Gap, Partition
from ingest.eventhub.reports import Reports
from ingest.notices import Notices
from storage.state import incidents
from storage.state.database import Database
from tests.ingest_sources.reading import HUB, MakeSource, poll_until, take
from tests.sqlite import database_in

AWAY = RemoteUnreachableError("the hub is away")


class Owner:
    """One process's view of partition 0, and what it has written of it."""

    def __init__(self, database: Database) -> None:
        self.partition = Partition("0", "", "earliest")
        self._notices = Notices(database, SystemClock())
        self._reports = Reports("hub", self._notices)

    def down(self) -> None:
        self._reports.down(self.partition, AWAY)
        self._notices.flush()

    def up(self) -> None:
        self._reports.up(self.partition)
        self._notices.flush()

    def left(self) -> None:
        self._reports.left(self.partition)
        self._notices.flush()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = database_in(tmp_path / "incidents.db")
    yield made
    made.close()


def wrong(database: Database) -> list[str]:
    with database.connect() as connection:
        return [incident.key for incident in incidents.current(connection)]


def test_what_a_process_said_before_it_died_is_taken_back_by_the_next_owner(database: Database) -> None:
    Owner(database).down()
    assert wrong(database) == ["source_down/hub/0"]
    Owner(database).up()
    assert wrong(database) == []


def test_who_lost_a_partition_takes_back_what_it_said_itself(database: Database) -> None:
    owner = Owner(database)
    owner.down()
    owner.left()
    assert wrong(database) == []


def test_who_lost_a_partition_leaves_what_its_new_owner_said(database: Database) -> None:
    before = Owner(database)
    Owner(database).down()
    before.left()
    assert wrong(database) == ["source_down/hub/0"]


def test_what_a_person_put_away_is_said_again_while_it_goes_on(database: Database) -> None:
    owner = Owner(database)
    owner.down()
    with database.begin() as connection:
        incidents.resolve(connection, "source_down/hub/0", now=datetime.now(UTC))
    owner.down()
    assert wrong(database) == ["source_down/hub/0"]


def test_reading_a_partition_closes_what_a_dead_process_left_open(hub: DevHub, source_of: MakeSource) -> None:
    source = source_of(hub)
    store = source._opening.database
    key = f"source_down/{source.name}/0"
    with store.begin() as connection:
        incidents.open(connection, key, kind="source_down", message="m", remedy="r", now=datetime.now(UTC))
    hub.append(HUB, b"a", partition=0)
    take(source, 1)
    poll_until(source, lambda: key not in wrong(store))


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (17, "Message 17 of s was gone from the hub before it was read"),
        (25, "9 messages (17 to 25) of s were gone from the hub before they were read"),
    ],
)
def test_a_gap_is_told_by_its_messages(database: Database, last: int, said: str) -> None:
    notices = Notices(database, SystemClock())
    Reports("hub", notices).gaps(Partition("0", "s", "earliest", gaps=[Gap(17, last)]))
    notices.flush()
    with database.connect() as connection:
        assert [incident.message for incident in incidents.current(connection)] == [said]
