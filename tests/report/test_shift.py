"""Which alerts a shift is about, who changed them, and what is set apart."""

from collections.abc import Sequence
from datetime import timedelta

from acrwatch.core.verdict import verdict_named
from acrwatch.report.shift import DETAILED
from detections.notices import Publishing
from detections.suppressing import drafted
from detections.triage import Hand
from storage.state import alerts, suppressions
from storage.state.alerts import SET_APART, Alert
from tests.report.conftest import SINCE, UNTIL, Desk

HOUR = timedelta(hours=1)


def names(found: Sequence[Alert]) -> list[str]:
    return [alert.id.rstrip("0") for alert in found]


def test_alerts_with_events_in_the_span_or_raised_in_it_belong_to_it(desk: Desk) -> None:
    desk.alert("inside", HOUR)
    desk.alert("into", -HOUR, last_seen=SINCE + HOUR)
    desk.alert("raised", -HOUR, created_at=SINCE + HOUR)
    desk.alert("before", -HOUR)
    desk.alert("after", 9 * HOUR)
    desk.alert("merged", HOUR, close_reason="merged", status="closed")
    found = desk.shift()
    assert set(names(found.alerts)) == {"inside", "into", "raised"}
    assert names(found.before) == ["before"]


def test_an_alert_at_the_very_end_belongs_to_the_next_shift(desk: Desk) -> None:
    desk.alert("first", timedelta())
    desk.alert("last", 8 * HOUR, created_at=UNTIL)
    assert names(desk.shift().alerts) == ["first"]


def test_the_gravest_come_first(desk: Desk) -> None:
    for name, severity in (("a", "low"), ("b", "critical"), ("c", "medium")):
        desk.alert(name, HOUR, severity=severity)
    assert names(desk.shift().alerts) == ["b", "c", "a"]


def test_historical_alerts_of_other_times_are_counted_and_not_listed(desk: Desk) -> None:
    desk.alert("told", HOUR)
    desk.alert("late", HOUR, historical=True)
    desk.alert("old", -100 * HOUR, historical=True, created_at=SINCE + HOUR)
    for status in SET_APART:  # no list shows them, wherever a reader would look
        desk.alert(status, -100 * HOUR, historical=True, created_at=SINCE + HOUR, status=status)
    found = desk.shift()
    assert names(found.alerts) == ["late", "told"]
    assert names(found.standing) == ["told"]
    assert found.old == 1


def test_rules_and_registries_that_are_asked_for_are_all_there_is(desk: Desk) -> None:
    desk.alert("a", HOUR, rule="mass-delete", registries=("fabrikam",))
    desk.alert("b", HOUR, registries=("contoso",))
    desk.alert("ours", HOUR, registries=())
    assert names(desk.shift(rules=("mass-delete",)).alerts) == ["a"]
    assert set(names(desk.shift(registries=("contoso",)).alerts)) == {"b", "ours"}


def test_suppressed_and_staged_alerts_are_set_apart_with_what_hid_them(desk: Desk) -> None:
    draft = drafted(
        {"identity": "ci"}, owner="dana", reason="known", starts_at=SINCE, expires_at=UNTIL, by="dana", now=SINCE
    )
    with desk.bench.database.begin() as connection:
        made = suppressions.add(connection, draft)
    desk.alert("told", HOUR)
    desk.alert("hidden", HOUR, status="suppressed", suppressed_by=made.id, count=7)
    desk.alert("staged", HOUR, status="staged", rule="mine")
    desk.alert("weak", HOUR, status="building-block", rule="ours")
    found = desk.shift()
    assert names(found.alerts) == ["told"]
    ((by, number, events),) = found.by_suppression()
    assert by == made
    assert (number, events) == (1, 7)
    assert (found.by_stage(), found.building_blocks()) == ({"mine": 1}, {"ours": 1})


def test_what_people_did_in_the_span_is_told_whatever_alert_it_was_about(desk: Desk) -> None:
    desk.alert("old", -100 * HOUR)
    for when, words in ((SINCE - HOUR, "before"), (SINCE + HOUR, "planned"), (UNTIL, "after")):
        with desk.bench.database.begin() as connection:
            hand = Hand(connection, "dana", when, Publishing())
            hand.comment(hand.take("old"), words)
    (change,) = desk.shift().changes
    assert (change["actor"], change["detail"]["comment"], change["alert"].id.rstrip("0")) == ("dana", "planned", "old")


def test_what_the_engine_did_is_no_work_of_people(desk: Desk) -> None:
    desk.alert("a", HOUR)
    with desk.bench.database.begin() as connection:
        alerts.record(connection, "a".ljust(24, "0"), "extended", {"count": 3}, actor="engine", now=SINCE + HOUR)
    assert desk.shift().changes == []


def test_open_alerts_are_told_in_full_before_closed_ones(desk: Desk) -> None:
    for number in range(DETAILED):
        desk.alert(f"{number:02}x", HOUR, severity="low")
    desk.alert("shut", HOUR, severity="critical", status="closed", close_reason=verdict_named("test").name)
    desk.alert("minor", HOUR, severity="low", status="closed", close_reason=verdict_named("test").name)
    told = desk.shift().told
    assert len(told) == DETAILED
    assert {one.alert.status for one in told} == {"new"}


def test_related_alerts_share_a_caller(desk: Desk) -> None:
    mine = desk.alert("mine", HOUR, entities=[{"type": "identity", "value": "Eve"}])
    desk.alert("same", 2 * HOUR, entities=[{"type": "identity", "value": "eve"}])
    desk.alert("other", 2 * HOUR, entities=[{"type": "registry", "value": "eve"}])
    desk.alert("hidden", 2 * HOUR, entities=[{"type": "identity", "value": "eve"}], status="staged")
    assert names(desk.around(mine).related) == ["same"]
