"""All of acrwatch over PostgreSQL: end to end, through a crash of the server, and past a suspended transaction."""

import json
import logging
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from acrwatch.cli.session import Session
from acrwatch.core.clock import SystemClock
from acrwatch.devhub import DevHub
from scheduler import Parts, Service
from storage.state import alerts, incidents
from storage.state.database import Database
from storage.state.tables import deliveries
from storage.state.tables import incidents as kept
from tests.contract.child import SLUG
from tests.contract.conftest import Hold
from tests.detections.conftest import Bench, Happening
from tests.postgres import Server
from tests.service.process import HUB, write_config
from tests.service.receiver import SECRET, receiving

pytestmark = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)

WAIT = 60.0  # seconds


def _login(registry: str) -> bytes:
    record = {
        "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "category": "ContainerRegistryLoginEvents",
        "operationName": "Login",
        "resourceId": f"/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/{registry}",
        "identity": registry,
        "resultDescription": "200",
        "callerIpAddress": "203.0.113.18",
        "correlationId": registry,
    }
    return json.dumps({"records": [record]}).encode()


class Refusals(logging.Handler):
    """Notices the first thing that acrwatch could not write down because its database was away."""

    def __init__(self, words: str) -> None:
        super().__init__(logging.ERROR)
        self.seen = threading.Event()
        self._words = words

    def emit(self, record: logging.LogRecord) -> None:
        if self._words in record.getMessage():
            self.seen.set()


@contextmanager
def _noticing(logger: str, words: str) -> Iterator[Refusals]:
    handler = Refusals(words)
    logging.getLogger(logger).addHandler(handler)
    yield handler
    logging.getLogger(logger).removeHandler(handler)


@contextmanager
def _running(config: Path) -> Iterator[None]:
    session = Session(config, clock=SystemClock(), environ={})
    with Parts(session.config, clock=session.clock, rng=random.Random(1)) as parts:
        service = Service(parts)
        service.start()
        try:
            yield
        finally:
            service.stop()


@pytest.fixture
def refusals() -> Iterator[Refusals]:
    with _noticing("ingest", "cannot record the incident") as handler:
        yield handler


def test_a_crash_of_the_server_is_an_incident_and_loses_and_doubles_nothing(
    database: Database, database_url: str, postgresql: Server, refusals: Refusals, tmp_path: Path
) -> None:
    with DevHub(hubs={HUB: 1}) as hub, receiving() as receiver:
        to = f'[[destinations]]\nname = "siem"\ntype = "webhook"\nurl = "{receiver.url}"\nsecret = "{SECRET}"\n'
        config = write_config(tmp_path, hub.connection_string, destinations=to, every="1s")
        config.write_text(config.read_text().replace("sqlite:///state.db", database_url))
        with _running(config):
            hub.append(HUB, _login("contoso"))
            receiver.wait_for(1)
            _await_record(database)  # else it is sent again, rightly, when its lease is over
            postgresql.halt()
            try:
                hub.append(HUB, _login("fabrikam"))
                assert refusals.seen.wait(WAIT)
            finally:
                postgresql.start()
            receiver.wait_for(2)
    _assert_told_once(database, ["contoso", "fabrikam"])
    assert len(receiver.received) == 2
    with database.connect() as connection:
        assert incidents.current(connection) == []
        assert "store_failed" in set(connection.execute(select(kept.c.kind)).scalars())


def test_an_outage_of_the_database_is_seen_afterwards(
    database: Database, database_url: str, postgresql: Server, tmp_path: Path
) -> None:
    config = tmp_path / "acrwatch.toml"
    config.write_text(f'[store]\npath = "lake"\ndatabase = "{database_url}"\n[detections]\nevery = "200ms"\n')
    noticing = _noticing("storage.state.job_reports", "detect: cannot record the incident")
    with noticing as refusals, _running(config):
        began = datetime.now(UTC)
        postgresql.halt()
        try:
            assert refusals.seen.wait(WAIT)
        finally:
            ended = datetime.now(UTC)
            postgresql.start()
        since, resolved = _await_resolution(database, "job/detect")
    assert began <= since <= ended <= resolved


def _await_resolution(database: Database, key: str) -> tuple[datetime, datetime]:
    query = select(kept.c.since, kept.c.resolved_at).where(kept.c.key == key, kept.c.resolved_at.is_not(None))
    deadline, found = time.monotonic() + WAIT, None
    while found is None:
        assert time.monotonic() < deadline
        with database.connect() as connection:
            found = connection.execute(query).one_or_none()
    return found.since, found.resolved_at


def _await_record(database: Database) -> None:
    deadline = time.monotonic() + WAIT
    statuses: list[str] = []
    while statuses != ["sent"]:
        assert time.monotonic() < deadline
        with database.connect() as connection:
            statuses = list(connection.execute(select(deliveries.c.status)).scalars())


def _assert_told_once(database: Database, registries: list[str]) -> None:
    with database.connect() as connection:
        found = [alert for alert in alerts.find(connection) if alert.rule == SLUG]
        sent = connection.execute(select(deliveries.c.alert_id, deliveries.c.type, deliveries.c.status)).all()
    assert sorted(name for alert in found for name in alert.registries) == registries
    assert [alert.count for alert in found] == [1] * len(registries)
    assert sorted(sent) == sorted((alert.id, "alert.created", "sent") for alert in found)


def test_a_transaction_of_a_suspended_process_ends_so_that_others_go_on(bench: Bench, hold: Hold) -> None:
    """The server ends it, here after a second; the process finds out when it is resumed, and has changed nothing."""
    bench.store([Happening(n, at=timedelta(minutes=n), operation="login", identity="contoso") for n in range(3)])
    holder = hold("detect", bench.url, bench.lake.root, "judged", 1)
    assert bench.judge().failed == ()
    assert holder.resume() == 1, "the lost transaction was taken for a success"
    assert (bench.only().rule, bench.only().count) == (SLUG, 3)
    assert [kind for kind, _ in bench.notices()] == ["alert.created"]
