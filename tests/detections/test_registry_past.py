"""What a registry says of newcomers, and which judgements of others new events may change."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from detections.behavioural.anomalous_source_ip.registry_past import LEVELS, WAIT, RegistryPast, changes, past_of
from storage.state.homes import Home

Make = Callable[..., Any]
START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)
FOREIGN = "203.0.113.9"


def _home(number: int, network: str = "198.51.100.0/24", at: int = 0, second: int | None = 1) -> Home:
    began = START + at * DAY
    return Home("contoso", f"id{number}", network, began, (began + second * DAY).date().isoformat() if second else None)


def _past(*homes: Home) -> RegistryPast:
    past = past_of(homes)
    assert past is not None
    return past


def _day(number: int) -> Any:
    return (START + number * DAY).date()


OFFICE = [_home(n) for n in range(30)]


def test_a_registry_is_not_asked_while_it_is_learned() -> None:
    past = _past(*OFFICE)
    assert (past.level(_day(13)), past.level(_day(14))) == (None, 0.02)


def test_the_level_is_the_share_of_homes_that_one_has_alone_rounded_up() -> None:
    past = _past(*OFFICE, *[_home(100 + n, f"192.0.{n}.0/24") for n in range(3)])
    assert past.level(_day(20)) == min(level for level in LEVELS if level >= 3.5 / 34)


def test_identities_used_on_one_date_do_not_count() -> None:
    flood = [_home(100 + n, f"192.0.{n}.0/24", second=None) for n in range(100)]
    past = _past(*OFFICE, *flood)
    assert past.level(_day(20)) == _past(*OFFICE).level(_day(20))
    assert not past.knows("192.0.1.0/24", _day(50))


def test_a_network_is_known_14_days_after_its_first_resident_counts() -> None:
    past = _past(*OFFICE, _home(50, "192.0.2.0/24", at=30))
    assert [past.knows("192.0.2.0/24", _day(day)) for day in (44, 45)] == [False, True]


def test_what_was_learned_in_the_first_14_days_is_known_at_once() -> None:
    assert _past(*OFFICE, _home(50, "192.0.2.0/24", at=10)).knows("192.0.2.0/24", _day(14))


def test_a_newcomer_changes_nothing_before_the_wait_is_over() -> None:
    before = _past(*OFFICE)
    found = changes(before, _past(*OFFICE, _home(50, "192.0.2.0/24", at=30)))
    assert min(change.since for change in found) == _day(31) + WAIT


def test_one_more_of_many_in_a_known_network_changes_no_judgement() -> None:
    many = [_home(n) for n in range(60)]
    assert changes(_past(*many), _past(*many, _home(200, at=30))) == []


@pytest.fixture
def office(make_bench: Make, everything: dict[str, Any], happening: Make) -> Any:
    """Twelve people of one network, 40 days, and a newcomer from elsewhere on the last."""
    bench = make_bench({"anomalous-source-ip": everything["anomalous-source-ip"]})
    numbers = iter(range(10_000))

    def use(day: float, identity: str, ip: str = "198.51.100.7") -> Any:
        return happening(next(numbers), at=day * DAY, identity=identity, ip=ip)

    bench.use = use
    bench.judge(*[use(day, f"p{n}@example.com") for n in range(12) for day in range(0, 40, 4)])
    bench.judge(use(39, "new@example.com", FOREIGN))
    return bench


def test_a_newcomer_from_a_strange_network_alerts_with_the_history_it_was_judged_by(office: Any) -> None:
    assert (
        "It has been known for 0 days, so it is judged by registry contoso, known since 2026-03-02: nobody first came "
        "from this network there, and a newcomer brings one of its own with a chance of up to 5 % (surprising below"
    ) in office.only().reason


def test_late_history_of_others_withdraws_the_alert(office: Any) -> None:
    office.judge(*[office.use(day, "old@example.com", FOREIGN) for day in (2, 3)])
    assert office.standing() == []
    assert office.all()[0].close_reason == "superseded"


def test_late_loners_withdraw_the_alert_as_newcomers_are_no_surprise_then(office: Any) -> None:
    office.judge(*[office.use(day, f"old{n}@example.com", f"192.0.{n}.1") for n in range(5) for day in (2, 3)])
    assert office.standing() == []


def test_a_newcomer_who_alerted_is_one_alert_while_it_stays(office: Any) -> None:
    office.judge(*[office.use(39.5 + n, "new@example.com", FOREIGN) for n in range(30)])
    assert office.only().count == 31


def test_a_benign_verdict_lets_the_newcomers_network_join(office: Any) -> None:
    office.close(office.only(), at=START + 39.1 * DAY, verdict="benign_positive")
    office.judge(office.use(40, "new@example.com", FOREIGN))
    assert office.only().count == 1


def test_a_fresh_installation_is_not_flooded_by_newcomers(make_bench: Make, everything: Any, happening: Make) -> None:
    bench = make_bench({"anomalous-source-ip": everything["anomalous-source-ip"]})
    bench.judge(*[happening(n, at=n % 14 * DAY, identity=f"t{n}", ip=f"198.18.{n}.1") for n in range(100)])
    assert bench.standing() == []
