"""What becomes of alerts about habits when more is known, and of what clients choose to be called."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import duckdb
import pytest

from acrwatch.core.verdict import verdict_named
from detections.behavioural.habit import HabitDetection
from detections.notices import Publishing
from detections.triage import Hand
from detections.user_agents import FAMILY
from storage.state import alerts, stages
from storage.state.stages import Step
from tests.detections.conftest import Bench, Happening

DAY = timedelta(days=1)
Make = Callable[[Mapping[str, HabitDetection]], Bench]


def _only(habits: Mapping[str, HabitDetection], slug: str) -> dict[str, HabitDetection]:
    return {slug: habits[slug]}


def _daily(days: int, **given: Any) -> list[Happening]:
    return [Happening(n, at=n * DAY, **given) for n in range(days)]


def test_an_alert_that_earlier_events_explain_is_withdrawn(make_bench: Make, habits: Any) -> None:
    bench = make_bench(_only(habits, "role-drift"))
    bench.judge(*_daily(20), Happening(100, at=20 * DAY, operation="push"))
    assert "ci, which had only ever read, wrote: 1 push of app on contoso" in bench.only().reason
    bench.judge(Happening(101, at=5 * DAY, operation="push"))
    assert bench.standing() == []
    assert [alert.close_reason for alert in bench.all()] == [alerts.SUPERSEDED]


def test_an_earlier_beginning_of_the_same_novelty_is_what_the_alert_is_about(make_bench: Make, habits: Any) -> None:
    bench = make_bench(_only(habits, "role-drift"))
    bench.judge(*_daily(20), Happening(100, at=20 * DAY, operation="push"))
    bench.judge(Happening(101, at=17 * DAY, operation="push"))
    assert [(alert.first_seen, alert.count) for alert in bench.standing()] == [(Happening(0, at=17 * DAY).time, 1)]


def test_a_day_that_matches_already_takes_in_what_comes(make_bench: Make, habits: Any) -> None:
    bench = make_bench(_only(habits, "first-seen-identity"))
    bench.judge(*_daily(20), Happening(100, at=20 * DAY, identity="new"))
    bench.judge(Happening(101, at=20 * DAY + timedelta(hours=1), identity="new", operation="push"))
    assert bench.only().count == 2
    assert "2 successful calls (1 pull, 1 push)" in bench.only().reason


def _sweep(day: int) -> list[Happening]:
    """Many repositories that day, none of them seen before."""
    minute = timedelta(minutes=1)
    return [Happening(100 * day + n, at=day * DAY + n * minute, repository=f"r{day}/{n}") for n in range(12)]


def test_a_rule_that_is_promoted_tells_of_what_goes_on_since_before(make_bench: Make, habits: Any) -> None:
    bench = make_bench(_only(habits, "repository-spread"))
    with bench.database.begin() as connection:
        for stage, day in (("staged", 0), ("active", 21)):
            at = Happening(0, at=day * DAY).time
            stages.take(connection, Step("repository-spread", stage, at, at, "ana", "try it"))
    bench.judge(*_daily(20), *_sweep(20))
    assert bench.standing() == []
    bench.judge(*_sweep(21))
    assert [(alert.status, alert.count) for alert in bench.standing()] == [(alerts.NEW, 24)]


def test_what_begins_after_a_person_closed_an_alert_is_a_new_one(make_bench: Make, habits: Any) -> None:
    """A scale-out is closed as benign; the theft of the next day must not be added to it."""
    bench = make_bench(_only(habits, "repository-spread"))
    bench.judge(*_daily(20), *_sweep(20))
    closed_at = Happening(0, at=20 * DAY + timedelta(hours=2)).time
    with bench.database.begin() as connection:
        hand = Hand(connection, "ana", closed_at, Publishing(()))
        hand.close(hand.take(bench.only().id), verdict_named("benign"))
    bench.judge(*_sweep(21))
    bench.judge(*_sweep(22))
    assert [(alert.status, alert.count) for alert in bench.standing()] == [(alerts.CLOSED, 12), (alerts.NEW, 24)]
    assert not bench.standing()[0].changed_after_close


def test_a_day_that_matches_only_later_is_read_from_the_lake(make_bench: Make, habits: Any) -> None:
    bench = make_bench(_only(habits, "repository-spread"))
    bench.judge(*_daily(20))
    sweep = [Happening(100 + n, at=20 * DAY + n * timedelta(minutes=1), repository=f"r{n}") for n in range(10)]
    for one in sweep:
        bench.judge(one)
    assert bench.only().count == 10
    assert [event_id for _, event_id in bench.only().evidence] == [one.event_id.hex() for one in sweep]


def test_a_detection_added_later_knows_what_was_there_and_tells_of_none_of_it(make_bench: Make, habits: Any) -> None:
    bench = make_bench(_only(habits, "role-drift"))
    past = [*_daily(20), Happening(100, at=20 * DAY, operation="push")]
    bench.judge(*past)
    both = _only(habits, "role-drift") | _only(habits, "first-seen-identity")
    bench.store([Happening(101, at=20 * DAY, identity="newer")])
    bench.engine(both).run_until_done()
    bench.store([Happening(102 + n, at=21 * DAY, identity=name) for n, name in enumerate(("ci", "newer", "newest"))])
    bench.engine(both).run_until_done()
    assert [a.group_key for a in bench.standing() if a.rule == "first-seen-identity"] == [
        '{"actor":"contoso/newest","registry":"contoso"}'
    ]


HOSTILE = ["it's", '"', "%", "\\", "é\u202e", "line\nbreak", "x" * 5000, "x" * 4999 + "y"]


def test_whatever_an_identity_is_called_it_is_one_of_its_own(make_bench: Make, habits: Any) -> None:
    bench = make_bench(_only(habits, "first-seen-identity"))
    bench.judge(*_daily(20), *[Happening(100 + n, at=20 * DAY, identity=name) for n, name in enumerate(HOSTILE)])
    later = [Happening(200 + n, at=20 * DAY + timedelta(hours=1), identity=name) for n, name in enumerate(HOSTILE)]
    bench.judge(*later)
    assert [alert.count for alert in bench.standing()] == [2] * len(HOSTILE)
    assert all(alert.reason.isprintable() for alert in bench.standing())


def test_long_names_are_found_in_the_lake_too(make_bench: Make, habits: Any) -> None:
    bench = make_bench(_only(habits, "repository-spread"))
    name = "é" * 5000
    bench.judge(*_daily(20, identity=name))
    sweep = [Happening(100 + n, at=20 * DAY, identity=name, repository=f"{name}{n}") for n in range(10)]
    bench.judge(*sweep[:3])
    bench.judge(*sweep[3:])
    assert bench.only().count == 10


@pytest.mark.parametrize(
    ("agent", "family"),
    [
        ("docker/27.4.1 go/go1.22.10 os/linux UpstreamClient(Docker-Client/27.4.1)", "docker"),
        ("containerd/1.7.25", "containerd"),
        ("buildkit/v0.17", "buildkit"),
        ("oras/1.2.0", "oras"),
        ("Helm/3.16.2", "helm"),
        ("crane/v0.20.2 go-containerregistry/v0.20.2", "go-containerregistry"),
        ("skopeo/1.17.0", "skopeo"),
        ("acr-cleanup azsdk-go-azcontainerregistry/v0.2.2 (go1.23.5; linux)", "azure-sdk"),
        ("python-requests/2.32.3", "python-requests"),
        ("curl/8.10.1", "curl"),
        ("Mozilla/5.0 (Windows NT 10.0)", "browser"),
        ("my own tool", "other"),
        (None, None),
    ],
)
def test_a_user_agent_is_of_one_family(agent: str | None, family: str | None) -> None:
    found = duckdb.connect().execute(f"SELECT {FAMILY} FROM (SELECT $a AS user_agent)", {"a": agent}).fetchall()
    assert found == [(family,)]
