"""Which matches a suppression covers: all that is known of them, and their whole time."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from detections.episode import Episode, Facts, of_event
from detections.lanes import WEAK, Lanes, hides
from detections.suppressing import drafted
from storage.state.alerts import BLOCKS, LIVE, Lane
from storage.state.stages import Life, Step
from storage.state.suppressions import Suppression
from tests.detections.conftest import START

HOUR: Final = timedelta(hours=1)
ROW: Final = {
    "registry": "contoso",
    "identity": "Ana@example.com",
    "caller_ip": "203.0.113.9",
    "repository": "team/app",
    "digest": "sha256:ab",
}


def _suppression(conditions: Mapping[str, str]) -> Suppression:
    times = {"starts_at": START, "expires_at": START + 24 * HOUR}
    return drafted(conditions, owner="ana", reason="drill", by="ana", now=START, **times)


def _match(hours: int = 1, number: int = 0, **fields: Any) -> Episode:
    row = {**ROW, **fields}
    samples = {name: (row[name],) for name in ("caller_ip", "repository", "registry") if row[name]}
    return of_event(START + hours * HOUR, f"{number:032x}", row, late=False, facts=Facts(samples=samples))


@pytest.mark.parametrize(
    ("conditions", "covers"),
    [
        ({"rule": "any-rule"}, True),  # the rule itself is asked for in SQL
        ({"identity": "ana@EXAMPLE.com"}, True),
        ({"identity": "ana"}, False),
        ({"registry": "Contoso", "repository": "team/*"}, True),
        ({"registry": "contoso", "repository": "team"}, False),
        ({"network": "203.0.113.0/24"}, True),
        ({"network": "203.0.113.9"}, True),
        ({"network": "::ffff:203.0.113.9"}, True),
        ({"network": "203.0.113.9:443"}, True),
        ({"network": "2001:db8::/32"}, False),
        ({"digest": "sha256:ab"}, True),
        ({"digest": "sha256:a"}, False),
    ],
)
def test_every_condition_must_hold(conditions: dict[str, str], covers: bool) -> None:
    assert hides(_suppression(conditions), _match()) is covers


@pytest.mark.parametrize(("hours", "covers"), [(-1, False), (0, True), (23, True), (24, False)])
def test_the_span_holds_its_start_and_not_its_end(hours: int, covers: bool) -> None:
    assert hides(_suppression({"registry": "contoso"}), _match(hours)) is covers


@pytest.mark.parametrize("other", [{"repository": "other/app"}, {"caller_ip": None}, {"hours": 30}])
def test_of_several_events_all_must_be_covered(other: dict[str, Any]) -> None:
    both = _match().merge(_match(number=1, **other))
    assert not hides(_suppression({"network": "203.0.113.0/24", "repository": "team/*"}), both)


def test_values_beyond_the_rows_that_are_kept_count_as_well() -> None:
    many = _match()
    for number in range(1, 12):
        many = many.merge(_match(number=number, hours=1 + number, repository="team/app" if number < 11 else "other"))
    assert len(many.rows) == 10
    assert not hides(_suppression({"repository": "team/*"}), many)


@pytest.mark.parametrize(
    ("conditions", "covers"),
    [
        ({"repository": "team/*"}, False),
        ({"digest": "sha256:ab"}, False),
        ({"identity": "ana@example.com", "network": "203.0.113.0/24"}, True),
    ],
)
def test_a_match_is_told_where_what_is_kept_may_not_be_all_it_has(conditions: dict[str, str], covers: bool) -> None:
    """Somebody takes what is suppressed first, and then the rest: an alert keeps ten events and ten repositories."""
    many = _match()
    for number in range(1, 12):
        many = many.merge(_match(number=number, repository=f"team/app{number:02}"))
    for number in range(12, 60):
        many = many.merge(_match(number=number, repository="vault", digest="sha256:cd"))
    assert not any(value == "vault" for value in many.facts.samples["repository"])
    assert hides(_suppression(conditions), many) is covers


def test_what_nothing_is_known_of_is_told() -> None:
    assert not hides(_suppression({"digest": "sha256:ab"}), _match(digest=None))


def test_without_an_event_to_look_at_only_a_suppression_that_asks_for_none_hides() -> None:
    silence = replace(_match(), evidence=(), rows=(), facts=Facts())
    assert not hides(_suppression({"identity": "ci"}), silence)
    assert hides(_suppression({"rule": "any-rule"}), silence)


def test_a_weak_match_is_a_building_block_until_somebody_says_that_its_rule_is_active() -> None:
    weak = _match().with_notes({WEAK: True})
    promoted = Step("any-rule", "active", START + 2 * HOUR, START, "ana", "tell us of all")
    assert Lanes().of(weak) == BLOCKS
    assert Lanes(Life("active", (promoted,))).of(weak) == BLOCKS  # it happened before
    later = _match(hours=3).with_notes({WEAK: True})
    assert Lanes(Life("active", (promoted,))).of(later) == LIVE
    assert Lanes(Life("active", (replace(promoted, stage="building-block"),))).of(later) == BLOCKS


@pytest.mark.parametrize(
    ("begun", "since", "lane"),
    [("staged", 3, LIVE), ("building-block", 3, LIVE), ("retired", 3, LIVE), ("staged", 9, Lane("staged"))],
)
def test_what_goes_on_after_a_promotion_is_told_though_it_began_before(begun: str, since: int, lane: Lane) -> None:
    """Whoever pulls everything each day makes one match that never ends; it must not stay where it began."""
    steps = (
        Step("any-rule", begun, START, START, "ana", "try it"),
        Step("any-rule", "active", START + since * HOUR, START, "ana", "it is right"),
    )
    lasting = _match(hours=1).merge(_match(hours=5, number=1))
    assert Lanes(Life("active", steps)).of(lasting) == lane
