"""A pass is a function of the data: failures, races, crashes and newcomers do not change what stands."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from detections import failure
from detections.detection import Judgement, Metadata
from detections.notices import Publishing
from storage.schema import ARROW_SCHEMA
from storage.state import incidents, runs

Make = Callable[..., Any]
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@dataclass
class Faulty:
    """Fails as long as it is told to, in either half; else finds nothing."""

    metadata: Metadata
    has_profile: ClassVar[bool] = True
    asks: ClassVar[Collection[str]] = ()
    failing: set[str] = field(default_factory=lambda: {"observe"})
    judged: list[int] = field(default_factory=list)

    def observe(self, events: Any) -> int:
        if "observe" in self.failing:
            raise ZeroDivisionError("no \0 such")
        return int(events.rows)

    def judge(self, observed: int, _connection: Any) -> Judgement:
        if "judge" in self.failing:
            raise ZeroDivisionError("in the transaction")
        self.judged.append(observed)
        return Judgement()

    def nearby(self, *_: Any) -> Mapping[str, Any]:
        return {}


@pytest.fixture
def faulty(everything: dict[str, Any]) -> Faulty:
    return Faulty(replace(everything["admin-user-login"].metadata, slug="faulty"))


def _login(happening: Make, number: int, minutes: float = 0, **more: Any) -> Any:
    return happening(number, at=minutes * MINUTE, operation="login", identity="contoso", **more)


def _open_incidents(bench: Any) -> list[str]:
    with bench.database.connect() as connection:
        return [incident.key for incident in incidents.current(connection)]


@pytest.mark.parametrize("half", ["observe", "judge"])
def test_a_detection_that_raises_is_seen_and_stops_no_other(
    admin_bench: Any, happening: Make, faulty: Faulty, half: str
) -> None:
    faulty.failing = {half}
    bench = admin_bench
    bench.detections = {"faulty": faulty, **bench.detections}
    passed = bench.judge(_login(happening, 1))
    assert passed.failed == ("faulty",)
    failure, found = sorted(bench.standing(), key=lambda alert: alert.rule, reverse=True)
    assert (failure.rule, failure.severity, found.rule) == ("detection-failed", "high", "admin-user-login")
    assert "Detection faulty has failed 1 time (at " in failure.reason
    assert _open_incidents(bench) == ["failed_detection/faulty"]
    with bench.database.connect() as connection:
        run = runs.latest(connection)["faulty"]
    assert (run.outcome, (run.error or "")[:18]) == ("failed", "ZeroDivisionError:")


def test_a_detection_that_recovers_goes_on_from_its_own_cursor(
    admin_bench: Any, happening: Make, faulty: Faulty
) -> None:
    bench = admin_bench
    bench.detections = {"faulty": faulty, **bench.detections}
    bench.judge(_login(happening, 1))
    bench.judge(_login(happening, 2, 1))
    assert [alert.count for alert in bench.standing() if alert.rule == "detection-failed"] == [2]
    faulty.failing.clear()
    bench.clock.time += MINUTE
    bench.judge()
    assert faulty.judged == [2]
    assert _open_incidents(bench) == []
    (failure,) = [alert for alert in bench.standing() if alert.rule == "detection-failed"]
    assert (failure.status, failure.close_reason) == ("closed", "recovered")
    failure_notices = [type_ for type_, data in bench.notices() if data["rule"] == "detection-failed"]
    assert failure_notices == ["alert.created", "alert.updated", "alert.closed"]


def test_a_failure_is_over_with_the_next_good_pass_though_it_brings_nothing_new(
    admin_bench: Any, happening: Make
) -> None:
    bench = admin_bench
    bench.judge(_login(happening, 1))
    (detection,) = bench.detections.values()
    with bench.database.begin() as connection:  # as when the lake could not be read for a moment
        failure.raised(connection, detection, "the files could not be listed", Publishing(), now=bench.clock.now())
    assert _open_incidents(bench) == ["failed_detection/admin-user-login"]
    assert bench.engine().run_until_done().new_events == 0
    assert _open_incidents(bench) == []
    (told,) = [alert for alert in bench.standing() if alert.rule == "detection-failed"]
    assert (told.status, told.close_reason) == ("closed", "recovered")


def test_a_failing_detection_does_not_keep_others_from_finishing(
    admin_bench: Any, happening: Make, faulty: Faulty
) -> None:
    bench = admin_bench
    bench.chunk_rows = 1
    bench.detections = {"faulty": faulty, **bench.detections}
    for number in range(4):
        bench.store([_login(happening, number, number)])
    passed = bench.judge()
    assert passed.failed == ("faulty",)
    assert [alert.count for alert in bench.standing() if alert.rule == "admin-user-login"] == [4]


def test_a_newcomer_that_cannot_learn_fails_alone_and_learns_later(
    admin_bench: Any, happening: Make, faulty: Faulty
) -> None:
    bench = admin_bench
    bench.judge(_login(happening, 1))
    bench.detections = {"faulty": faulty, **bench.detections}
    assert bench.judge(_login(happening, 2, 1)).failed == ("faulty",)
    assert [alert.count for alert in bench.standing() if alert.rule == "admin-user-login"] == [2]
    faulty.failing.clear()
    bench.judge()
    assert faulty.judged == [2]
    assert _open_incidents(bench) == []


def test_a_detection_added_later_begins_at_the_head_with_its_profile_learnt(
    make_bench: Make, happening: Make, everything: dict[str, Any]
) -> None:
    bench = make_bench({"admin-user-login": everything["admin-user-login"]})
    for day in range(60):
        bench.store([happening(day, at=day * DAY)])
    bench.judge(happening(100, at=50 * DAY, ip="192.0.2.9"), _login(happening, 101, 60 * 24 * 59))
    bench.detections = everything
    bench.judge()
    assert [alert.rule for alert in bench.standing()] == ["admin-user-login"]
    bench.judge(happening(200, at=60 * DAY, ip="203.0.113.9"))
    new = [alert for alert in bench.standing() if alert.rule != "admin-user-login"]
    assert [(alert.rule, alert.count) for alert in new] == [
        ("anomalous-source-ip", 1),
        ("pull-outside-allowed-ranges", 1),
    ]
    assert "It has been known for 60 days" in new[0].reason


@pytest.mark.parametrize("source", ["hub/0", "backfill-alert/archive/1"])
def test_what_was_learnt_of_the_past_wakes_nobody(
    make_bench: Make, happening: Make, everything: Any, source: str
) -> None:
    """Late history changes the judgement of a day before the detection began: listed, but nobody is told."""
    bench = make_bench({"admin-user-login": everything["admin-user-login"]}, publishing=Publishing(("siem",)))
    past = [happening(day, at=day * DAY) for day in range(60)]
    bench.store([*past, happening(100, at=40 * DAY, ip="203.0.113.9")], source=source)
    bench.judge()
    bench.detections = {"anomalous-source-ip": everything["anomalous-source-ip"]}
    bench.judge()
    assert bench.standing() == []
    bench.judge(happening(200, at=-DAY, delay=60 * DAY))
    assert [(alert.historical, alert.count) for alert in bench.standing()] == [(True, 1)]
    assert bench.notices() == []


def test_a_newcomer_finds_new_events_behind_a_long_judged_log(
    make_bench: Make, happening: Make, everything: dict[str, Any]
) -> None:
    bench = make_bench({"mass-delete": everything["mass-delete"]}, chunk_rows=3)
    for number in range(10):
        bench.store([happening(number), happening(100 + number)])
    bench.judge()
    with bench.database.begin() as connection:  # as after the log was cleaned up, or restored from a backup
        connection.exec_driver_sql("UPDATE cursors SET lake_version = NULL, lake_entry = NULL")
    bench.detections = everything
    bench.judge()
    bench.judge(_login(happening, 500))
    assert [alert.rule for alert in bench.standing()] == ["admin-user-login"]
    with bench.database.connect() as connection:
        assert {cursor.positions["hub/0"] for cursor in runs.load(connection).values()} == {21}


def test_a_log_without_new_rows_is_not_read_from_the_same_place_for_ever(admin_bench: Any, happening: Make) -> None:
    bench = admin_bench
    bench.judge(_login(happening, 1))

    def place() -> int:
        with bench.database.connect() as connection:
            hint = runs.load(connection)["admin-user-login"].hint
        assert hint is not None
        return int(hint.version)

    before = place()
    for number in range(51):
        bench.lake.commit(ARROW_SCHEMA.empty_table(), {"hub/empty": number})
        if number in (0, 50):
            bench.judge()
            assert place() == (before if number == 0 else before + 51)
    bench.judge(_login(happening, 2, 1))
    assert bench.only().count == 2


@pytest.mark.parametrize("chunk_rows", [1, 2, 7, 1000])
def test_the_size_of_a_slice_does_not_matter(
    make_bench: Make, happening: Make, everything: dict[str, Any], chunk_rows: int
) -> None:
    bench = make_bench(everything, chunk_rows=chunk_rows)
    bench.store([_login(happening, n, 20 * n) for n in range(5)], source="hub/0")
    bench.store([_login(happening, 10 + n, 20 * n + 10) for n in range(5)], source="hub/1")
    bench.judge()
    assert bench.only().count == 10


def test_a_pass_reads_only_the_dates_of_new_events(
    make_bench: Make, happening: Make, everything: dict[str, Any]
) -> None:
    """The other dates' files are gone: whoever looked at them would fail. The admin alert lasts the whole time."""
    bench = make_bench(everything)
    hours = range(0, 40 * 24, 1)
    bench.judge(*[_login(happening, hour, 60 * hour) for hour in hours])
    for day in range(1, 39):
        date = (_login(happening, 0).time + day * DAY).date()
        shutil.rmtree(bench.lake.root / f"event_date={date.isoformat()}")
    last = 60 * hours[-1]
    late = _login(happening, 5000, -24 * 60 + 60, status=401, delay=DAY)
    tags = [happening(6000 + n, at=(last + 1) * MINUTE, operation="delete", tag=f"t{n}") for n in range(20)]
    early = happening(7000, at=-MINUTE, operation="delete", tag="early")
    assert bench.judge(_login(happening, 5001, last + 30), late, *tags, early).failed == ()
    counts = {alert.rule: alert.count for alert in bench.standing()}
    assert (counts["admin-user-login"], counts["mass-delete"]) == (961, 20)


