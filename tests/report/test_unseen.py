"""P6 in a report: everything that kept acrwatch from seeing is said, and only what did."""

from datetime import timedelta

from acrwatch.core.model import Reject
from storage.state import incidents, leases, rejects, runs
from storage.state.database import Database
from tests.detections.conftest import Happening
from tests.report.conftest import SINCE, UNTIL, Desk

HOUR = timedelta(hours=1)


def judged(database: Database) -> None:
    with database.begin() as connection:
        runs.start_at(connection, "some-rule", {"hub/0": 1_000}, None, version="1", now=SINCE)


def quiet(desk: Desk) -> Desk:
    """A shift in which all went well."""
    desk.bench.store([Happening(1, HOUR)])
    judged(desk.bench.database)
    return desk


def test_where_all_went_well_nothing_is_said(desk: Desk) -> None:
    assert quiet(desk).shift().blindness.reasons == []


def test_a_time_without_events_is_said_to_be_empty(desk: Desk) -> None:
    judged(desk.bench.database)
    assert desk.shift().blindness.reasons == ["No event of this time is stored at all"]


def test_of_registries_asked_for_the_silent_ones_are_named(desk: Desk) -> None:
    """Others may have been busy: of the time as a whole nothing is said."""
    quiet(desk)
    (said,) = desk.shift(registries=("contoso", "fabrikam")).blindness.reasons
    assert said == "No event of fabrikam is stored for this time"
    assert desk.shift(registries=("contoso",)).blindness.reasons == []


def test_events_that_nobody_judged_are_said(desk: Desk) -> None:
    desk.bench.store([Happening(1, HOUR)])
    assert desk.shift().blindness.reasons == ["1 stored event has not been judged yet by every detection"]


def test_an_alert_whose_callers_were_silent_does_not_make_the_time_empty(desk: Desk) -> None:
    alert = quiet(desk).alert("a", HOUR, entities=[{"type": "identity", "value": "nobody"}])
    assert desk.around(alert).blindness.reasons == []


def test_one_of_a_kind_is_said_in_the_singular(desk: Desk) -> None:
    quiet(desk)
    with desk.bench.database.begin() as connection:
        when = SINCE + HOUR
        runs.record(connection, runs.Run("some-rule", "1", when, when, runs.FAILED, 1, unjudged=1))
        rejects.store(connection, [Reject("hub/0", 1, 0, "invalid_json", "x", b"{", 1)], now=when)
        incidents.open(connection, "gap", kind="source_down", message="x", remedy="", now=when)
    assert desk.shift().blindness.reasons == [
        "1 incident kept acrwatch from seeing or telling",
        "1 time a detection met an event that it could not judge",
        "1 detection failed at least once",
        "1 record was refused and not judged",
    ]


def test_incidents_count_while_they_last(desk: Desk) -> None:
    quiet(desk)
    for key, begin, end in (
        ("over", -2 * HOUR, -HOUR),
        ("into", -HOUR, HOUR),
        ("open", 7 * HOUR, None),
        ("later", 8 * HOUR, None),
    ):
        with desk.bench.database.begin() as connection:
            incidents.open(connection, key, kind="source_down", message=key, remedy="", now=SINCE + begin)
            if end is not None:
                incidents.resolve(connection, key, now=SINCE + end)
    found = desk.shift().blindness
    assert [one.key for one in found.incidents] == ["into", "open"]
    assert found.reasons == ["2 incidents kept acrwatch from seeing or telling"]


def test_a_gap_that_ended_by_age_before_the_span_is_not_told(desk: Desk) -> None:
    quiet(desk)
    with desk.bench.database.begin() as connection:
        incidents.open(connection, "gap/x", kind="gap", message="x", remedy="", now=SINCE - timedelta(days=8))
    assert desk.shift().blindness.reasons == []


def test_runs_that_failed_or_could_not_judge_are_said(desk: Desk) -> None:
    quiet(desk)
    for at, outcome, unjudged in ((HOUR, runs.FAILED, 0), (HOUR, runs.SUCCEEDED, 4), (8 * HOUR, runs.FAILED, 9)):
        with desk.bench.database.begin() as connection:
            when = SINCE + at
            runs.record(connection, runs.Run("some-rule", "1", when, when, outcome, 1, unjudged=unjudged))
    found = desk.shift().blindness
    assert (found.failed, found.unjudged) == ({"some-rule": 1}, {"some-rule": 4})
    assert len(found.reasons) == 2


def test_refused_records_are_said_until_they_are_replayed(desk: Desk) -> None:
    quiet(desk)
    found = [Reject("hub/0", number, 0, "invalid_json", "x", b"{", 1) for number in range(3)]
    with desk.bench.database.begin() as connection:
        rejects.store(connection, found, now=SINCE + HOUR)
        rejects.mark_replayed(connection, [("hub/0", 0, 0)], now=UNTIL)
    blind = desk.shift().blindness
    assert blind.refused == {"invalid_json": (3, 2)}
    assert blind.reasons == ["2 records were refused and not judged"]
    assert desk.shift(UNTIL, UNTIL + HOUR).blindness.refused == {}


def test_records_that_came_hours_late_are_said(desk: Desk) -> None:
    desk.bench.store([Happening(1, HOUR, delay=2 * HOUR)])
    judged(desk.bench.database)
    assert desk.shift().blindness.reasons == ["Records of contoso came more than an hour late"]


def test_a_span_that_has_hardly_ended_is_said_to_be_unfinished(desk: Desk) -> None:
    quiet(desk).now = UNTIL + timedelta(minutes=5)
    (said,) = desk.shift().blindness.reasons
    assert "may not be complete" in said


def test_a_watch_that_stopped_is_said_of_what_came_after(desk: Desk) -> None:
    """Leases run by the database's clock, which stands far beyond the span: so does what is reported on here."""
    quiet(desk)
    with desk.bench.database.begin() as connection:
        leases.acquire(connection, "watch", "host:1", timedelta(seconds=-1))
        stopped = leases.lapsed(connection, "watch")
    assert stopped is not None
    desk.now = stopped + 2 * HOUR
    after = desk.shift(stopped - HOUR, stopped + HOUR).blindness
    assert after.reasons == [
        "No event of this time is stored at all",
        f"No acrwatch run has looked since {stopped:%Y-%m-%d %H:%M}Z",
    ]
    assert desk.shift().blindness.reasons == []


def test_what_is_no_longer_kept_is_not_taken_for_nothing(desk: Desk) -> None:
    quiet(desk).keep = timedelta(hours=3)
    (said,) = desk.shift().blindness.reasons
    assert said == "What detections failed at or could not judge before 2026-03-02 15:30Z is not kept any more"
