"""Benign traffic: repeatable, in order, bounded, shaped like a working week, and innocent under every mission rule."""

import hashlib
import subprocess
import sys
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from types import FrameType

import msgspec
import pytest

from acrwatch.core.errors import ConfigError
from acrwatch.simulate import LONGEST_DELAY, Labelled, Scenario, history, in_arrival_order, simulate

MONDAY = datetime(2026, 2, 2, tzinfo=UTC)
DAY = Scenario(start=MONDAY, end=MONDAY + timedelta(days=1), seed=7)


def _bytes(scenario: Scenario) -> bytes:
    return msgspec.json.encode([item.record for item in simulate(scenario)])


def _hours(items: list[Labelled], *, weekend: bool) -> Counter[int]:
    return Counter(item.time.hour for item in items if (item.time.weekday() >= 5) == weekend)


def test_equal_settings_give_identical_bytes_in_any_process() -> None:
    program = (
        "import hashlib, msgspec; from datetime import datetime, timedelta, UTC; from acrwatch.simulate import *\n"
        "start = datetime(2026, 2, 2, tzinfo=UTC)\n"
        "items = simulate(Scenario(start=start, end=start + timedelta(days=1), seed=7))\n"
        "print(hashlib.sha256(msgspec.json.encode([item.record for item in items])).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert other.stdout.strip() == hashlib.sha256(_bytes(DAY)).hexdigest()


def test_another_seed_gives_other_records() -> None:
    assert _bytes(DAY) != _bytes(replace(DAY, seed=8))


def test_adjoining_spans_continue_each_other() -> None:
    noon = MONDAY + timedelta(hours=12, minutes=3, seconds=17)
    halves = [*simulate(replace(DAY, end=noon)), *simulate(replace(DAY, start=noon))]
    assert halves == list(simulate(DAY))


def test_records_come_in_event_time_order_within_the_span(two_months: list[Labelled], now: datetime) -> None:
    times = [item.time for item in two_months]
    assert times == sorted(times)
    assert now - timedelta(days=60) <= times[0]
    assert times[-1] < now


def test_the_first_record_of_ten_years_does_not_wait_for_the_rest() -> None:
    def calls(days: int) -> int:
        counted = 0

        def count(_frame: FrameType, event: str, _argument: object) -> None:
            nonlocal counted
            counted += event == "call"

        span = replace(DAY, end=MONDAY + timedelta(days=days))
        before = sys.getprofile()
        sys.setprofile(count)
        try:
            assert len(list(islice(simulate(span), 100))) == 100
        finally:
            sys.setprofile(before)
        return counted

    calls(1)  # fills the caches
    assert calls(3650) < 2 * calls(30)


def test_memory_does_not_grow_with_the_span() -> None:
    def peak(days: int) -> int:
        tracemalloc.start()
        for _ in simulate(replace(DAY, end=MONDAY + timedelta(days=days))):
            pass
        return tracemalloc.get_traced_memory()[1]

    try:
        peak(1)  # fills the caches, whose size is bounded
        short, long = peak(1), peak(4)
    finally:
        tracemalloc.stop()
    assert long < short + 4_000_000


@pytest.mark.parametrize("daily", [1_000, 10_000])
def test_the_volume_is_the_one_asked_for(daily: int) -> None:
    fortnight = replace(DAY, end=MONDAY + timedelta(days=14), events_per_day=daily)
    assert sum(1 for _ in simulate(fortnight)) == pytest.approx(14 * daily, rel=0.1)


def test_pulls_lead_logins_follow_and_deletions_are_rare(two_months: list[Labelled]) -> None:
    counts = Counter(item.record["operationName"] for item in two_months)
    share = {name: count / len(two_months) for name, count in counts.items()}
    assert 0.5 < share["Pull"] < 0.75
    assert 0.15 < share["Login"] < 0.35
    assert 0.05 < share["Push"] < 0.2
    assert 0 < share["Delete"] + share["Untag"] < 0.04
    assert {"importImage", "PurgeManifest"} < counts.keys()


def test_working_hours_are_busier_than_nights(two_months: list[Labelled]) -> None:
    hours = _hours(two_months, weekend=False)
    assert sum(hours[hour] for hour in range(8, 16)) > 2 * sum(hours[hour] for hour in (20, 21, 22, 23, 0, 1, 2, 3))


def test_weekends_are_quieter_but_never_silent(two_months: list[Labelled]) -> None:
    working, weekend = (sum(_hours(two_months, weekend=free).values()) / days for free, days in ((False, 5), (True, 2)))
    assert 0.3 * working < weekend < 0.8 * working


def test_all_benign_records_are_unlabelled(two_months: list[Labelled]) -> None:
    assert {item.label for item in two_months} == {None}


def test_every_benign_caller_is_inside_the_allowed_ranges(
    two_months: list[Labelled], is_allowed: Callable[[Labelled], bool]
) -> None:
    strangers = {
        item.record["callerIpAddress"] for item in two_months if item.record["callerIpAddress"] and not is_allowed(item)
    }
    assert strangers == set()


def test_every_benign_pull_has_an_address(two_months: list[Labelled]) -> None:
    assert all(item.record["callerIpAddress"] for item in two_months if item.record["operationName"] == "Pull")


def test_no_benign_identity_is_a_registry_name(
    two_months: list[Labelled], registry_of: Callable[[Labelled], str]
) -> None:
    registries = {registry_of(item) for item in two_months}
    assert registries.isdisjoint(item.record["identity"].casefold() for item in two_months)


@pytest.mark.parametrize("daily", [2_500, 200_000])
def test_benign_deletions_stay_below_the_mass_delete_threshold(
    daily: int, is_deletion: Callable[[Labelled], bool], most_targets: Callable[[list[Labelled]], int]
) -> None:
    night = replace(DAY, events_per_day=daily, end=MONDAY + timedelta(hours=5))
    by_identity = defaultdict(list)
    for item in simulate(night):
        if is_deletion(item):
            by_identity[item.record["identity"]].append(item)
    assert 0 < max(most_targets(items) for items in by_identity.values()) < 20


def test_programs_keep_to_one_network_and_travellers_see_eight_a_month(
    two_months: list[Labelled],
    now: datetime,
    network_of: Callable[[Labelled], str],
    registry_of: Callable[[Labelled], str],
) -> None:
    programs, people = defaultdict(set), defaultdict(set)
    for item in two_months:
        identity = item.record["identity"]
        if "@" in identity and item.time >= now - timedelta(days=30):
            people[identity].add(network_of(item))
        elif identity and "@" not in identity:
            programs[registry_of(item), identity].add(network_of(item))
    assert {len(networks) for networks in programs.values()} == {1}
    assert sum(len(networks) >= 8 for networks in people.values()) == 2
    assert sum(2 <= len(networks) <= 4 for networks in people.values()) == 8


def test_token_names_repeat_across_registries_without_being_one_caller(
    two_months: list[Labelled], network_of: Callable[[Labelled], str], registry_of: Callable[[Labelled], str]
) -> None:
    berlin = {(registry_of(item), network_of(item)) for item in two_months if "berlin" in item.record["identity"]}
    assert len({registry for registry, _ in berlin}) == len({network for _, network in berlin}) == 2


def test_settled_people_show_their_networks_within_the_learning_time(
    two_months: list[Labelled], now: datetime, network_of: Callable[[Labelled], str]
) -> None:
    first = now - timedelta(days=60)
    early: dict[str, set[str]] = defaultdict(set)
    late: dict[str, set[str]] = defaultdict(set)
    for item in two_months:
        if "@" in item.record["identity"]:
            (early if item.time < first + timedelta(days=14) else late)[item.record["identity"]].add(network_of(item))
    surprised = [identity for identity in late if not late[identity] <= early[identity]]
    assert len(surprised) == 2  # the travellers


def test_a_cluster_logs_in_from_every_node_each_three_hours() -> None:
    scenario = replace(DAY, registries=("contoso",), events_per_day=5_000)
    times = defaultdict(list)
    for item in simulate(scenario):
        if item.record["operationName"] == "Login" and item.record["callerIpAddress"].startswith("10.20."):
            times[item.record["callerIpAddress"].split(":")[0]].append(item.time)
    assert len(times) > 20
    full = [logins for logins in times.values() if len(logins) == 8]
    assert len(full) > 10
    gaps = [later - earlier for logins in full for earlier, later in pairwise(logins)]
    assert all(timedelta(hours=2, minutes=50) <= gap <= timedelta(hours=3, minutes=10) for gap in gaps)


def test_records_arrive_5_to_20_minutes_late_and_in_batches(two_months: list[Labelled]) -> None:
    delays = [item.arrival - item.time for item in two_months]
    assert timedelta(minutes=5) <= min(delays)
    assert max(delays) <= timedelta(minutes=20)
    assert len({item.arrival for item in two_months}) < len(two_months) / 3


def test_arrival_order_is_by_arrival_and_loses_nothing() -> None:
    scenario = replace(DAY, duplicates=0.1)
    arrived = list(in_arrival_order(simulate(scenario)))
    assert [item.arrival for item in arrived] == sorted(item.arrival for item in arrived)
    assert sorted(item.record["correlationId"] for item in arrived) == sorted(
        item.record["correlationId"] for item in simulate(scenario)
    )
    assert [item.time for item in arrived] != sorted(item.time for item in arrived)


def test_duplicates_repeat_the_record_before_them_and_change_no_other() -> None:
    items = list(simulate(replace(DAY, duplicates=0.05)))
    repeats = [(before, item) for before, item in pairwise(items) if item.duplicate]
    assert len(repeats) == pytest.approx(0.05 * len(items), rel=0.3)
    assert all(before.record == item.record and before.arrival <= item.arrival for before, item in repeats)
    assert max(item.arrival - item.time for item in items) <= LONGEST_DELAY
    assert [item for item in items if not item.duplicate] == list(simulate(DAY))


def test_live_traffic_continues_the_population_of_its_history(two_months: list[Labelled], now: datetime) -> None:
    live = simulate(Scenario(start=now, end=now + timedelta(hours=2)))
    known = {item.record["identity"] for item in two_months}
    assert {item.record["identity"] for item in live} <= known


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"start": datetime(2026, 2, 2)}, "aware times"),  # noqa: DTZ001 - naive on purpose
        ({"end": MONDAY}, "start before the end"),
        ({"events_per_day": 0}, "at least 1 event"),
        ({"duplicates": 1.5}, "between 0 and 1"),
        ({"registries": ("my-registry",)}, "my-registry"),
        ({"registries": ("contoso", "CONTOSO")}, "distinct"),
        ({"registries": ()}, "1 to 100"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        replace(DAY, **change)  # type: ignore[arg-type]


def test_sixty_days_of_history_end_at_the_moment_given(now: datetime) -> None:
    scenario = history(now, registries=("northwind",))
    assert (scenario.end - scenario.start, scenario.end) == (timedelta(days=60), now)
    assert list(scenario.allowed_ranges()) == ["northwind"]
