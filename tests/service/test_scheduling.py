"""When jobs run, and what becomes of one that fails."""

import random
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import text

import scheduler
from acrwatch.cli import run
from acrwatch.cli.session import Session
from acrwatch.core.clock import SystemClock
from acrwatch.core.errors import ConflictError
from acrwatch.core.model import Message
from acrwatch.delivery.worker import Summary
from detections.engine import Engine, Passed
from scheduler import Parts, Service
from storage.state import alerts, incidents, runs
from storage.state.tables import network_days
from tests.service.process import WAIT
from tests.service.test_bytes_to_webhook import MESSAGE

_STREAM = "eventhub/example/acr-audit/0/0"


@dataclass
class Gate:
    """Holds whoever passes while it is shut, and counts them."""

    turns: int = 0
    arrived: threading.Event = field(default_factory=threading.Event)
    free: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> None:
        self.turns += 1
        self.arrived.set()
        assert self.free.wait(WAIT)


class GatedEngine(Engine):
    """Ends each pass at a gate: judged, but not yet over."""

    __slots__ = ("gate",)
    gate: Gate

    def run_pass(self, *, leave_out: Collection[str] = ()) -> Passed:
        passed = super().run_pass(leave_out=leave_out)
        self.gate()
        return passed


class GatedParts(Parts):
    """Everything real; a gate after each pass and before each delivery."""

    def __init__(self, config_path: Path) -> None:
        session = Session(config_path, clock=SystemClock(), environ={})
        super().__init__(session.config, clock=SystemClock(), rng=random.Random(1))
        self.passing, self.delivering = Gate(), Gate()
        self.chunk_rows = 1000

    def engine(self, on_alerts: Callable[[], object] = lambda: None) -> Engine:
        made = replace(super().engine(on_alerts), chunk_rows=self.chunk_rows)
        gated = GatedEngine(**{one.name: getattr(made, one.name) for one in fields(Engine)})
        object.__setattr__(gated, "gate", self.passing)
        return gated

    def deliver(self) -> Summary:
        self.delivering()
        return super().deliver()

    def store(self, *addresses: str) -> None:
        """Commit one pull for each address, as ingest does."""
        at = self.lake().position(_STREAM)
        found = []
        for number, address in enumerate(addresses, start=0 if at is None else at + 1):
            now = datetime.now(UTC)
            body = MESSAGE.replace(b"%TIME%", f"{now:%Y-%m-%dT%H:%M:%S.}".encode())
            found.append(Message(_STREAM, number, body.replace(b"203.0.113.18", address.encode()), "0", "0", now))
        events = self.normaliser().batch(found, now=self.clock.now()).events
        self.lake().commit(events, {_STREAM: found[-1].sequence_number})


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """No source, so that only tests store; a day between passes, so that only wakes start them."""
    (tmp_path / "own").mkdir()
    path = tmp_path / "acrwatch.toml"
    path.write_text(
        '[store]\npath = "lake"\ndatabase = "sqlite:///state.db"\n[detections]\nevery = "1d"\nrules = ["own"]\n'
        '[registries.contoso]\nallowed_ranges = ["198.51.100.0/24"]\n'
    )
    return path


@pytest.fixture
def parts(config: Path) -> Iterator[GatedParts]:
    with GatedParts(config) as parts:
        parts.passing.free.set()
        parts.delivering.free.set()
        yield parts


@contextmanager
def started(parts: GatedParts) -> Iterator[Service]:
    service = Service(parts)
    service.start()
    try:
        yield service
    finally:
        parts.passing.free.set()
        parts.delivering.free.set()
        service.stop()


def until(met: Callable[[], bool]) -> None:
    deadline, never = time.monotonic() + WAIT, threading.Event()
    while not met():
        assert time.monotonic() < deadline, "waited in vain"
        never.wait(0.02)


def taken_up(service: Service, job: str) -> bool:
    """Return whether the last wake has reached a thread (or was refused, as one job may have three of them)."""
    pool = service._scheduler._executors["default"]._pool
    at = service._scheduler.get_job(job).next_run_time
    return bool(at > datetime.now(UTC) and pool._work_queue.empty())


