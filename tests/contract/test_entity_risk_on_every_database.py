"""The alert about an entity's risk follows the alerts that stand, whoever changes those; on every database."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from acrwatch.core.verdict import verdict_named
from detections import risk
from detections.notices import Publishing
from detections.rule import parse_rule
from detections.triage import Hand
from storage.state import alerts, runs, stages, suppressions
from storage.state.alerts import Alert
from storage.state.suppressions import Suppression
from tests.detections.conftest import START, Bench, Happening, rule_text

HOUR = timedelta(hours=1)
RULES = ("pull", "push", "delete", "login")


@pytest.fixture
def low_bench(database_url: str, tmp_path: Path) -> Iterator[Bench]:
    """Four rules of level low, one for each operation."""
    detections = {}
    for operation in RULES:
        text = rule_text({"it": {"operation": operation}, "condition": "it"}).replace("test-rule", f"any-{operation}")
        detections[f"any-{operation}"] = parse_rule(text, f"any-{operation}")
    made = Bench(tmp_path, detections, publishing=Publishing(("siem",)), url=database_url)
    yield made
    made.database.close()


def _did(number: int, operation: str, hours: float, **more: Any) -> Happening:
    return Happening(number, at=hours * HOUR, operation=operation, identity="ana@example.com", **more)


def _risks(bench: Bench) -> list[Alert]:
    return [alert for alert in bench.standing() if alert.rule == risk.SLUG]


def _of(bench: Bench, rule: str) -> Alert:
    (found,) = [alert for alert in bench.standing() if alert.rule == rule]
    return found


def _close(bench: Bench, alert: Alert, verdict: str, hours: float) -> None:
    with bench.database.begin() as connection:
        hand = Hand(connection, "ben", START + hours * HOUR, Publishing(("siem",)))
        hand.close(hand.take(alert.id), verdict_named(verdict))


def test_three_low_alerts_on_one_identity_become_one_that_names_them(low_bench: Bench) -> None:
    low_bench.judge(_did(1, "pull", 0), _did(2, "push", 5))
    assert _risks(low_bench) == []
    low_bench.judge(_did(3, "delete", 20))
    (found,) = _risks(low_bench)
    assert (found.severity, found.count, found.status) == ("medium", 3, "new")
    assert found.reason == (
        "ana@example.com is spoken of by several rules at once: 12 points, which is medium, by 3 rules: "
        "any-delete (low), any-pull (low), any-push (low)."
    )
    parts = alerts.as_json(found)["parts"]
    assert sorted(parts) == sorted(_of(low_bench, f"any-{name}").id for name in ("pull", "push", "delete"))
    assert low_bench.notices()[-1][1]["rule"] == risk.SLUG


def test_an_event_that_several_rules_found_counts_once(tmp_path: Path) -> None:
    text = rule_text({"it": {"identity": "ana@example.com"}, "condition": "it"})
    slugs = [f"of-ana-{n}" for n in range(3)]
    detections = {slug: parse_rule(text.replace("test-rule", slug), slug) for slug in slugs}
    for events, least in ((12, False), (150, True)):
        folder = tmp_path / str(events)
        folder.mkdir()
        bench = Bench(folder, detections, publishing=Publishing(("siem",)))
        bench.judge(*[_did(n, "pull", n / 60) for n in range(events)])
        (found,) = _risks(bench)
        assert (found.count, found.count_is_minimum, found.evidence_truncated) == (events, least, least)
        (_, notice) = bench.notices()[-1]
        assert (notice["count"], notice["count_is_minimum"]) == (events, least)
        bench.database.close()


def test_points_in_a_reason_never_seem_to_reach_a_level_that_they_do_not(low_bench: Bench) -> None:
    happenings = [_did(1, "pull", 0), _did(2, "push", 24), _did(3, "delete", 24.1), _did(4, "login", 24.5)]
    low_bench.judge(*happenings)
    (found,) = _risks(low_bench)
    assert "15.9 points, which is medium" in found.reason


def test_the_same_alerts_about_risk_stand_however_events_arrive(low_bench: Bench, tmp_path: Path) -> None:
    happenings = [_did(n, RULES[n % 4], 5 * n, registry=("contoso", "fabrikam")[n % 2]) for n in range(8)]
    happenings += [_did(20 + n, RULES[n], 200 + n) for n in range(3)]
    (tmp_path / "other").mkdir()
    whole = Bench(tmp_path / "other", low_bench.detections)
    whole.judge(*happenings)
    for happening in [*happenings[::-2], *happenings]:
        low_bench.judge(happening)
    assert [alert.rule for alert in whole.standing()].count(risk.SLUG) == 2
    assert low_bench.picture() == whole.picture()
    whole.database.close()


def test_building_blocks_wake_somebody_together_until_a_person_calls_one_false(low_bench: Bench) -> None:
    for rule in RULES:
        _begin_as(low_bench, f"any-{rule}", stages.BUILDING_BLOCK)
    low_bench.judge(_did(1, "pull", 0), _did(2, "push", 5))
    assert (_risks(low_bench), low_bench.notices()) == ([], [])
    low_bench.judge(_did(3, "delete", 20))
    (found,) = _risks(low_bench)
    assert (found.severity, found.status) == ("medium", "new")
    assert "any-delete (low, building block)" in found.reason
    assert {notice["rule"] for _, notice in low_bench.notices()} == {risk.SLUG}
    _close(low_bench, _of(low_bench, "any-push"), "false_positive.incorrect_logic", 21)
    low_bench.judge()
    assert _risks(low_bench) == []
    closed = _of(low_bench, "any-push")
    assert (closed.status, closed.close_reason) == ("building-block", "false_positive.incorrect_logic")
    low_bench.judge(_did(4, "push", 5.5))
    assert _of(low_bench, "any-push").count == 2  # it reaches the closed one, and opens none beside it


def _begin_as(bench: Bench, slug: str, stage: str) -> None:
    with bench.database.begin() as connection:
        stages.take(connection, stages.Step(slug, stage, stages.ALWAYS, START, "ana", "a test"))


def test_a_false_positive_takes_its_points_away_and_a_reopened_one_gives_them_back(low_bench: Bench) -> None:
    low_bench.judge(*[_did(n, RULES[n], n) for n in range(3)])
    part = _of(low_bench, "any-push")
    _close(low_bench, part, "false_positive.incorrect_logic", 5)
    low_bench.judge()
    assert _risks(low_bench) == []
    with low_bench.database.begin() as connection:
        hand = Hand(connection, "ben", START + 6 * HOUR, Publishing())
        hand.reopen(hand.take(part.id))
    low_bench.judge()
    assert len(_risks(low_bench)) == 1


def test_a_suppression_of_alerts_about_risk_hides_them_and_nothing_else(low_bench: Bench) -> None:
    day = timedelta(days=1)
    quiet = Suppression(
        0, risk.SLUG, None, "ana@example.com", None, None, None, "ben", "known", START - day, START + day, START, "ben"
    )
    with low_bench.database.begin() as connection:
        made = suppressions.add(connection, quiet)
    low_bench.judge(*[_did(n, RULES[n], n) for n in range(3)])
    assert _risks(low_bench) == []
    with low_bench.database.connect() as connection:
        (found,) = alerts.find(connection, status=alerts.SUPPRESSED)
    assert (found.rule, found.suppressed_by) == (risk.SLUG, made.id)
    assert {notice["rule"] for _, notice in low_bench.notices()} == {f"any-{name}" for name in RULES[:3]}


def test_after_a_close_the_same_alerts_are_not_held_against_it_again(low_bench: Bench) -> None:
    low_bench.judge(*[_did(n, RULES[n], n) for n in range(3)])
    _close(low_bench, _risks(low_bench)[0], "true", 5)
    low_bench.judge(_did(9, "login", 6))
    (closed,) = _risks(low_bench)
    assert (closed.status, closed.count) == ("closed", 3)
    low_bench.judge(_did(10, "pull", 7), _did(11, "push", 7.5))
    assert [alert.status for alert in _risks(low_bench)] == ["closed", "new"]


def test_a_pass_without_changes_looks_at_nothing(low_bench: Bench) -> None:
    low_bench.judge(*[_did(n, RULES[n], n) for n in range(3)])
    low_bench.judge()
    before = _risks(low_bench)
    assert low_bench.judge().updated == 0
    assert _risks(low_bench) == before
    with low_bench.database.connect() as connection:
        assert risk.SLUG not in runs.load(connection)
