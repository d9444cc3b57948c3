"""Attacks on the control plane: decoded, stored and judged as a service would, each is told of by its rule."""

import itertools
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from acrwatch.simulate import (
    KINDS,
    Attack,
    Labelled,
    PlannedAttack,
    Scenario,
    ground_truth,
    simulate,
    write_files,
)
from acrwatch.simulate.activity_wire import ACTIVITY_CATEGORY
from acrwatch.simulate.attacks import control_objects, control_plane
from benchmarks.quality_figures import Figures
from benchmarks.quality_world import START, play
from detections.rule import SHIPPED, load_rules

_KINDS = tuple(kind.name for kind in (*control_plane.KINDS, *control_objects.KINDS))
_RULES = {KINDS[name].rule for name in _KINDS}
_EACH = 8
_SEED = 51


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    """Eight days of thin traffic, eight attacks of each kind after the first, and every rule's registry among four."""
    begin, turns = START + timedelta(hours=26), itertools.product(range(_EACH), _KINDS)
    attacks = tuple(PlannedAttack(name, begin + timedelta(minutes=55 * turn)) for turn, (_, name) in enumerate(turns))
    return Scenario(
        start=START,
        end=START + timedelta(days=8),
        seed=_SEED,
        registries=("contoso", "fabrikam", "northwind", "adatum"),
        events_per_day=400,
        attacks=attacks,
        everyday=True,
    )


@pytest.fixture(scope="module")
def records(scenario: Scenario) -> list[Labelled]:
    return [item for item in simulate(scenario) if item.record["category"] == ACTIVITY_CATEGORY]


def test_each_attack_is_told_of_by_its_rule_and_nothing_benign_or_evasive_is(
    scenario: Scenario, tmp_path: Path
) -> None:
    rules = load_rules([SHIPPED / f"{slug}.yml" for slug in sorted(_RULES)])
    played, figures = play(scenario, rules, tmp_path, judge_days=8), Figures()
    figures.add(played)
    assert (len(rules), played.failed) == (14, set())
    assert figures.missed == {}
    assert figures.examples == {}
    evasive = {name for name in _KINDS if KINDS[name].evasive}
    assert {
        name: (figures.by_kind[name][""], figures.by_kind[name][KINDS[name].rule]) for name in evasive
    } == dict.fromkeys(evasive, (_EACH, 0))
    reasons = [alert.reason for alert in played.alerts if alert.rule == "registry-lock-removed"]
    told = [reason.partition("Within an hour the same identity did in the registry: ")[2] for reason in reasons]
    assert any(" delete." in one for one in told)


def test_an_action_starts_and_ends_or_is_refused_and_its_request_is_on_the_start(records: list[Labelled]) -> None:
    orders: Counter[tuple[str, ...]] = Counter()
    for actions in _by_action(records).values():
        assert all("requestbody" not in one["properties"] for one in actions if one["resultType"] != "Start")
        assert sorted(one["time"] for one in actions) == [one["time"] for one in actions]
        orders[tuple(one["resultType"] for one in actions)] += 1
    assert orders.keys() == {("Start", "Success"), ("Start", "Accept", "Success"), ("Start", "Failure"), ("Failure",)}


def test_what_one_template_deploys_shares_one_correlation_id(records: list[Labelled]) -> None:
    ids = {correlation for _, correlation, _ in _by_action(records)}
    assert len(ids) < len(_by_action(records))


def _by_action(records: list[Labelled]) -> dict[tuple[str, str, int], list[dict[str, Any]]]:
    """Return records by thing acted on, id and turn: a template may act on the same thing twice under one id."""
    actions: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    turns: Counter[tuple[str, str]] = Counter()
    for item in records:
        what = f"{item.record['operationName']} {item.record['resourceId']}", item.record["correlationId"]
        turns[what] += item.record["resultType"] == "Start"
        actions.setdefault((*what, turns[what]), []).append(item.record)
    return actions


def test_nothing_benign_is_logged_while_the_log_is_off(scenario: Scenario, records: list[Labelled]) -> None:
    off = [attack for attack in ground_truth(scenario) if attack.silent_until]
    assert {attack.kind for attack in off} == {"diagnostic-setting-removed", "registry-deleted"}
    assert all(not _in_silence(item, attack) for item in simulate(scenario) for attack in off if item.label is None)
    assert records


def _in_silence(item: Labelled, attack: Attack) -> bool:
    until = attack.silent_until or attack.end
    here = f"/REGISTRIES/{attack.registry.upper()}" in item.record["resourceId"]
    return here and attack.start <= item.time < until


def test_the_archive_files_them_by_subscription(tmp_path: Path, records: list[Labelled]) -> None:
    (first, *_) = write_files(records[:1], tmp_path)
    parts = first.relative_to(tmp_path).parts
    assert parts[:3] == ("insights-activity-logs", "resourceId=", "SUBSCRIPTIONS")
    assert parts[4].startswith("y=")
