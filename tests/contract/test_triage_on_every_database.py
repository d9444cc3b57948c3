"""What people do to alerts, and what the engine makes of it afterwards, on every database."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from acrwatch.core.errors import ConfigError, ConflictError
from acrwatch.core.verdict import verdict_named
from detections.notices import Publishing
from detections.triage import Hand
from storage.state import alerts
from storage.state.alerts import Alert
from tests.detections.conftest import START, Bench, Happening

MINUTE = timedelta(minutes=1)
TRUE, BENIGN = "true_positive.suspicious_activity", "benign_positive.suspicious_but_expected"
Act = Callable[..., Alert]


def _login(number: int, minutes: int) -> Happening:
    return Happening(number, at=minutes * MINUTE, operation="login", identity="contoso", tag=None)


@pytest.fixture
def act(bench: Bench) -> Act:
    """Do something to an alert as `ana`, at a minute of the bench's day."""

    def do(verb: str, alert: Alert, *rest: Any, minutes: int = 30, by: str = "ana", **more: Any) -> Alert:
        with bench.database.begin() as connection:
            hand = Hand(connection, by, START + minutes * MINUTE, Publishing(("siem",)))
            done: Alert = getattr(hand, verb)(hand.take(alert.id, more.pop("revision", None)), *rest, **more)
        return done

    return do


@pytest.fixture
def alert(bench: Bench) -> Alert:
    bench.judge(_login(1, 0))
    return bench.only()


def _history(bench: Bench, alert: Alert) -> list[dict[str, Any]]:
    with bench.database.connect() as connection:
        return alerts.history(connection, alert.id)


def test_an_acknowledged_alert_is_active_and_keeps_the_first_time(bench: Bench, alert: Alert, act: Act) -> None:
    act("acknowledge", alert, minutes=5)
    act("acknowledge", alert, minutes=9, by="ben")
    seen = bench.only()
    assert (seen.status, seen.acked_at, seen.revision) == (alerts.ACTIVE, START + 5 * MINUTE, 2)


def test_an_assigned_alert_keeps_its_status(bench: Bench, alert: Alert, act: Act) -> None:
    act("assign", alert, "ben")
    assert (bench.only().status, bench.only().assignee) == (alerts.NEW, "ben")
    act("assign", alert, None)
    assert bench.only().assignee is None


def test_history_says_who_changed_what_from_which_value_to_which(bench: Bench, alert: Alert, act: Act) -> None:
    act("assign", alert, "ben", minutes=1)
    act("close", alert, verdict_named("true"), "Password reset", minutes=2)
    made, assigned, closed = _history(bench, alert)
    assert (made["actor"], made["change"]) == ("engine", "created")
    assert assigned["detail"] == {"fields": {"assignee": {"from": None, "to": "ben"}}}
    assert (closed["actor"], closed["at"]) == ("ana", START + 2 * MINUTE)
    assert closed["detail"] == {
        "fields": {"status": {"from": "new", "to": "closed"}, "verdict": {"from": None, "to": TRUE}},
        "comment": "Password reset",
    }


def test_a_comment_is_history_and_a_revision(bench: Bench, alert: Alert, act: Act) -> None:
    act("comment", alert, "Asked the owner")
    assert _history(bench, alert)[-1]["detail"] == {"fields": {}, "comment": "Asked the owner"}
    assert bench.only().revision == 2


def test_destinations_are_told_what_a_person_did(bench: Bench, alert: Alert, act: Act) -> None:
    act("acknowledge", alert)
    act("close", alert, verdict_named("benign"), "Planned")
    (_, acked), (type_, closed) = bench.notices()[1:]
    assert (acked["status"], acked["change"]["change"]) == ("active", "acknowledged")
    assert (type_, closed["close_reason"]) == ("alert.closed", BENIGN)
    assert (closed["change"]["actor"], closed["change"]["comment"]) == ("ana", "Planned")


def test_events_after_a_close_open_a_new_alert_and_those_before_it_do_not(bench: Bench, alert: Alert, act: Act) -> None:
    act("close", alert, verdict_named("true"), minutes=30)
    bench.judge(_login(2, 29), _login(3, 31))
    closed, new = bench.standing()
    assert (closed.id, closed.count, closed.changed_after_close, closed.close_reason) == (alert.id, 2, True, TRUE)
    assert (new.status, new.count) == (alerts.NEW, 1)