def judged(parts: Parts) -> dict[str, int]:
    with parts.database.connect() as connection:
        return {slug: cursor.positions.get(_STREAM, -1) for slug, cursor in runs.load(connection).items()}


def open_incidents(parts: Parts) -> dict[str, str]:
    with parts.database.connect() as connection:
        return {incident.key: incident.message for incident in incidents.current(connection)}


def test_a_wake_while_a_pass_runs_leads_to_one_more_which_sees_what_came_meanwhile(parts: GatedParts) -> None:
    parts.passing.free.clear()
    parts.store("203.0.113.1")
    with started(parts) as service:
        assert parts.passing.arrived.wait(WAIT)
        parts.store("203.0.113.2")
        service.wake("detect")
        parts.passing.free.set()
        until(lambda: set(judged(parts).values()) == {1})
    assert parts.passing.turns == 2


def test_alerts_go_out_while_the_pass_that_raised_them_goes_on(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "DELIVER_EVERY", timedelta(days=1))
    file = config.parent / "alerts.jsonl"
    config.write_text(config.read_text() + '[[destinations]]\nname = "siem"\ntype = "jsonl"\npath = "alerts.jsonl"\n')
    with GatedParts(config) as parts:
        for gate in (parts.passing, parts.delivering):
            gate.free.set()
        with started(parts) as service:
            until(lambda: parts.delivering.turns == 1 and parts.passing.turns == 1)
            parts.passing.free.clear()
            parts.store("203.0.113.1")
            service.wake("detect")
            until(lambda: file.exists() and b"alert.created" in file.read_bytes())


def test_many_wakes_while_a_job_runs_are_one_more_turn(parts: GatedParts) -> None:
    parts.delivering.free.clear()
    with started(parts) as service:
        assert parts.delivering.arrived.wait(WAIT)
        for _ in range(5):
            service.wake("deliver")
            until(lambda: taken_up(service, "deliver"))
        parts.delivering.free.set()
        until(lambda: parts.delivering.turns == 2)
    assert parts.delivering.turns == 2


def test_jobs_do_not_wait_for_a_clock_that_was_set_back(parts: GatedParts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "DELIVER_EVERY", timedelta(days=1))
    with started(parts) as service:
        until(lambda: parts.delivering.turns == parts.passing.turns == 1)
        service.bring_forward()
        service._scheduler.modify_job("deliver", next_run_time=datetime.now(UTC) + timedelta(days=1, hours=2))
        service.bring_forward()
        until(lambda: parts.delivering.turns == 2)
        until(lambda: taken_up(service, "deliver"))
        service.bring_forward()
    assert (parts.delivering.turns, parts.passing.turns) == (2, 1)


def test_a_turn_that_waits_for_the_one_under_way_does_not_begin_once_we_stop(parts: GatedParts) -> None:
    parts.delivering.free.clear()
    with started(parts) as service:
        assert parts.delivering.arrived.wait(WAIT)
        service.wake("deliver")
        until(lambda: taken_up(service, "deliver"))
        stopping = threading.Thread(target=service.stop)
        stopping.start()
        until(service._stopping.is_set)
        parts.delivering.free.set()
        stopping.join(WAIT)
    assert parts.delivering.turns == 1


def test_a_job_that_fails_is_an_incident_until_a_turn_succeeds(parts: GatedParts) -> None:
    with started(parts) as service:
        until(lambda: parts.delivering.turns == 1)
        _sql(parts, "ALTER TABLE deliveries RENAME TO elsewhere")
        service.wake("deliver")
        until(lambda: "job/deliver" in open_incidents(parts))
        assert "no such table: deliveries" in open_incidents(parts)["job/deliver"]
        _sql(parts, "ALTER TABLE elsewhere RENAME TO deliveries")
        service.wake("deliver")
        until(lambda: not open_incidents(parts))


