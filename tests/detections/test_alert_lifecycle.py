"""Alerts grow, merge, close and come back as the design says; every change is told in the same transaction."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

Make = Callable[..., Any]
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def _login(happening: Make, number: int, minutes: float, **more: Any) -> Any:
    return happening(number, at=minutes * MINUTE, operation="login", identity="contoso", **more)


def test_events_within_an_hour_are_one_alert_and_its_growth_is_told(admin_bench: Any, happening: Make) -> None:
    admin_bench.judge(_login(happening, 1, 0))
    created = admin_bench.only()
    admin_bench.judge(_login(happening, 2, 59))
    alert = admin_bench.only()
    assert (alert.id, alert.count, alert.revision) == (created.id, 2, 2)
    assert [(type_, data["count"]) for type_, data in admin_bench.notices()] == [
        ("alert.created", 1),
        ("alert.updated", 2),
    ]


def test_a_burst_evaluated_again_and_again_is_one_alert_told_once(admin_bench: Any, happening: Make) -> None:
    admin_bench.judge(*[_login(happening, n, n) for n in range(20)])
    for _ in range(3):
        assert admin_bench.judge().updated == 0
    assert admin_bench.only().count == 20
    assert len(admin_bench.notices()) == 1


def test_alerts_that_a_late_event_bridges_become_the_older_one(admin_bench: Any, happening: Make) -> None:
    admin_bench.judge(_login(happening, 1, 0))
    admin_bench.clock.time += MINUTE
    admin_bench.judge(_login(happening, 2, 110))
    older, younger = admin_bench.standing()
    admin_bench.judge(_login(happening, 3, 55))
    alert = admin_bench.only()
    assert (alert.id, alert.count) == (older.id, 3)
    (gone,) = [a for a in admin_bench.all() if a.id == younger.id]
    assert (gone.status, gone.close_reason, gone.merged_into) == ("closed", "merged", older.id)
    assert [type_ for type_, data in admin_bench.notices() if data["id"] == younger.id] == [
        "alert.created",
        "alert.closed",
    ]


def test_an_event_before_the_close_extends_the_closed_alert_and_marks_it(admin_bench: Any, happening: Make) -> None:
    admin_bench.judge(first := _login(happening, 1, 0))
    admin_bench.close(admin_bench.only(), at=first.time + 30 * MINUTE)
    admin_bench.judge(_login(happening, 2, 30))
    alert = admin_bench.only()
    assert (alert.status, alert.count, alert.changed_after_close) == ("closed", 2, True)
    type_, data = admin_bench.notices()[-1]
    assert (type_, data["changed_after_close"]) == ("alert.updated", True)


def test_an_event_after_the_close_opens_a_new_alert(admin_bench: Any, happening: Make) -> None:
    admin_bench.judge(first := _login(happening, 1, 0))
    admin_bench.close(admin_bench.only(), at=first.time + 30 * MINUTE)
    admin_bench.judge(_login(happening, 2, 31))
    closed, new = admin_bench.standing()
    assert (closed.status, closed.count, closed.changed_after_close) == ("closed", 1, False)
    assert (new.status, new.count) == ("new", 1)


def test_failures_after_a_close_do_not_change_what_was_closed(admin_bench: Any, happening: Make) -> None:
    admin_bench.judge(first := _login(happening, 1, 0))
    admin_bench.close(admin_bench.only(), at=first.time + 10 * MINUTE)
    closed = admin_bench.only()
    admin_bench.judge(_login(happening, 2, 20, status=401))
    alert = admin_bench.only()
    assert (alert.revision, alert.changed_after_close) == (closed.revision, False)


def test_a_long_alert_is_raised_again_after_a_day_and_only_then(admin_bench: Any, happening: Make) -> None:
    admin_bench.judge(_login(happening, 1, 0))
    for number, hours in enumerate((12, 24, 30, 48), start=2):
        admin_bench.clock.time += (hours - (0, 12, 24, 30)[number - 2]) * HOUR
        admin_bench.judge(_login(happening, number, number))
    flags = [data["raised_again"] for _, data in admin_bench.notices()]
    assert flags == [False, False, True, False, True]


def test_raising_again_is_not_lost_when_the_next_update_takes_its_place(admin_bench: Any, happening: Make) -> None:
    admin_bench.judge(_login(happening, 1, 0))
    admin_bench.clock.time += 24 * HOUR
    admin_bench.judge(_login(happening, 2, 1))
    admin_bench.clock.time += MINUTE
    admin_bench.judge(_login(happening, 3, 2))
    assert [data["raised_again"] for _, data in admin_bench.notices()] == [False, True, True]


def test_late_events_make_a_historical_alert_that_nobody_is_told_of(admin_bench: Any, happening: Make) -> None:
    admin_bench.judge(_login(happening, 1, 0, delay=24 * HOUR + MINUTE))
    assert admin_bench.only().historical
    assert admin_bench.notices() == []


def test_an_event_exactly_a_day_late_is_in_time(admin_bench: Any, happening: Make) -> None:
    admin_bench.judge(_login(happening, 1, 0, delay=24 * HOUR))
    assert not admin_bench.only().historical


def test_backfilled_events_make_a_historical_alert_whatever_their_age(admin_bench: Any, happening: Make) -> None:
    admin_bench.store([_login(happening, 1, 0)], source="backfill/archive/1")
    admin_bench.judge()
    assert (admin_bench.only().historical, admin_bench.only().count) == (True, 1)
    assert admin_bench.notices() == []


def test_a_backfill_that_asks_for_alerts_is_told_whatever_its_age(admin_bench: Any, happening: Make) -> None:
    admin_bench.store([_login(happening, 1, 0, delay=400 * 24 * HOUR)], source="backfill-alert/archive/1")
    admin_bench.judge()
    assert not admin_bench.only().historical
    assert [type_ for type_, _ in admin_bench.notices()] == ["alert.created"]


def test_a_historical_alert_that_goes_on_is_told_as_new(admin_bench: Any, happening: Make) -> None:
    admin_bench.judge(_login(happening, 1, 0, delay=25 * HOUR))
    admin_bench.clock.time += 25 * HOUR
    admin_bench.judge(_login(happening, 2, 10))
    assert not admin_bench.only().historical
    assert [(type_, data["raised_again"]) for type_, data in admin_bench.notices()] == [("alert.created", False)]


def test_failures_around_are_counted_whenever_they_arrive(admin_bench: Any, happening: Make) -> None:
    def failure(number: int, minutes: float) -> Any:
        return _login(happening, number, minutes, status=401)

    admin_bench.judge(failure(1, -60), failure(2, -61), _login(happening, 3, 0))
    assert "with 1 failed ones" in admin_bench.only().reason
    admin_bench.judge(failure(4, 30), failure(5, 70))
    assert "with 2 failed ones" in admin_bench.only().reason
    admin_bench.judge(_login(happening, 6, 20))
    assert "with 3 failed ones" in admin_bench.only().reason
    admin_bench.judge(failure(7, 10), _login(happening, 8, 300))
    assert "with 4 failed ones" in admin_bench.standing()[0].reason


def test_a_new_context_or_rule_version_alone_changes_no_alert(
    admin_bench: Any, everything: dict[str, Any], make_bench: Make, happening: Make
) -> None:
    bench = make_bench({"anomalous-source-ip": everything["anomalous-source-ip"]})
    home = [happening(n, at=timedelta(days=n)) for n in range(60)]
    bench.judge(*home, happening(60, at=timedelta(days=60), ip="203.0.113.9"))
    before = bench.only()
    bench.context = type(bench.context)()
    bench.judge(happening(61, at=timedelta(days=60, hours=1), ip="198.51.100.7"))
    assert bench.only() == before


def test_an_alert_that_late_history_explains_is_withdrawn(
    everything: dict[str, Any], make_bench: Make, happening: Make
) -> None:
    bench = make_bench({"anomalous-source-ip": everything["anomalous-source-ip"]})
    home = [happening(n, at=timedelta(days=n)) for n in range(60)]
    bench.judge(*home, happening(60, at=timedelta(days=60), ip="203.0.113.9"))
    assert bench.only().count == 1
    bench.judge(happening(61, at=timedelta(days=5), ip="203.0.113.10", delay=timedelta(days=55)))
    assert bench.standing() == []
    assert bench.all()[0].close_reason == "superseded"


@pytest.mark.parametrize("identity", ["jörg@example.com", "it's@example.com", 'a_%b"c'])
def test_a_benign_verdict_holds_for_any_name_and_for_no_other(
    everything: dict[str, Any], make_bench: Make, happening: Make, identity: str
) -> None:
    bench = make_bench({"anomalous-source-ip": everything["anomalous-source-ip"]})
    numbers = iter(range(1000))

    def use(days: float, ip: str, name: str) -> Any:
        return happening(next(numbers), at=timedelta(days=days), ip=ip, identity=name)

    other = 'a_%B"c'
    bench.judge(*[use(day, "198.51.100.7", name) for day in range(60) for name in (identity, other)])
    bench.judge(foreign := use(60, "203.0.113.9", identity))
    bench.close(bench.only(), at=foreign.time + MINUTE, verdict="benign_positive")
    bench.judge(use(61, "203.0.113.9", identity))
    assert (bench.only().count, bench.only().changed_after_close) == (1, False)
    bench.judge(use(61.1, "203.0.113.9", other))
    assert len(bench.standing()) == 2


def test_surroundings_of_bridged_alerts_are_counted_once(admin_bench: Any, happening: Make) -> None:
    failures = [_login(happening, 100 + n, minutes, status=401) for n, minutes in enumerate((-30, 57, 59, 100, 150))]
    admin_bench.judge(_login(happening, 1, 0), *failures)
    admin_bench.clock.time += MINUTE
    admin_bench.judge(_login(happening, 2, 110))
    admin_bench.judge(_login(happening, 3, 55))
    assert "with 5 failed ones" in admin_bench.only().reason


def test_events_that_matched_through_earlier_ones_are_not_counted_again(
    everything: dict[str, Any], make_bench: Make, happening: Make
) -> None:
    """Nineteen old events and the new one fill a window; the old ones matched before, with one far to the left."""

    def delete(number: int, minutes: float) -> Any:
        return happening(number, at=minutes * MINUTE, operation="delete", tag=f"v{number}")

    bench = make_bench({"mass-delete": everything["mass-delete"]})
    bench.judge(delete(0, 0), *[delete(n, 9 + n / 20) for n in range(1, 20)])
    assert bench.only().count == 20
    bench.judge(delete(20, 15))
    assert bench.only().count == 21


def test_a_stay_in_a_network_is_one_alert_up_to_its_last_quiet_day(
    everything: dict[str, Any], make_bench: Make, happening: Make
) -> None:
    bench = make_bench({"anomalous-source-ip": everything["anomalous-source-ip"]})
    home = [happening(n, at=timedelta(days=n)) for n in range(80)]
    early, late = timedelta(days=60, hours=-9), timedelta(days=74, hours=13)
    bench.judge(*home, *[happening(100 + n, at=at, ip="203.0.113.9") for n, at in enumerate((early, late))])
    assert bench.only().count == 2


def test_of_two_new_networks_a_traveller_is_told_of_the_first_however_they_arrive(
    everything: dict[str, Any], make_bench: Make, happening: Make
) -> None:
    numbers = iter(range(1000))

    def use(days: float, ip: str) -> Any:
        return happening(next(numbers), at=timedelta(days=days), ip=ip, identity="ana@example.com")

    known = [use(day, "198.51.100.7") for day in range(30)]
    known += [use(first + n, f"2001:db8:{n}::1") for n in range(8) for first in (6, 14)]
    first, second, later = use(30.1, "203.0.113.9"), use(30.2, "192.0.2.9"), use(30.3, "203.0.113.9")
    bench = make_bench({"anomalous-source-ip": everything["anomalous-source-ip"]})
    bench.judge(*known)
    bench.judge(later, second)
    assert bench.only().first_seen == second.time
    bench.judge(first)
    assert (bench.only().first_seen, bench.only().count) == (first.time, 2)
