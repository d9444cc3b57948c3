"""Small alerts of several rules about one identity become one that matters: how points add up, fade, and are united."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from detections import risk
from detections.risk import counted, counts, entities_in, may_add_up, moments, severity_of, united, worth
from storage.state.alerts import Alert
from storage.state.risk import Entity
from tests.detections.conftest import START

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BASE: Final = Alert(
    id="a", rule="r", rule_id="", rule_version="1", context_version=None, title="", severity="low", tags=(),
    group_key="{}", entities=({"type": "identity", "value": "ana@example.com"},), registries=("contoso",), status="new",
    close_reason=None, merged_into=None, historical=False, first_seen=START, last_seen=START, count=1, evidence=(),
    evidence_rows=(), facts={}, reason="", revision=1, created_at=START, updated_at=START, raised_at=START,
    closed_at=None, changed_after_close=False,
)  # fmt: skip


def _alert(rule: str, hours: float = 0, severity: str = "low", **more: Any) -> Alert:
    at = START + hours * HOUR
    return replace(
        BASE, **{"id": f"{rule}{hours}", "rule": rule, "first_seen": at, "last_seen": at, **more}, severity=severity
    )


def _severities(*alerts: Alert) -> list[str]:
    return [one.severity for one in united(moments(alerts))]


@pytest.mark.parametrize(("level", "next_level"), [("low", "medium"), ("medium", "high"), ("high", "critical")])
def test_three_rules_of_one_level_within_a_day_make_the_next_and_two_do_not(level: str, next_level: str) -> None:
    three = [_alert(rule, hours, level) for rule, hours in (("a", 0), ("b", 0), ("c", 24))]
    assert _severities(*three) == [next_level]
    assert _severities(_alert("a", 0, level), _alert("b", 0, level)) == []


def test_a_rule_counts_once_however_often_it_speaks() -> None:
    assert _severities(*[_alert("a", n) for n in range(9)], _alert("b", 9)) == []


def test_alerts_that_cannot_add_up_to_anything_are_known_by_their_rules_and_severities() -> None:
    def told(*kinds: tuple[str, str]) -> set[tuple[str, str, bool]]:
        return {(rule, severity, False) for rule, severity in kinds}

    assert not may_add_up(told(("a", "low"), ("a", "medium"), ("b", "low")))
    assert may_add_up(told(("a", "low"), ("b", "low"), ("c", "low"), ("c", "critical")))
    assert may_add_up(told(("a", "low"), ("b", "medium"), ("c", "medium"), ("d", "low")))


def test_what_lies_further_apart_than_points_last_does_not_add_up() -> None:
    assert _severities(_alert("a", 0), _alert("b", 36), _alert("c", 72)) == []


def test_an_alert_that_says_it_all_is_not_said_again() -> None:
    assert _severities(_alert("a", 0, "high"), _alert("b", 0), _alert("c", 0, "medium")) == []


def test_points_stay_for_a_day_and_are_halved_with_each_further_one() -> None:
    lasting = _alert("a", last_seen=START + 10 * HOUR, severity="medium")
    ages = (-1, 0, 10, 34, 58, 82, 106, 107)
    assert [worth(lasting, START + hours * HOUR) for hours in ages] == [0, 10, 10, 10, 5, 2.5, 1.25, 0]


def test_moments_within_a_day_of_each_other_are_one_with_the_parts_of_all() -> None:
    found = united(moments([_alert(rule, hours) for rule, hours in (("a", 0), ("b", 1), ("c", 2), ("d", 20))]))
    assert [[part.rule for part in one.parts] for one in found] == [["a", "b", "c", "d"]]
    assert (found[0].score, found[0].first, found[0].last) == (16, START, START + 20 * HOUR)


def test_what_a_person_dealt_with_is_not_counted_towards_the_next() -> None:
    before, after = [_alert(rule, 0) for rule in "abc"], [_alert("d", 2), _alert("e", 3)]
    cut = START + HOUR
    assert [len(one.parts) for one in united(moments([*before, *after], [cut]))] == [3]
    assert len(list(moments([*before, *after, _alert("f", 4)], [cut]))) == 2


@pytest.mark.parametrize(
    ("changes", "does"),
    [
        ({}, True),
        ({"status": "closed", "close_reason": "true_positive.suspicious_activity"}, True),
        ({"status": "closed", "close_reason": "undetermined"}, True),
        ({"status": "closed", "close_reason": "false_positive.incorrect_logic"}, False),
        ({"status": "closed", "close_reason": "benign_positive.suspicious_but_expected"}, False),
        ({"status": "closed", "close_reason": "duplicate"}, False),
        ({"status": "closed", "close_reason": "merged"}, False),
        ({"status": "suppressed"}, False),
        ({"status": "staged"}, False),
        ({"status": "building-block"}, True),
        ({"severity": "informational"}, False),
        ({"rule": risk.SLUG}, False),
    ],
)
def test_only_alerts_that_stand_and_that_nobody_dismissed_count(changes: dict[str, Any], does: bool) -> None:
    assert counts(replace(BASE, **changes)) is does


def test_entra_identities_are_one_everywhere_and_others_belong_to_their_registry() -> None:
    def named(value: str, **more: Any) -> list[Entity]:
        return entities_in(replace(BASE, entities=({"type": "identity", "value": value},), **more))

    assert named("Ana@Example.com") == [Entity("identity", "ana@example.com")]
    assert named("ci", registries=("a", "b")) == [Entity("identity", "a/ci"), Entity("identity", "b/ci")]


def test_an_alert_that_names_no_identity_counts_for_its_address() -> None:
    nameless = replace(BASE, entities=({"type": "identity", "value": "-"}, {"type": "ip", "value": "203.0.113.9"}))
    assert entities_in(nameless) == [Entity("ip", "203.0.113.9")]


def test_of_one_rules_alerts_the_one_worth_most_counts() -> None:
    low, medium = _alert("a", 0), _alert("a", 1, "medium")
    assert counted([medium, low], START + 2 * HOUR) == (medium,)
    assert severity_of(10) == "medium"


def _block(rule: str, hours: float = 0, severity: str = "low") -> Alert:
    return _alert(rule, hours, severity, status="building-block")


def test_building_blocks_count_and_set_no_bar() -> None:
    assert _severities(_block("a", severity="medium"), _block("b")) == ["medium"]
    assert _severities(_alert("a", severity="medium"), _block("b")) == []  # that it is medium is known
    assert _severities(_alert("a"), _block("b", severity="medium")) == ["medium"]


def test_a_building_block_alone_and_low_ones_wake_nobody() -> None:
    assert _severities(_block("a", severity="high"), _block("a", 1, "high")) == []
    assert _severities(_block("a"), _block("b")) == []
    assert _severities(_block("a"), _block("b"), _block("c")) == ["medium"]


def test_building_blocks_that_see_the_same_count_once_and_told_alerts_each() -> None:
    country, network = _block("first-country", 0, "medium"), _block("anomalous-source-ip", 0, "medium")
    assert _severities(country, network) == []
    assert _severities(country, network, _block("first-seen-identity")) == ["medium"]
    told = replace(network, status="new")
    assert _severities(country, told, _block("first-seen-identity")) == []
    assert _severities(country, told, _alert("admin-user-login", severity="medium")) == ["high"]


@pytest.mark.parametrize("rule", ["first-country", "first-seen-identity"])
def test_a_rule_that_was_a_building_block_and_then_told_counts_once(rule: str) -> None:
    block, told = _block(rule, 0, "medium"), _alert(rule, 1, "medium")
    assert _severities(block, told, _alert("a", 2), _alert("b", 3)) == []


def test_what_was_told_long_ago_hides_no_fresh_building_block() -> None:
    assert _severities(_alert("a", 0, "medium"), _block("a", 94, "medium"), _block("b", 94)) == ["medium"]


def test_whether_building_blocks_can_add_up_is_known_by_rules_and_severities() -> None:
    assert not may_add_up({("a", "high", True), ("a", "low", True)})
    assert not may_add_up({("first-country", "medium", True), ("anomalous-source-ip", "medium", True)})
    assert may_add_up({("a", "medium", True), ("b", "low", True)})
    assert may_add_up({("a", "low", False), ("b", "medium", True)})
    assert not may_add_up({("a", "medium", False), ("b", "low", True)})