def test_a_reopened_alert_grows_again_and_takes_in_what_came_meanwhile(bench: Bench, alert: Alert, act: Act) -> None:
    act("close", alert, verdict_named("test"), minutes=30)
    bench.clock.time += MINUTE
    bench.judge(_login(2, 40))
    act("reopen", alert, "Not a test after all", minutes=45)
    bench.judge(_login(3, 50))
    grown = bench.only()
    assert (grown.id, grown.status, grown.count, grown.close_reason) == (alert.id, alerts.ACTIVE, 3, None)


def test_another_verdict_stands_as_of_the_first_close(bench: Bench, alert: Alert, act: Act) -> None:
    act("close", alert, verdict_named("undetermined"), minutes=30)
    act("close", alert, verdict_named("true"), minutes=90)
    closed = bench.only()
    assert (closed.close_reason, closed.closed_at) == (TRUE, START + 30 * MINUTE)
    assert _history(bench, alert)[-1]["change"] == "judged again"


def test_a_duplicate_names_the_other_alert(bench: Bench, alert: Alert, act: Act) -> None:
    bench.judge(_login(2, 200))
    other = bench.standing()[1]
    with pytest.raises(ConfigError, match="goes with the alert that it repeats"):
        act("close", alert, verdict_named("duplicate"))
    with pytest.raises(ConfigError, match="duplicate of itself"):
        act("close", alert, verdict_named("duplicate"), duplicate_of=alert)
    assert act("close", alert, verdict_named("duplicate"), duplicate_of=other).merged_into == other.id


def test_two_alerts_are_not_each_others_duplicates(bench: Bench, alert: Alert, act: Act) -> None:
    """Two who close at once, each the other's alert, would leave neither to be read."""
    bench.judge(_login(2, 200))
    other, third = bench.standing()[1], replace(alert, id="0" * 24, group_key="{}")
    with bench.database.begin() as connection:
        alerts.insert_alert(connection, third)
    now = act("close", other, verdict_named("duplicate"), duplicate_of=alert)
    with pytest.raises(ConflictError, match=f"goes on in {alert.id}"):
        act("close", alert, verdict_named("duplicate"), duplicate_of=now)
    with pytest.raises(ConflictError) as refused:
        act("close", third, verdict_named("duplicate"), duplicate_of=now)
    assert refused.value.remedy == f"Name that one by --of {alert.id}"


def test_who_read_an_older_revision_is_told_who_changed_it(bench: Bench, alert: Alert, act: Act) -> None:
    act("assign", alert, "ben", minutes=7)
    with pytest.raises(
        ConflictError, match=r"at revision 2, not 1: ana assigned it at 2026-03-02 09:37:00Z.*Read it again"
    ):
        act("acknowledge", alert, revision=1)
    assert bench.only().status == alerts.NEW


def test_what_the_engine_closed_is_not_reopened(bench: Bench, alert: Alert, act: Act) -> None:
    bench.clock.time += MINUTE
    bench.judge(_login(2, 110))
    bench.judge(_login(3, 55))
    (merged,) = [one for one in bench.all() if one.close_reason == alerts.MERGED]
    for verb, rest in (("reopen", ()), ("close", (verdict_named("true"),))):
        with pytest.raises(
            ConflictError, match=f"closed by acrwatch itself, as merged. It goes on in alert {alert.id}"
        ):
            act(verb, merged, *rest)


def test_a_closed_alert_is_not_acknowledged_and_an_open_one_not_reopened(alert: Alert, act: Act) -> None:
    with pytest.raises(ConflictError, match="is open: its status is new"):
        act("reopen", alert)
    act("close", alert, verdict_named("true"))
    with pytest.raises(ConflictError, match=f"is closed as {TRUE}: there is nothing to acknowledge"):
        act("acknowledge", alert)


@pytest.mark.parametrize("name", ["engine", "", "a\nb", "x" * 201])
def test_a_name_that_history_could_not_tell_apart_is_refused(alert: Alert, act: Act, name: str) -> None:
    with pytest.raises(ConfigError):
        act("acknowledge", alert, by=name)
