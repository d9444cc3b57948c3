"""Following a workspace where there is no event hub: rows as Log Analytics takes them in, by one process at a time."""

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from acrwatch.core.errors import AcrWatchError
from acrwatch.core.model import Message
from detections.context import Context
from detections.engine import Engine
from detections.notices import Publishing
from detections.rule import SHIPPED, load_rules
from ingest.sources.loganalytics import History, LogAnalyticsSource
from storage.lake import Lake
from storage.state import alerts
from tests.loganalytics.conftest import Bench
from tests.loganalytics.kql import TICKS
from tests.loganalytics.peer import LOGINS, REPOSITORIES, Peer, refusal
from tests.loganalytics.scene import BEGIN, NOW, OTHER, WORKSPACE, identities, login, on_the_wire, pull, ticks

# Cancelled while its connection is being opened, a question leaves a socket to the garbage collector (CPython 3.11).
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
STREAM = "eventhub/ns.example.com/audit/0/0"


@pytest.fixture(autouse=True)
def tables(peer: Peer) -> None:
    for workspace in (WORKSPACE, OTHER):
        peer.add(workspace, LOGINS, [])
        peer.add(workspace, REPOSITORIES, [])


def _following(bench: Bench, *workspaces: str) -> LogAnalyticsSource:
    return bench.source(*workspaces, history=None)


def _round(source: LogAnalyticsSource) -> list[Message]:
    """Return what one round of questions brings, stored."""
    taken: list[Message] = []
    for _ in range(500):
        messages = source.poll(0.2)
        taken += messages
        if messages:
            source.stored(messages)
        if source.caught_up():
            return taken
    raise AssertionError("the round never ended")


def _identities(messages: Sequence[Message]) -> list[str]:
    return sorted(json.loads(line)["Identity"] for message in messages for line in message.body.splitlines())


def test_rows_are_handed_out_once_as_they_are_taken_in(bench: Bench, peer: Peer) -> None:
    just_come = login(1, NOW - HOUR, NOW - 4 * MINUTE)
    peer.add(WORKSPACE, LOGINS, [just_come, login(0, NOW - 26 * HOUR, NOW - 25 * HOUR)])
    source = _following(bench)
    source.start()
    assert _identities(_round(source)) == identities([1])
    peer.add(WORKSPACE, LOGINS, [login(2, NOW - 3 * MINUTE, NOW - MINUTE), login(3, NOW - 20 * HOUR, NOW - 5 * MINUTE)])
    assert source.poll(0) == [], "it is not time yet"
    bench.clock.time += 4 * MINUTE
    assert _identities(_round(source)) == identities([2, 3])


def test_rows_of_a_table_that_appears_later_are_handed_out_whenever_they_were_taken_in(
    bench: Bench, peer: Peer
) -> None:
    """As where the right to read it is granted after a while: rows of before are there at once."""
    del peer.rows[WORKSPACE][LOGINS]
    peer.add(WORKSPACE, REPOSITORIES, [pull(9, NOW - HOUR)])
    source = _following(bench)
    source.start()
    assert _identities(_round(source)) == identities([9])
    assert source.absent == {(WORKSPACE, LOGINS)}
    peer.add(WORKSPACE, LOGINS, [login(1, NOW - 20 * HOUR), login(2, NOW - MINUTE)])
    bench.clock.time += 20 * MINUTE
    assert _identities(_round(source)) == identities([1, 2])
    assert source.absent == set()
    source.stop()
    bench.clock.time += DAY
    del peer.rows[WORKSPACE][LOGINS]
    assert bench.read(history=None).events == 0
    peer.add(WORKSPACE, LOGINS, [login(3, NOW + HOUR)])
    bench.clock.time += DAY
    assert bench.read(history=None).events == 1


@pytest.mark.parametrize("absent", [(LOGINS,), (REPOSITORIES,), (LOGINS, REPOSITORIES)])
def test_a_round_ends_whichever_table_is_absent(bench: Bench, peer: Peer, absent: tuple[str, ...]) -> None:
    for table in absent:
        del peer.rows[WORKSPACE][table]
    source = _following(bench)
    source.start()
    for _ in range(2):
        assert _round(source) == []
        assert source.absent == {(WORKSPACE, table) for table in absent}
        bench.clock.time += 4 * MINUTE


