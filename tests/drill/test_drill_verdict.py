"""The drill's verdict names every row that is lost or doubled, every alert that differs, and what nobody was told."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from drill.load import Load
from drill.outcome import Outcome
from drill.verdict import Check, arrived, judge

MOMENT = datetime(2026, 11, 22, 12, tzinfo=UTC)
ALERT = ("mass-delete", "g", MOMENT, MOMENT, 20, False, '["e"]')
LOAD = Load(
    messages=[],
    records=[{"correlationId": "c1"}, {"correlationId": "c2"}],
    bad=Counter({b"no JSON": 1}),
    allowed_ranges={},
    late=0,
    repeated=0,
)
KEPT = Outcome(
    rows=Counter([("01", "c1"), ("02", "c2")]),
    bad=Counter({b"no JSON": 1}),
    standing=Counter([ALERT]),
    told={"a1": "mass-delete"},
    announced=Counter([("a1", "siem")]),
    unsent=[],
    incidents=[],
)


def broken(found: Outcome) -> list[Check]:
    return [check for check in judge(LOAD, found, KEPT) if not check.held]


def test_what_was_kept_breaks_nothing() -> None:
    assert broken(KEPT) == []


@pytest.mark.parametrize(
    ("change", "evidence"),
    [
        ({"rows": Counter([("01", "c1")])}, "lost: 'c2'"),
        ({"rows": Counter([("01", "c1"), ("02", "c2"), ("02", "c2")])}, "more than once: '02' (2 times)"),
        ({"rows": Counter([("01", "c1"), ("03", "c2")])}, "undisturbed run missing: ('02', 'c2')"),
        ({"bad": Counter()}, "reject lost: b'no JSON'"),
        ({"bad": Counter({b"no JSON": 2})}, "reject not planned: b'no JSON'"),
        ({"standing": Counter()}, "alert missing: ('mass-delete'"),
        ({"standing": Counter([ALERT, ALERT])}, "alert that the undisturbed run has not"),
        ({"announced": Counter()}, "never announced: a1"),
        ({"announced": Counter({("a1", "siem"): 2})}, "announced more than once: ('a1', 'siem')"),
        ({"unsent": ["alr_a1"]}, "never sent: alr_a1"),
        ({"incidents": ["gap/x: gone"]}, "gap/x: gone"),
    ],
)
def test_a_broken_promise_is_named_with_its_evidence(change: dict[str, Any], evidence: str) -> None:
    (check,) = broken(replace(KEPT, **change))
    assert any(evidence in breach for breach in check.breaches), check.breaches


def test_an_undisturbed_run_without_alerts_shows_nothing() -> None:
    empty = replace(KEPT, standing=Counter())
    assert not all(check.held for check in judge(LOAD, empty, empty))


def test_an_alert_that_a_destination_never_heard_of_is_named() -> None:
    assert arrived(KEPT, "webhook", ["a1"]).held
    assert arrived(KEPT, "webhook", []).breaches == ("a1 (mass-delete) never arrived",)
