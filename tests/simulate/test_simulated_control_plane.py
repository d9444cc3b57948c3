"""Attacks on the control plane: decoded, stored and judged as a service would, each is told of by its rule."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from acrwatch.simulate import KINDS, Attack, Labelled, PlannedAttack, Scenario, ground_truth, simulate, write_files
from acrwatch.simulate.activity_wire import ACTIVITY_CATEGORY
from acrwatch.simulate.attacks import control_plane
from benchmarks.quality_figures import Figures
from benchmarks.quality_world import START, play
from detections.rule import SHIPPED, load_rules

_KINDS = tuple(kind.name for kind in control_plane.KINDS)
_RULES = {KINDS[name].rule for name in _KINDS}


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    """Two days of thin traffic, one attack of each kind in the second, and every rule's registry among four."""
    begin = START + timedelta(hours=26)
    attacks = tuple(PlannedAttack(name, begin + timedelta(minutes=40 * turn)) for turn, name in enumerate(_KINDS))
    return Scenario(
        start=START,
        end=START + timedelta(days=2),
        seed=3,
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
    played, figures = play(scenario, rules, tmp_path, judge_days=2), Figures()
    figures.add(played)
    assert (len(rules), played.failed) == (14, set())
    assert figures.missed == {}
    assert figures.examples == {}
    evasive = {name for name in _KINDS if KINDS[name].evasive}
    assert {name: dict(figures.by_kind[name]) for name in evasive} == {name: {"": 1} for name in evasive}
    (alert,) = [alert for alert in played.alerts if alert.rule == "registry-lock-removed"]
    assert " delete." in alert.reason.partition("Within an hour the same identity did in the registry: ")[2]


def test_an_action_is_two_records_the_request_on_the_first(records: list[Labelled]) -> None:
    by_action: dict[str, list[dict[str, Any]]] = {}
    for item in records:
        by_action.setdefault(item.record["correlationId"], []).append(item.record)
    for first, last in by_action.values():
        assert (first["resultType"], last["resultType"]) in {("Start", "Success"), ("Start", "Failure")}
        assert "requestbody" not in last["properties"]
        assert first["time"] < last["time"]


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