def test_it_goes_on_where_it_was_when_it_is_started_anew(bench: Bench, peer: Peer) -> None:
    peer.add(WORKSPACE, LOGINS, [login(1, NOW - HOUR)])
    assert bench.read(history=None).events == 1
    peer.add(WORKSPACE, LOGINS, [login(n, NOW + n * HOUR) for n in range(2, 60)])
    bench.clock.time += 5 * DAY
    counts = bench.read(history=None)
    assert (counts.events, counts.duplicates) == (58, 0)
    assert len(set(bench.events("source"))) == 2


def test_a_clock_that_is_ahead_of_the_service_misses_no_row(bench: Bench, peer: Peer) -> None:
    peer.now = lambda: bench.clock.time - HOUR
    source = _following(bench)
    source.start()
    assert _round(source) == []
    peer.add(WORKSPACE, LOGINS, [login(1, NOW - HOUR, NOW - HOUR + MINUTE)])
    bench.clock.time += 10 * MINUTE
    assert _identities(_round(source)) == identities([1])


def test_a_clock_that_was_ahead_at_the_first_start_and_went_back_hides_no_row(bench: Bench, peer: Peer) -> None:
    bench.clock.time = NOW + 3 * DAY
    peer.now = lambda: NOW
    assert bench.read(history=None).events == 0
    bench.clock.time = NOW + HOUR
    peer.now = bench.clock.now
    peer.add(WORKSPACE, LOGINS, [login(1, NOW, NOW + MINUTE)])
    assert bench.read(history=None).events == 1


def test_late_rows_and_many_of_one_moment_are_found_by_when_they_came(bench: Bench, peer: Peer) -> None:
    came = ticks(NOW - HOUR)
    peer.add(WORKSPACE, LOGINS, [login(n, NOW - timedelta(minutes=n), came) for n in range(50)])
    assert bench.read(history=None, rows=12).events == 50
    assert {query.by_taken for _, query in peer.asked} == {True}


def test_a_row_arrives_when_log_analytics_takes_it_in(bench: Bench, peer: Peer) -> None:
    """So an outage of ours makes nothing historical, and what came late to Azure is late."""
    peer.add(WORKSPACE, LOGINS, [login(1, NOW - HOUR), login(2, NOW - HOUR, NOW - HOUR + 3 * MINUTE)])
    bench.read(history=None)
    assert bench.events("identity", "enqueued_time") == [
        ("user1@example.com", NOW - HOUR + 5 * MINUTE),
        ("user2@example.com", NOW - HOUR + 3 * MINUTE),
    ]


def test_two_processes_share_the_work_and_the_second_takes_over(bench: Bench, peer: Peer) -> None:
    peer.add(WORKSPACE, LOGINS, [login(1, NOW - HOUR)])
    first, second = _following(bench), _following(bench)
    first.start()
    second.start()
    assert _identities(_round(first)) == identities([1])
    asked = len(peer.asked)
    assert _round(second) == []
    assert len(peer.asked) == asked
    first.stop()
    peer.add(WORKSPACE, LOGINS, [login(2, NOW)])
    bench.clock.time += HOUR
    assert "user2@example.com" in _identities(_round(second))


def test_what_was_handed_out_and_not_stored_is_handed_out_again(bench: Bench, peer: Peer) -> None:
    peer.add(WORKSPACE, LOGINS, [login(1, NOW - HOUR)])
    source = _following(bench)
    source.start()
    while not source.poll(5):
        assert not source.caught_up()
    source.stop()  # before it was told that they are stored
    source.start()
    messages = _round(source)
    assert _identities(messages) == identities([1])
    assert messages[0].sequence_number > 0, "numbers of a stream never come twice"


def test_a_refusal_is_raised_and_reading_goes_on_after_it(bench: Bench, peer: Peer) -> None:
    peer.add(WORKSPACE, LOGINS, [login(1, NOW - HOUR)])
    peer.faults = [refusal(403, "Denied", "no role")] * 2
    source = _following(bench)
    source.start()
    with pytest.raises(AcrWatchError, match="Log Analytics Reader"):
        _round(source)
    source.stop()
    source.start()
    assert _identities(_round(source)) == identities([1])


