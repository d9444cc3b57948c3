"""The figures of a report are those that plain counting gives."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from acrwatch.core.errors import ConfigError
from acrwatch.report.scope import Scope
from tests.detections.conftest import START, Happening
from tests.report.conftest import SINCE, UNTIL, Desk

Morning = Callable[[], list[Happening]]


def within(happenings: list[Happening]) -> list[Happening]:
    return [one for one in happenings if SINCE <= one.time < UNTIL]


def test_totals_are_those_of_plain_counting(desk: Desk, morning: Morning) -> None:
    desk.bench.store(morning())
    found, counted = desk.shift().traffic.totals, within(morning())
    assert found["events"] == len(counted) == 52
    assert found["failed"] == sum(not one.succeeded for one in counted) == 8
    assert found["removals"] == found["delete"] == sum(one.operation == "delete" and one.succeeded for one in counted)
    assert (found["identities"], found["networks"], found["repositories"]) == (2, 2, 4)


def test_every_event_lies_in_the_step_it_happened_in(desk: Desk, morning: Morning) -> None:
    desk.bench.store(morning())
    found = desk.shift()
    step = found.scope.step
    plain = Counter((SINCE + (one.time - SINCE) // step * step, one.operation) for one in within(morning()))
    assert {(row["at"], row["operation"]): row["events"] for row in found.traffic.by_time} == plain


def test_the_busiest_come_first_and_say_how_many_there_are(desk: Desk) -> None:
    desk.bench.store([
        Happening(number, timedelta(minutes=number), identity=f"id-{number % 20:02}")
        for number in range(30)
    ])  # fmt: skip
    found = desk.shift().traffic.identities
    assert [row["identity"] for row in found] == [f"id-{n:02}" for n in range(15)]
    assert [row["events"] for row in found] == [2] * 10 + [1] * 5
    assert {row["counted"] for row in found} == {20}


def test_tables_count_as_the_totals_do(desk: Desk) -> None:
    """Who is not named is no identity, and who is admin of one registry and token of another is one."""
    desk.bench.store([
        *(Happening(n, timedelta(minutes=n), identity=None, ip=None) for n in range(4)),
        Happening(10, identity="contoso"), Happening(11, identity="contoso", registry="fabrikam"),
        Happening(12, identity="ci", ip="203.0.113.9"),
    ])  # fmt: skip
    found = desk.shift().traffic
    assert [(row["identity"], row["kind"], row["events"], row["counted"]) for row in found.identities] == [
        ("contoso", "admin, token", 2, 2),
        ("ci", "token", 1, 2),
        (None, "anonymous", 4, 2),
    ]
    assert [(row["network"], row["events"]) for row in found.networks] == [
        ("198.51.100.0/24", 2),
        ("203.0.113.0/24", 1),
        (None, 4),
    ]
    assert (found.totals["identities"], found.totals["networks"]) == (2, 2)


def test_events_that_name_nobody_take_no_place_of_an_identity(desk: Desk) -> None:
    desk.bench.store([
        Happening(number, timedelta(minutes=number), identity=f"id-{number:02}" if number < 16 else None)
        for number in range(20)
    ])  # fmt: skip
    found = desk.shift().traffic.identities
    assert [row["identity"] for row in found] == [*(f"id-{n:02}" for n in range(15)), None]
    assert {row["counted"] for row in found} == {16}


def test_a_registry_alone_is_counted_whatever_case_its_name_is_asked_in(desk: Desk, morning: Morning) -> None:
    desk.bench.store(morning())
    assert desk.shift(registries=("fabrikam",)).traffic.totals["events"] == 12


def test_delays_are_told_by_registry(desk: Desk) -> None:
    desk.bench.store([Happening(n, timedelta(minutes=n), delay=timedelta(minutes=n)) for n in range(5)])
    (row,) = desk.shift().arrival.delays
    assert (row["typical"], row["slowest"]) == (timedelta(minutes=2), timedelta(minutes=4))


def test_events_that_a_detection_has_not_judged_are_counted_as_waiting(desk: Desk) -> None:
    desk.bench.store([Happening(n, timedelta(minutes=n)) for n in range(3)])
    assert desk.shift().arrival.waiting == {"": 3}


def test_a_cursor_tells_what_was_judged(desk: Desk) -> None:
    from storage.state import runs

    desk.bench.store([Happening(n, timedelta(minutes=n)) for n in range(5)])
    with desk.bench.database.begin() as connection:
        for slug, upto in (("all", 5), ("most", 3), ("none", 0)):
            runs.start_at(connection, slug, {"hub/0": upto}, None, version="1", now=SINCE)
    assert desk.shift().arrival.waiting == {"most": 2, "none": 5}
    assert desk.shift(judging={"all", "most"}).arrival.waiting == {"most": 2}, "a retired rule's cursor stands for ever"


def test_what_one_caller_does_without_anything_between_is_one_line(desk: Desk) -> None:
    desk.bench.store([
        *(Happening(n, timedelta(seconds=n), "pull", "eve", "203.0.113.9") for n in range(3)),
        Happening(3, timedelta(seconds=3), "pull", "eve", "203.0.113.9", status=404),
        *(Happening(n, timedelta(seconds=n), "pull", "eve", "203.0.113.9") for n in range(4, 6)),
        Happening(9, timedelta(seconds=9), identity="someone-else"),
    ])  # fmt: skip
    evidence = [["2026-03-02T09:30:00+00:00", Happening(1).event_id.hex()]]
    alert = desk.alert("a", timedelta(), entities=[{"type": "identity", "value": "EVE"}], evidence=evidence)
    found = desk.around(alert)
    assert [(row["events"], row["status_code"], row["proven"]) for row in found.sequence] == [
        (3, 200, 1),
        (1, 404, 0),
        (2, 200, 0),
    ]
    assert found.lines == 3
    assert found.traffic.totals["events"] == 6


def test_of_many_lines_those_with_evidence_are_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acrwatch.report.around.LINES", 2)
    desk.bench.store([Happening(n, timedelta(seconds=n), identity="eve", repository=f"app/{n}") for n in range(6)])
    evidence = [["", Happening(5).event_id.hex()]]
    alert = desk.alert("a", timedelta(), entities=[{"type": "identity", "value": "eve"}], evidence=evidence)
    found = desk.around(alert)
    assert [row["repository"] for row in found.sequence] == ["app/0", "app/5"]
    assert found.lines == 6


def test_events_from_the_addresses_of_an_alert_are_its_callers_too(desk: Desk, morning: Morning) -> None:
    desk.bench.store(morning())
    alert = desk.alert("a", timedelta(), entities=[{"type": "ip", "value": "203.0.113.9"}])
    found = desk.around(alert)
    assert found.traffic.totals["events"] == 12
    assert found.past == {}


def test_where_an_identity_was_ever_used_reaches_beyond_the_span(desk: Desk) -> None:
    desk.bench.store([Happening(1, -timedelta(days=9), ip="192.0.2.4"), Happening(2)])
    alert = desk.alert("a", timedelta(), entities=[{"type": "identity", "value": "ci"}])
    (places,) = desk.around(alert).past.values()
    assert [(row["caller_ip"], row["events"]) for row in places] == [("198.51.100.7", 1), ("192.0.2.4", 1)]


@pytest.mark.parametrize(("hours", "step"), [(0.5, 1), (8, 10), (24, 30), (24 * 7, 180), (24 * 365, 10080)])
def test_a_picture_has_at_most_some_sixty_bars_of_a_round_width(hours: float, step: int) -> None:
    scope = Scope(START, START + timedelta(hours=hours))
    assert scope.step == timedelta(minutes=step)
    assert scope.length / scope.step <= 64


def test_a_span_without_time_is_refused() -> None:
    with pytest.raises(ConfigError, match="Let --from be before --to"):
        Scope(START, START)
