"""What is too weak to be told alone: verdicts, suppressions and trials treat it as they treat what is told."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from detections.behavioural import discover
from detections.triage import Hand
from detections.trial import try_rules
from storage.query import Reader
from storage.state import alerts, suppressions
from storage.state.suppressions import Suppression
from tests.detections.conftest import START

Make = Callable[..., Any]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NETWORKS = "anomalous-source-ip"
NEWCOMER = "first-seen-identity"
PERSON = "kim@example.com"


def _network_of_a_person(make_bench: Make, happening: Make) -> Any:
    """Sixteen days in one network, then a second: that is told. A third of day 10, stored later, makes it weak."""
    bench = make_bench({NETWORKS: discover()[NETWORKS]})
    days = [happening(n, at=n * DAY, identity=PERSON, ip="198.51.100.7") for n in range(16)]
    bench.clock.time = START + 16 * DAY + 2 * HOUR
    bench.judge(*days, happening(100, at=16 * DAY, identity=PERSON, ip="203.0.113.9"))
    return bench


def _newcomer(make_bench: Make, happening: Make) -> Any:
    bench = make_bench({NEWCOMER: discover()[NEWCOMER]})
    days = [happening(n, at=n * DAY, identity="ci") for n in range(21)]
    bench.clock.time = START + 20 * DAY + 2 * HOUR
    bench.judge(*days, happening(100, at=20 * DAY + HOUR, identity="new@example.com", ip="203.0.113.9"))
    return bench


@pytest.mark.parametrize("verdict", ["true_positive.suspicious_activity", "false_positive.incorrect_logic"])
def test_a_verdict_stays_with_its_events_though_they_would_be_a_building_block_by_now(
    make_bench: Make, happening: Make, verdict: str
) -> None:
    bench = _network_of_a_person(make_bench, happening)
    bench.close(bench.only(), bench.clock.time, verdict)
    bench.judge(happening(200, at=10 * DAY + HOUR, identity=PERSON, ip="192.0.2.5"))
    assert (bench.only().close_reason, bench.only().count) == (verdict, 1)


def test_what_nobody_closed_becomes_a_building_block(make_bench: Make, happening: Make) -> None:
    bench = _network_of_a_person(make_bench, happening)
    bench.judge(happening(200, at=10 * DAY + HOUR, identity=PERSON, ip="192.0.2.5"))
    assert bench.only().status == alerts.BUILDING_BLOCK


def test_a_suppression_made_later_leaves_a_building_block_as_it_is(make_bench: Make, happening: Make) -> None:
    bench = _newcomer(make_bench, happening)
    block, now = bench.only(), bench.clock.time + HOUR
    quiet = Suppression(0, NEWCOMER, None, None, None, None, None, "ana", "known", START, now + DAY, now, "ana")
    with bench.database.begin() as connection:
        suppressions.add(connection, quiet)
    bench.clock.time = now + HOUR
    bench.judge(happening(101, at=20 * DAY + 3 * HOUR, identity="new@example.com", ip="203.0.113.9"))
    assert (bench.only().id, bench.only().status) == (block.id, alerts.BUILDING_BLOCK)


def test_a_trial_finds_building_blocks(make_bench: Make, happening: Make) -> None:
    bench = _network_of_a_person(make_bench, happening)
    bench.judge(happening(200, at=10 * DAY + HOUR, identity=PERSON, ip="192.0.2.5"))
    with Reader(bench.lake.snapshot()) as reader:
        (trial,) = try_rules(bench.detections, reader, bench.context, START, START + 20 * DAY)
    assert [alert.evidence for alert in trial.alerts] == [bench.only().evidence]


def test_taking_note_of_a_building_block_again_changes_nothing(make_bench: Make, happening: Make) -> None:
    bench = _newcomer(make_bench, happening)
    for minutes in (1, 2):
        with bench.database.begin() as connection:
            hand = Hand(connection, "ana", bench.clock.time + timedelta(minutes=minutes), bench.publishing)
            hand.acknowledge(hand.take(bench.only().id))
    assert (bench.only().status, bench.only().revision) == (alerts.BUILDING_BLOCK, 2)