def test_it_stops_at_once_while_a_question_is_asked(bench: Bench, peer: Peer) -> None:
    hold = threading.Event()
    peer.on_asked = lambda _query: hold.wait(20)
    source = _following(bench)
    source.start()
    assert source.poll(0.2) == []
    source.stop()
    hold.set()
    assert source.poll(0) == []


def test_the_same_events_by_the_hub_and_by_log_analytics_are_one(bench: Bench, peer: Peer) -> None:
    odd = ticks(NOW - HOUR) + TICKS - 1
    rows = [
        login(1, odd, JwtId="jwt-1"),
        pull(2, NOW - HOUR, UserTenantId="33333333-0000-0000-0000-000000000003"),
        pull(3, odd - 7, Digest=None, MediaType=None, Tag="sha256:ab", ResultDescription="404"),
        pull(4, NOW - HOUR, Tag="None", CallerIpAddress=None),
    ]
    records = json.dumps({"records": [on_the_wire(row) for row in rows]}).encode()
    lake = Lake.open(bench.folder / "lake")
    bench.pipeline(_Hub([Message(STREAM, 1, records, "0", "100", NOW)]), lake).run_once()
    for row in rows:
        peer.add(WORKSPACE, LOGINS if row.columns["OperationName"] == "Login" else REPOSITORIES, [row])
    followed = bench.read(history=None)
    backfilled = bench.read(history=History(NOW - DAY, NOW))
    assert [(counts.events, counts.duplicates) for counts in (followed, backfilled)] == [(0, 4), (0, 4)]
    assert set(bench.events("source")) == {STREAM}


def test_a_record_that_was_over_two_days_late_is_another_event_in_log_analytics(bench: Bench, peer: Peer) -> None:
    """The known exception: Log Analytics gives it the time at which it came."""
    happened = login(1, NOW - 3 * DAY)
    records = json.dumps({"records": [on_the_wire(happened)]}).encode()
    bench.pipeline(_Hub([Message(STREAM, 1, records, "0", "100", NOW)])).run_once()
    peer.add(WORKSPACE, LOGINS, [replace(happened, time=ticks(NOW - HOUR), taken=ticks(NOW - HOUR))])
    assert bench.read(history=None).events == 1


class _Hub:
    """A source that hands out these messages once."""

    name = "hub"

    def __init__(self, messages: list[Message]) -> None:
        self._messages = messages

    def start(self) -> None:
        """Nothing."""

    def poll(self, timeout: float) -> Sequence[Message]:  # noqa: ARG002 - never waits
        given, self._messages = self._messages, []
        return given

    def stored(self, messages: Sequence[Message]) -> None:
        """Nothing."""

    def caught_up(self) -> bool:
        return not self._messages

    def stop(self) -> None:
        """Nothing."""


def _alerts(bench: Bench, moment: datetime) -> tuple[list[bool], int]:
    """Return of the alerts that stand whether each is historical, and how many notices wait to be delivered."""
    bench.clock.time = moment
    rules: dict[str, Any] = dict(load_rules([SHIPPED / "admin-user-login.yml"]))
    engine = Engine(
        Lake.open(bench.folder / "lake"),
        bench.database,
        rules,
        Context({}),
        bench.clock,
        publishing=Publishing(("siem",), "https://acrwatch.example.com"),
    )
    engine.run_until_done()
    with bench.database.connect() as connection:
        found = [alert.historical for alert in alerts.find(connection)]
        waiting = connection.exec_driver_sql("SELECT count(*) FROM deliveries").scalar_one()
    return found, int(waiting)


@pytest.mark.parametrize(
    ("history", "told"),
    [(History(BEGIN, NOW), ([True], 0)), (History(BEGIN, NOW, alert=True), ([False], 1)), (None, ([False], 1))],
    ids=["backfill", "backfill --alert", "followed"],
)
def test_alerts_of_a_backfill_are_historical_unless_asked_for(
    bench: Bench, peer: Peer, history: History | None, told: tuple[list[bool], int]
) -> None:
    """An event that is stored 30 hours after it happened, which is late by itself unless it arrived before."""
    peer.add(WORKSPACE, LOGINS, [login(1, NOW - 30 * HOUR, Identity="contoso")])
    assert bench.read(history=history, start=2 * DAY).events == 1
    assert _alerts(bench, NOW + 40 * DAY) == told