def test_two_engines_at_once_find_what_one_finds(make_bench: Make, happening: Make, everything: dict[str, Any]) -> None:
    bench = make_bench(everything, chunk_rows=3)
    for number in range(12):
        bench.store(
            [_login(happening, number, 10 * number), happening(100 + number, operation="delete", tag=f"{number}")]
        )
    begin = threading.Barrier(2, timeout=30)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            engine = bench.engine()
            begin.wait()
            engine.run_until_done()
        except BaseException as error:  # noqa: BLE001 - told to the test
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert bench.only().count == 12
    with bench.database.connect() as connection:
        judged = connection.exec_driver_sql(
            "SELECT sum(new_events) FROM runs WHERE detection = 'admin-user-login' AND outcome = 'succeeded'"
        ).scalar_one()
    assert judged == 24


CHILD = """
import sys
from detections import failure
from detections.notices import Publishing
from detections.behavioural import discover
from detections.context import Context
from detections.engine import Engine
from detections.rule import load_rules
from acrwatch.core.clock import SystemClock
from storage.lake import Lake
from storage.state.database import Database
lake, database, *slugs = sys.argv[1:]
found = {**load_rules(), **discover()}
Engine(Lake.open(lake), Database(database), {slug: found[slug] for slug in slugs}, Context(), SystemClock(),
       publishing=Publishing(("siem",)), chunk_rows=5).run_until_done()
"""


