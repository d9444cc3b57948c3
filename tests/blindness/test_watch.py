"""What the watch calls blindness, when it says so, and when it stops."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from acrwatch.cli.session import Session
from acrwatch.core.clock import SystemClock
from detections.blindness import Watched
from scheduler import Parts
from storage.state import alerts, incidents, runs
from storage.state.tables import deliveries

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MakeSight = Callable[..., Any]
Hourly = Callable[[int, timedelta], Sequence[datetime]]
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def test_a_registry_silent_beyond_its_habit_is_an_incident_and_soon_an_alert(
    make_sight: MakeSight, hourly: Hourly
) -> None:
    sight = make_sight()
    sight.spoke("contoso", hourly(8, 3 * HOUR))
    sight.look()
    assert (sight.incidents(), sight.alerts()) == (["registry-silent/contoso"], [])
    sight.look(20 * MINUTE)
    (alert,) = sight.alerts()
    assert (alert.rule, alert.registries) == ("registry-silent", ["contoso"])
    assert alert.reason == (
        "Registry contoso has been silent since 2026-11-20 09:00:00 UTC; in the 28 days before, its longest pause was "
        "60 min."
    )


def test_an_alert_of_blindness_is_sent(make_sight: MakeSight, hourly: Hourly) -> None:
    sight = make_sight()
    sight.spoke("contoso", hourly(8, 3 * HOUR))
    sight.look()
    sight.look(20 * MINUTE)
    with sight.database.connect() as connection:
        assert connection.execute(select(deliveries.c.type, deliveries.c.destination)).all() == [
            ("alert.created", "siem")
        ]


def test_the_alert_closes_when_the_registry_speaks_again(make_sight: MakeSight, hourly: Hourly) -> None:
    sight = make_sight()
    sight.spoke("contoso", hourly(8, 3 * HOUR))
    sight.look()
    sight.look(20 * MINUTE)
    sight.spoke("contoso", hourly(1, -20 * MINUTE)[-1:])
    sight.look(25 * MINUTE)
    (alert,) = sight.alerts()
    assert (alert.status, alert.close_reason, sight.incidents()) == ("closed", "recovered", [])


def test_silence_within_the_habit_is_none(make_sight: MakeSight, hourly: Hourly) -> None:
    sight = make_sight()
    times = hourly(8, 13 * HOUR)
    sight.spoke("contoso", [time for time in times if 8 <= time.hour < 23])  # nights are silent for 10 hours
    sight.look()
    assert sight.incidents() == []
    sight.look(4 * HOUR)
    assert sight.incidents() == ["registry-silent/contoso"]


def test_a_young_registry_may_be_silent_over_a_weekend(make_sight: MakeSight, hourly: Hourly) -> None:
    sight = make_sight()
    sight.spoke("contoso", hourly(3, 60 * HOUR))
    sight.look()
    assert sight.incidents() == []
    sight.look(13 * HOUR)
    assert sight.incidents() == ["registry-silent/contoso"]


def test_a_registry_that_nobody_configured_is_taken_to_be_gone_after_a_month(
    make_sight: MakeSight, hourly: Hourly
) -> None:
    make_sight().spoke("contoso", hourly(8, timedelta(days=31)))
    unconfigured, configured = make_sight(), make_sight("contoso")
    unconfigured.look()
    assert unconfigured.incidents() == []
    configured.look()
    assert configured.incidents() == ["registry-silent/contoso"]


def test_a_configured_registry_that_never_spoke_is_uncovered_and_an_alert_after_two_hours(
    make_sight: MakeSight, hourly: Hourly
) -> None:
    sight = make_sight("contoso", "fabrikam")
    sight.spoke("contoso", hourly(1, MINUTE))
    sight.look()
    assert (sight.incidents(), sight.alerts()) == (["registry-uncovered/fabrikam"], [])
    sight.look(2 * HOUR)
    assert [(alert.rule, alert.registries) for alert in sight.alerts()] == [("registry-uncovered", ["fabrikam"])]


def test_rows_that_waited_long_in_the_hub_are_a_delay_and_keep_others_from_being_called_silent(
    make_sight: MakeSight, hourly: Hourly
) -> None:
    sight = make_sight()
    sight.spoke("contoso", hourly(8, 3 * HOUR))
    sight.spoke("fabrikam", hourly(1, HOUR)[-1:], waited=HOUR)
    sight.look()
    assert sight.incidents() == ["ingestion-delayed/eventhub/example/acr-audit/0/0"]


def test_rows_that_were_stored_at_once_are_no_delay(make_sight: MakeSight, hourly: Hourly) -> None:
    sight = make_sight()
    sight.spoke("contoso", hourly(1, MINUTE))
    assert sight.look().conditions == 0


def test_a_gap_is_an_alert_at_once_and_not_again_after_a_person_closed_it(make_sight: MakeSight) -> None:
    sight = make_sight()
    sight.look()
    with sight.database.begin() as connection:
        incidents.open(connection, "gap/s/1", kind="gap", message="5 messages were gone", remedy="Backfill", now=NOW)
    assert sight.look().created == 1
    (alert,) = sight.alerts()
    assert (alert.rule, alert.reason) == ("ingest-gap", "5 messages were gone.")
    closed = replace(alert, status="closed", close_reason="benign", closed_at=NOW + MINUTE, revision=alert.revision + 1)
    with sight.database.begin() as connection:
        alerts.save(connection, closed)
    later = sight.look(48 * HOUR)
    assert (later.created, later.updated, len(sight.alerts())) == (0, 0, 1)


def test_an_alert_that_lasts_is_said_again_once_a_day(make_sight: MakeSight) -> None:
    sight = make_sight("contoso")
    sight.look()
    assert sight.look(2 * HOUR).created == 1
    assert sight.look(25 * HOUR).updated == 0
    assert sight.look(26 * HOUR).updated == 1
    assert len(sight.alerts()) == 1


def test_events_that_could_not_be_judged_are_an_alert(make_sight: MakeSight) -> None:
    sight = make_sight()
    run = runs.Run("pull-outside-allowed-ranges", "1", NOW, NOW, runs.SUCCEEDED, 5, unjudged=3)
    with sight.database.begin() as connection:
        runs.record(connection, run)
    sight.look()
    assert [alert.rule for alert in sight.alerts()] == ["events-unjudged"]
    sight.look(25 * HOUR)
    assert sight.alerts()[0].close_reason == "recovered"


def test_only_dates_whose_files_changed_are_read_anew(make_sight: MakeSight, hourly: Hourly) -> None:
    sight = make_sight()
    sight.spoke("contoso", hourly(8, MINUTE))
    sight.look()
    first = dict(sight.watch._survey._days)
    sight.spoke("contoso", hourly(1, timedelta(0))[-1:])
    sight.look()
    anew = [day for day, held in sight.watch._survey._days.items() if held is not first.get(day)]
    assert anew == [NOW.date()]


def test_of_two_processes_one_looks(tmp_path: Path) -> None:
    (tmp_path / "acrwatch.toml").write_text("[registries.contoso]\n")
    config = Session(tmp_path / "acrwatch.toml", clock=SystemClock(), environ={}).config
    with (
        Parts(config, clock=SystemClock(), rng=random.Random(1)) as one,
        Parts(config, clock=SystemClock(), rng=random.Random(2)) as other,
    ):
        assert one.look_around(one.watch()) == Watched(1, 0, 0)
        assert other.look_around(other.watch()) is None
        assert one.look_around(one.watch()) is not None
