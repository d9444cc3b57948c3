"""Everyday trouble: benign, repeatable, odd in the ways it promises, and told to acrwatch as its owners know it."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from itertools import pairwise
from typing import Any

import pytest

from acrwatch.core.address import parse_address
from acrwatch.core.registry import SETTINGS, RegistryContext, from_settings
from acrwatch.simulate import Labelled, PlannedAttack, Scenario, addresses, registry_settings, simulate
from acrwatch.simulate.activity_wire import ACTIVITY_CATEGORY
from acrwatch.simulate.attacks.stage import HOUR
from acrwatch.simulate.chance import seeded
from acrwatch.simulate.everyday.colleagues import colleagues
from acrwatch.simulate.registry import make_registry
from acrwatch.simulate.rhythm import SLICES_PER_DAY, make_slice
from acrwatch.simulate.tape import Tape

MONDAY = datetime(2026, 2, 2, tzinfo=UTC)
REGISTRIES = ("contoso", "fabrikam", "northwind", "adatum")
FORTNIGHT = Scenario(
    start=MONDAY, end=MONDAY + timedelta(days=14), seed=5, registries=REGISTRIES, events_per_day=1500, everyday=True
)


@pytest.fixture(scope="module")
def both_planes() -> list[Labelled]:
    return list(simulate(FORTNIGHT))


@pytest.fixture(scope="module")
def fortnight(both_planes: list[Labelled]) -> list[Labelled]:
    """What the registries themselves log."""
    return [item for item in both_planes if item.record["category"] != ACTIVITY_CATEGORY]


def _of(items: list[Labelled], operation: str, status: str = "") -> list[Labelled]:
    return [
        item
        for item in items
        if item.record["operationName"] == operation and item.record["resultDescription"].startswith(status)
    ]


def test_everyday_traffic_is_benign(both_planes: list[Labelled]) -> None:
    assert {item.label for item in both_planes} == {None}


def _is_service(record: dict[str, Any]) -> bool:
    return bool(record["identity"]["claims"].get("idtyp") == "app")


def test_an_address_is_let_in_by_hand_now_and_then(both_planes: list[Labelled]) -> None:
    by_hand = [item.record for item in both_planes if item.record["category"] == ACTIVITY_CATEGORY]
    requests = [record["properties"].get("requestbody") for record in by_hand if not _is_service(record)]
    assert any(request and "198.18" in request for request in requests)


def test_templates_state_every_setting_of_a_registry_again_and_change_none(both_planes: list[Labelled]) -> None:
    stated = defaultdict(set)
    for item in both_planes:
        record = item.record
        if record["category"] == ACTIVITY_CATEGORY and record["resultType"] == "Start" and _is_service(record):
            stated[record["resourceId"], record["operationName"]].add(record["properties"]["requestbody"])
    assert len({operation for _, operation in stated}) == 6
    assert {len(bodies) for bodies in stated.values()} == {1}


def test_adjoining_spans_of_everyday_traffic_continue_each_other() -> None:
    day = replace(FORTNIGHT, end=MONDAY + timedelta(days=1))
    noon = MONDAY + timedelta(hours=12, minutes=3)
    assert [*simulate(replace(day, end=noon)), *simulate(replace(day, start=noon))] == list(simulate(day))


def test_a_misspelt_image_is_asked_for_again_and_again(fortnight: list[Labelled]) -> None:
    asked = Counter(item.record["properties"]["repository"] for item in _of(fortnight, "Pull", "404"))
    assert asked.most_common(1)[0][1] >= 24


def test_a_weekly_purge_deletes_faster_than_two_in_a_second_allow(fortnight: list[Labelled]) -> None:
    sunday = MONDAY + timedelta(days=6, hours=2)
    purge = [item for item in fortnight if sunday <= item.time < sunday + timedelta(minutes=4)]
    by_identity = Counter(
        item.record["identity"] for item in purge if item.record["operationName"] in ("Delete", "Untag")
    )
    assert by_identity.most_common(1)[0][1] >= 60


def test_a_push_is_retried_until_it_goes_through(fortnight: list[Labelled]) -> None:
    failed = [item for item in _of(fortnight, "Push") if item.record["resultDescription"] in ("429", "500", "503")]
    done = {item.record["properties"]["tag"] for item in _of(fortnight, "Push", "201")}
    assert failed
    assert {item.record["properties"]["tag"] for item in failed} <= done


def test_a_moving_tag_gets_new_digests(fortnight: list[Labelled]) -> None:
    digests = defaultdict(set)
    for item in _of(fortnight, "Push", "201"):
        properties = item.record["properties"]
        digests[item.record["resourceId"], properties["repository"], properties["tag"]].add(properties["digest"])
    moved = {key[2] for key, found in digests.items() if len(found) > 1}
    assert {"main", "latest", "blue", "green"} <= moved
    assert not any(tag.startswith("release-") for tag in moved)


def test_the_private_registry_is_only_reached_privately(
    fortnight: list[Labelled], registry_of: Callable[[Labelled], str]
) -> None:
    callers = {_bare(item) for item in fortnight if registry_of(item) == "adatum" and item.record["callerIpAddress"]}
    assert callers
    assert all(ip_address(caller) in ip_network("10.0.0.0/8") for caller in callers)


def test_only_the_public_registry_is_pulled_from_by_nobody(
    fortnight: list[Labelled], registry_of: Callable[[Labelled], str]
) -> None:
    assert {registry_of(item) for item in _of(fortnight, "Pull") if not item.record["identity"]} == {"fabrikam"}


def test_people_are_at_one_place_at_a_time(fortnight: list[Labelled], network_of: Callable[[Labelled], str]) -> None:
    places = defaultdict(set)
    for item in fortnight:
        if "@" in item.record["identity"] and item.time.hour < 12:
            places[item.record["identity"], item.time.date()].add(network_of(item))
    alone = sum(len(found) == 1 for found in places.values())
    assert alone > 0.9 * len(places)  # a trip may begin in the morning


def test_a_token_is_replaced_by_one_of_another_name(registry_of: Callable[[Labelled], str]) -> None:
    names = set()
    for month in range(5):
        start = MONDAY + timedelta(days=30 * month)
        span = replace(FORTNIGHT, start=start, end=start + timedelta(hours=4), registries=("contoso",))
        names |= {item.record["identity"] for item in simulate(span) if "-pull-r" in item.record["identity"]}
    assert len(names) == 2


def test_the_settings_are_what_the_configuration_takes_and_name_no_attacker() -> None:
    at = FORTNIGHT.start + timedelta(days=2, hours=10)
    attacks = tuple(PlannedAttack(kind, at) for kind in ("role-drift", "mass-untag", "delete-by-newcomer"))
    parsers = {setting.name: setting.parse for setting in SETTINGS}
    for name, found in registry_settings(replace(FORTNIGHT, attacks=attacks)).items():
        context = from_settings({key: parsers[key](values) for key, values in found.items()})
        assert isinstance(context, RegistryContext)
        assert ("allowed_ranges" in context.ranges) == (name != "fabrikam")
        assert ("private_only" in context.flags) == (name == "adatum")
        assert ("public" in context.flags) == (name == "fabrikam")


def test_everyone_who_pushes_or_purges_by_habit_is_listed(
    fortnight: list[Labelled], registry_of: Callable[[Labelled], str]
) -> None:
    settings = registry_settings(FORTNIGHT)
    for item in _of(fortnight, "Push", "2"):
        assert item.record["identity"] in settings[registry_of(item)]["push_identities"]
    for operation in ("Delete", "Untag", "DeleteRepository"):
        for item in _of(fortnight, operation, "2"):
            assert item.record["identity"] in settings[registry_of(item)]["purge_identities"]


def _bare(item: Labelled) -> str:
    text: str = item.record["callerIpAddress"].removeprefix("::ffff:")
    return text.partition(":")[0]


def test_a_traveller_is_hours_on_the_way() -> None:
    registries = tuple(make_registry(5, name, number) for number, name in enumerate(REGISTRIES))
    (traveller, *_) = [person for person in colleagues(5, registries) if person.travels]
    tape = Tape(seeded("trips"))
    for number in range(140_000, 140_000 + 90 * SLICES_PER_DAY):
        traveller.perform(tape, make_slice(number))
    calls = sorted(
        (draft.ticks, _address_of(draft.record) in ip_network(addresses.HOTELS))
        for draft in tape.drafts
        if "." in draft.record["callerIpAddress"]
    )
    moves = [later - ticks for (ticks, here), (later, there) in pairwise(calls) if here != there]
    assert len(moves) >= 4
    assert min(moves) >= 5 * HOUR


def _address_of(record: dict[str, Any]) -> Any:
    return ip_address(parse_address(record["callerIpAddress"]).text or "")
