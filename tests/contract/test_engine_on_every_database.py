"""Detections give the same alerts over every database, whoever else is at work on it."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from detections.detection import Detection
from detections.notices import Publishing
from scheduler import load_detections
from storage.state import alerts, outbox, runs
from tests.contract.child import SLUG
from tests.contract.conftest import ROOT
from tests.detections.conftest import Bench, Happening

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
CHILD = """
import sys
from detections.notices import Publishing
from detections.context import Context
from detections.engine import Engine
from acrwatch.core.clock import SystemClock
from storage.lake import Lake
from storage.state.database import Database
from tests.contract.child import SLUG, admin_rule

lake, url = sys.argv[1:]
Engine(Lake.open(lake), Database(url), {SLUG: admin_rule()}, Context(), SystemClock(),
       publishing=Publishing(("siem",)), chunk_rows=2).run_until_done()
"""


def _login(number: int, minutes: int) -> Happening:
    return Happening(number, at=minutes * MINUTE, operation="login", identity="contoso", tag=None)


def _world() -> list[Happening]:
    """Sixty days at home, a foreign pull, a burst of deletions and an admin's logins."""
    home = [Happening(day, at=day * DAY) for day in range(60)]
    foreign = Happening(100, at=60 * DAY, ip="203.0.113.9")
    burst = [Happening(200 + n, at=61 * DAY + n * MINUTE / 4, operation="delete", tag=f"t{n}") for n in range(25)]
    logins = [replace(_login(300 + n, 10 * n), at=62 * DAY + 10 * n * MINUTE) for n in range(5)]
    return [*home, foreign, *burst, *logins]


def _bench(folder: Path, detections: dict[str, Detection], url: str = "", chunk_rows: int = 250_000) -> Bench:
    folder.mkdir()
    return Bench(folder, detections, publishing=Publishing(("siem",)), url=url, chunk_rows=chunk_rows)


def _split(world: Sequence[Happening]) -> list[Sequence[Happening]]:
    return [world[start : start + 30] for start in range(0, len(world), 30)]


def test_split_traffic_on_any_database_gives_the_alerts_of_one_pass_on_sqlite(
    database_url: str, tmp_path: Path
) -> None:
    whole = _bench(tmp_path / "whole", load_detections())
    split = _bench(tmp_path / "split", load_detections(), url=database_url)
    whole.judge(*_world())
    for part in _split(_world()):
        split.judge(*part)
    assert split.picture() == whole.picture()
    assert {alert.rule for alert in split.standing()} >= {SLUG, "mass-delete", "anomalous-source-ip"}
    whole.database.close()
    split.database.close()


def test_a_detection_added_later_learns_the_past_on_any_database(bench: Bench) -> None:
    bench.judge(*_world()[:60])
    bench.detections = load_detections()
    bench.judge()
    bench.judge(_world()[60])
    assert "anomalous-source-ip" in {alert.rule for alert in bench.standing()}


def test_engines_that_race_judge_each_event_once(bench: Bench) -> None:
    bench.chunk_rows = 3
    for number in range(12):
        bench.store([_login(number, 5 * number)])
    begin = threading.Barrier(3, timeout=30)
    failed: list[tuple[str, ...]] = []

    def run() -> None:
        engine = bench.engine()
        begin.wait()
        failed.append(engine.run_until_done().failed)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == [()] * 3
    assert bench.only().count == 12
    with bench.database.connect() as connection:
        query = "SELECT sum(new_events) FROM runs WHERE outcome = 'succeeded'"
        assert connection.exec_driver_sql(query).scalar_one() == 12


@pytest.mark.parametrize("point", ["pass.before_commit:2", "pass.committed:2"])
def test_a_pass_killed_and_repeated_announces_the_alert_once(bench: Bench, point: str) -> None:
    for number in range(2):
        bench.store([_login(2 * number, 10 * number), _login(2 * number + 1, 10 * number + 5)])
    command = [sys.executable, "-c", CHILD, str(bench.lake.root), bench.url]
    died = subprocess.run(command, env={**os.environ, "ACRWATCH_CRASH_AT": point}, cwd=ROOT, timeout=60, check=False)
    assert died.returncode == -signal.SIGKILL
    bench.judge()
    assert bench.only().count == 4
    assert [kind for kind, _ in bench.notices()].count(outbox.CREATED) == 1


def test_what_a_person_changes_while_a_pass_runs_is_not_undone(bench: Bench) -> None:
    """The person's change waits for the pass, or the pass for the person's: neither writes over the other."""
    bench.judge(_login(0, 0))
    alert = bench.only()
    held, go_on = threading.Event(), threading.Event()

    def person() -> None:
        with bench.database.begin() as connection:
            mine = alerts.get(connection, alert.id, hold=True)
            held.set()
            go_on.wait(30)
            alerts.save(connection, replace(mine, status=alerts.ACTIVE, revision=mine.revision + 1))

    def engine() -> None:
        held.wait(30)
        bench.judge(_login(1, 1))

    threads = [threading.Thread(target=person), threading.Thread(target=engine)]
    for thread in threads:
        thread.start()
    threads[1].join(0.5)  # long enough to read the alert, were it not held
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert (bench.only().status, bench.only().count) == (alerts.ACTIVE, 2)


def test_a_cursor_that_another_run_moved_stays_where_that_put_it(bench: Bench) -> None:
    bench.judge(_login(0, 0))
    with bench.database.connect() as connection:
        cursor = runs.load(connection)[SLUG]
    bench.judge(_login(1, 1))
    with bench.database.begin() as connection:
        runs.start_at(connection, "other", {}, None, version="1", now=bench.clock.now())
        before = runs.load(connection)
        both = [(cursor, "1"), (before["other"], "1")]
        assert runs.advance(connection, both, {"a/0": 7}, None, now=bench.clock.now()) == {"other"}
        after = runs.load(connection)
    assert after[SLUG] == before[SLUG]
    assert after["other"].positions == {"a/0": 7}