@pytest.mark.parametrize("point", ["pass.observed:3", "pass.before_commit:2", "pass.committed:6"])
def test_a_pass_killed_anywhere_and_repeated_is_an_undisturbed_one(
    make_bench: Make, happening: Make, everything: dict[str, Any], point: str
) -> None:
    killed, calm = make_bench(everything), make_bench(everything, chunk_rows=5)
    for bench in (killed, calm):
        for part in range(4):
            start = 10 * part
            bench.store([_login(happening, start + n, 20 * (start + n)) for n in range(5)])
    calm.context = type(calm.context)()
    calm.judge()
    command = [
        sys.executable,
        "-c",
        CHILD,
        str(killed.lake.root),
        f"sqlite:///{killed.folder / 'state.db'}",
        *everything,
    ]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "ACRWATCH_CRASH_AT": point}
    died = subprocess.run(command, env=environment, cwd=root, timeout=60, check=False)
    assert died.returncode == -signal.SIGKILL
    environment.pop("ACRWATCH_CRASH_AT")
    subprocess.run(command, env=environment, cwd=root, timeout=60, check=True)
    assert killed.picture() == calm.picture()
    assert killed.picture() != []
    created = [data["id"] for type_, data in killed.notices() if type_ == "alert.created"]
    assert len(created) == len(set(created)) == len(killed.standing())


def test_what_a_refused_run_changed_is_gone_with_its_notices(admin_bench: Any, happening: Make, faulty: Faulty) -> None:
    """The cursor, alerts and outbox rows of a run are one transaction: a late failure leaves none of them."""
    bench = admin_bench
    bench.judge(_login(happening, 1))
    before = (bench.picture(), len(bench.notices()))
    with bench.database.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER refuse BEFORE INSERT ON runs WHEN NEW.outcome = 'succeeded' "
            "BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    assert bench.judge(_login(happening, 2, 1)).failed == ("admin-user-login",)
    stands = [entry for entry in bench.picture() if entry[0] == "admin-user-login"]
    told = [data for _, data in bench.notices() if data["rule"] == "admin-user-login"]
    assert (stands, len(told)) == before
    with bench.database.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER refuse")
    bench.judge()
    assert [alert.count for alert in bench.standing() if alert.rule == "admin-user-login"] == [2]
