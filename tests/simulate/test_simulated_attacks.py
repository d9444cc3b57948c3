"""Each attack satisfies its rule's definition, checked by brute force, and stands out from two months' history."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from acrwatch.core.errors import ConfigError
from acrwatch.simulate import (
    Attack,
    Labelled,
    PlannedAttack,
    Scenario,
    ground_truth,
    live_attacks,
    simulate,
)

RULES = (
    "admin-user-login",
    "mass-delete",
    "pull-outside-allowed-ranges",
    "anomalous-source-ip",
)


@pytest.fixture(scope="module")
def truth(attacked: Scenario) -> dict[str, Attack]:
    return {attack.rule: attack for attack in ground_truth(attacked)}


@pytest.fixture(scope="module")
def evidence(attacked: Scenario, truth: dict[str, Attack]) -> dict[str, list[Labelled]]:
    items = list(simulate(attacked))
    return {rule: [item for item in items if item.label == attack.id] for rule, attack in truth.items()}


def _succeeded(items: list[Labelled], operation: str) -> list[Labelled]:
    return [
        item
        for item in items
        if item.record["operationName"] == operation and item.record["resultDescription"].startswith("2")
    ]


def _networks(items: list[Labelled], identity: str, network_of: Callable[[Labelled], str]) -> set[str]:
    return {network_of(item) for item in items if item.record["identity"] == identity}


def test_one_attack_of_each_kind_comes_within_twenty_minutes(truth: dict[str, Attack], now: datetime) -> None:
    assert set(truth) == set(RULES)
    assert all(now < attack.start < attack.end < now + timedelta(minutes=20) for attack in truth.values())


@pytest.mark.parametrize("rule", RULES)
def test_the_ground_truth_describes_the_labelled_records(
    rule: str, truth: dict[str, Attack], evidence: dict[str, list[Labelled]], registry_of: Callable[[Labelled], str]
) -> None:
    attack, items = truth[rule], evidence[rule]
    assert attack.records == len(items)
    assert (attack.start, attack.end) == (items[0].time, items[-1].time)
    assert {item.record["identity"] for item in items} == {attack.identity}
    assert {registry_of(item) for item in items} == {attack.registry.casefold()}
    assert all(attack.address in item.record["callerIpAddress"] for item in items)


def test_the_admin_attack_logs_in_and_pulls_under_the_registrys_name_from_a_network_never_seen(
    evidence: dict[str, list[Labelled]],
    two_months: list[Labelled],
    network_of: Callable[[Labelled], str],
    registry_of: Callable[[Labelled], str],
) -> None:
    items = evidence["admin-user-login"]
    assert all(item.record["identity"].casefold() == registry_of(item) for item in items)
    login, pulls = _succeeded(items, "Login")[0], _succeeded(items, "Pull")
    assert pulls
    assert all(login.time < pull.time for pull in pulls)
    assert network_of(login) not in {network_of(item) for item in two_months if item.record["callerIpAddress"]}


def test_the_mass_deletion_is_25_targets_in_ten_minutes_by_someone_who_never_deletes(
    evidence: dict[str, list[Labelled]],
    truth: dict[str, Attack],
    two_months: list[Labelled],
    is_deletion: Callable[[Labelled], bool],
    most_targets: Callable[[list[Labelled]], int],
) -> None:
    deletions = [item for item in evidence["mass-delete"] if is_deletion(item)]
    assert all(item.record["resultDescription"].startswith("2") for item in deletions)
    tags_and_digests = [item for item in deletions if item.record["operationName"] != "DeleteRepository"]
    assert most_targets(tags_and_digests) >= 25
    assert len(deletions) > len(tags_and_digests)
    attacker = truth["mass-delete"].identity
    before = [item for item in two_months if item.record["identity"] == attacker]
    assert before
    assert not any(is_deletion(item) for item in before)


def test_the_mass_deleter_sits_at_home_so_that_only_one_rule_fires(
    evidence: dict[str, list[Labelled]],
    truth: dict[str, Attack],
    two_months: list[Labelled],
    network_of: Callable[[Labelled], str],
) -> None:
    known = _networks(two_months, truth["mass-delete"].identity, network_of)
    assert {network_of(item) for item in evidence["mass-delete"]} <= known


def test_the_stolen_token_pulls_from_outside_every_allowed_range(
    evidence: dict[str, list[Labelled]],
    truth: dict[str, Attack],
    two_months: list[Labelled],
    is_allowed: Callable[[Labelled], bool],
) -> None:
    pulls = _succeeded(evidence["pull-outside-allowed-ranges"], "Pull")
    assert len(pulls) >= 10
    assert not any(is_allowed(item) for item in pulls)
    assert truth["pull-outside-allowed-ranges"].identity in {item.record["identity"] for item in two_months}


def test_the_build_principal_appears_in_a_foreign_but_allowed_network_after_sixty_days_in_one(
    evidence: dict[str, list[Labelled]],
    truth: dict[str, Attack],
    two_months: list[Labelled],
    is_allowed: Callable[[Labelled], bool],
    network_of: Callable[[Labelled], str],
) -> None:
    items = evidence["anomalous-source-ip"]
    known = _networks(two_months, truth["anomalous-source-ip"].identity, network_of)
    assert len(known) == 1
    assert known.isdisjoint(network_of(item) for item in items)
    assert all(is_allowed(item) for item in items)
    assert _succeeded(items, "Login")
    assert _succeeded(items, "Push")


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "pull-outside-allowed-ranges"])
def test_other_attacks_stay_inside_the_allowed_ranges(
    rule: str, evidence: dict[str, list[Labelled]], is_allowed: Callable[[Labelled], bool]
) -> None:
    assert all(is_allowed(item) for item in evidence[rule])


def test_attacks_change_no_benign_record(attacked: Scenario) -> None:
    benign = [item for item in simulate(attacked) if item.label is None]
    assert benign == list(simulate(replace(attacked, attacks=())))


def test_outside_attacks_come_over_both_address_families(now: datetime) -> None:
    plans = tuple(PlannedAttack("pull-outside-allowed-ranges", now + timedelta(hours=hour)) for hour in range(30))
    attacks = ground_truth(Scenario(start=now, end=now + timedelta(days=2), attacks=plans))
    assert {":" in attack.address for attack in attacks} == {True, False}


def test_unplaced_attacks_take_turns_over_the_registries(truth: dict[str, Attack]) -> None:
    assert [truth[rule].registry for rule in RULES] == ["contoso", "fabrikam", "contoso", "fabrikam"]


def test_a_placed_attack_strikes_where_it_was_placed(now: datetime) -> None:
    plan = PlannedAttack("mass-delete", now, "contoso")
    other = PlannedAttack("mass-delete", now, "fabrikam")
    attacks = ground_truth(Scenario(start=now, end=now + timedelta(hours=1), attacks=(plan, plan, other)))
    assert [attack.registry for attack in attacks] == ["contoso", "contoso", "fabrikam"]
    assert len({attack.id for attack in attacks}) == 3


@pytest.mark.parametrize("rule", RULES)
def test_no_attack_outlasts_the_span_promised(rule: str, now: datetime) -> None:
    plans = tuple(PlannedAttack(rule, now + timedelta(minutes=minute)) for minute in range(40))
    attacks = ground_truth(Scenario(start=now, end=now + timedelta(hours=1), attacks=plans))
    assert all(attack.end - attack.start < timedelta(minutes=12) for attack in attacks)


@pytest.mark.parametrize(
    ("minutes", "registry", "says"),
    [(-1, None, "does not fit"), (50, None, "does not fit"), (5, "northwind", "Choose from")],
)
def test_an_attack_that_cannot_be_staged_is_refused(
    minutes: int, registry: str | None, says: str, now: datetime
) -> None:
    plan = PlannedAttack("mass-delete", now + timedelta(minutes=minutes), registry)
    with pytest.raises(ConfigError, match=says):
        Scenario(start=now, end=now + timedelta(hours=1), attacks=(plan,))


def test_live_attacks_fit_a_span_of_twenty_minutes(now: datetime) -> None:
    assert Scenario(start=now, end=now + timedelta(minutes=20), attacks=live_attacks(now))