def test_an_error_that_nobody_foresaw_is_an_incident_too(parts: GatedParts, caplog: pytest.LogCaptureFixture) -> None:
    with started(parts) as service:
        until(lambda: parts.delivering.turns == 1)
        parts.delivering.free = _Broken()
        service.wake("deliver")
        until(lambda: "job/deliver" in open_incidents(parts))
        assert open_incidents(parts)["job/deliver"] == "deliver: unexpected error: ValueError('a defect')"
        parts.delivering.free = threading.Event()
        parts.delivering.free.set()
        service.wake("deliver")
        until(lambda: not open_incidents(parts))
    assert "a defect" in caplog.text


def test_a_job_that_another_was_faster_than_is_done_once_more_and_is_no_incident(parts: GatedParts) -> None:
    with started(parts) as service:
        until(lambda: parts.delivering.turns == 1)
        parts.delivering.free = _Beaten()
        service.wake("deliver")
        until(lambda: parts.delivering.turns == 3)
    with parts.database.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM incidents")).scalar_one() == 0


class _Beaten(threading.Event):
    """Raises once."""

    def wait(self, *_: object) -> bool:
        if self.is_set():
            return True
        self.set()
        raise ConflictError("another was faster")


class _Broken(threading.Event):
    def wait(self, *_: object) -> NoReturn:
        raise ValueError("a defect")


def test_a_detection_that_raises_is_recorded_and_stops_no_other_and_recovers(parts: GatedParts) -> None:
    _sql(parts, "DROP TABLE network_days")
    parts.store("203.0.113.1")
    with started(parts) as service:
        until(lambda: [slug for slug, at in judged(parts).items() if at == -1] == ["anomalous-source-ip"])
        until(lambda: "failed_detection/anomalous-source-ip" in open_incidents(parts))
        with parts.database.connect() as connection:
            latest = runs.latest(connection)
            found = {alert.rule for alert in alerts.find(connection)}
        assert {slug for slug, one in latest.items() if one.outcome == runs.FAILED} == {"anomalous-source-ip"}
        assert "network_days" in (latest["anomalous-source-ip"].error or "")
        assert found == {"pull-outside-allowed-ranges", "detection-failed"}
        with parts.database.begin() as connection:
            network_days.create(connection)
        service.wake("detect")
        until(lambda: set(judged(parts).values()) == {0})
    assert open_incidents(parts) == {}


def test_a_detection_that_raises_leaves_the_others_their_whole_backlog(parts: GatedParts) -> None:
    _sql(parts, "DROP TABLE network_days")
    parts.chunk_rows = 1
    for number in range(3):
        parts.store(f"203.0.113.{number}")
    with started(parts):
        until(lambda: {slug for slug, at in judged(parts).items() if at != 2} == {"anomalous-source-ip"})
    assert judged(parts)["anomalous-source-ip"] == -1


def test_a_detection_that_raises_shows_where_alerts_are_listed(
    parts: GatedParts, config: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _sql(parts, "DROP TABLE network_days")
    parts.store("203.0.113.1")
    with started(parts):
        until(lambda: "failed_detection/anomalous-source-ip" in open_incidents(parts))
    assert run(["--config", str(config), "-q", "alerts", "list"]) == 0
    shown = capfd.readouterr().err
    assert "Health: 1 incident open; alerts may be missing." in shown
    assert "Detection anomalous-source-ip fails, so its part of the events is not judged" in " ".join(shown.split())


def test_a_rule_written_while_it_runs_is_used_from_the_next_turn_on(parts: GatedParts, config: Path) -> None:
    folder = config.parent / "own"
    with started(parts) as service:
        until(lambda: parts.passing.turns > 0)
        (folder / "own-pulls.yml").write_text(
            "title: A pull\nlogsource: {product: azure, service: acr}\n"
            "detection: {s: {operation: pull}, condition: s}\n"
        )
        service.wake("detect")
        until(lambda: "own-pulls" in judged(parts))
        parts.store("198.51.100.1")
        service.wake("detect")
        until(lambda: set(judged(parts).values()) == {0})
    with parts.database.connect() as connection:
        assert [alert.rule for alert in alerts.find(connection)] == ["own-pulls"]


def _sql(parts: Parts, statement: str) -> None:
    with parts.database.begin() as connection:
        connection.execute(text(statement))
