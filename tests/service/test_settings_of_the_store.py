"""Settings whose effect is seen only where the parts are put together."""

import os
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from acrwatch.cli import run
from acrwatch.cli.session import Session
from acrwatch.core.clock import SystemClock
from scheduler import Parts
from storage.lake import Lake
from storage.lake.clustering import ROW_GROUP
from storage.state import outbox
from storage.state.outbox import Attempt
from tests.lake.lake_writer import make_events
from tests.service.test_bytes_to_webhook import MESSAGE

STORE = '[store]\npath = "lake"\ndatabase = "sqlite:///state.db"\n'
DAY = timedelta(days=1)


def _parts(folder: Path, settings: str) -> Parts:
    (folder / "acrwatch.toml").write_text(STORE + settings)
    session = Session(folder / "acrwatch.toml", clock=SystemClock(), environ={})
    return Parts(session.config, clock=session.clock, rng=random.Random(1))


def _fill(lake: Lake, day: datetime, rows: int) -> None:
    """Store rows of one date, in a file that was written at its end."""
    events = make_events([0], at=day).take(pa.array(np.zeros(rows, np.int64)))
    ids = pa.array([n.to_bytes(16, "little") for n in range(rows)], pa.binary())
    place = events.schema.get_field_index("event_id")
    lake.commit(events.set_column(place, events.schema.field(place), ids), {})
    for file in lake.snapshot().files:
        os.utime(lake.root / file.path, times=((day + DAY).timestamp(),) * 2)


@pytest.mark.parametrize(("closed_after", "ordered"), [("1h", True), ("30d", False)])
def test_a_date_closes_when_the_configuration_says(closed_after: str, ordered: bool, tmp_path: Path) -> None:
    day = (datetime.now(UTC) - 3 * DAY).replace(hour=12)
    with _parts(tmp_path, f'closed_after = "{closed_after}"\n') as parts:
        _fill(parts.lake(), day, 2 * ROW_GROUP)
        done = parts.maintain(parts.lake())
    assert done is not None
    assert done.clustered == ((day.date(),) if ordered else ())


def test_finished_deliveries_are_remembered_as_long_as_the_configuration_says(tmp_path: Path) -> None:
    with _parts(tmp_path, 'state_retention = "2d"\n') as parts:
        for age in (3 * DAY, DAY):
            then = datetime.now(UTC) - age
            with parts.database.begin() as connection:
                what = {"destinations": ["siem"], "type": "alert.created", "revision": 1, "body": "{}"}
                outbox.enqueue(connection, alert_id=f"{age.days}", now=then, **what)  # type: ignore[arg-type]
                (one,) = outbox.claim(connection, "siem", owner="w", lease=DAY, limit=1, now=then)
                outbox.finish(connection, one, Attempt(then, 0.0, "sent"))
        parts.maintain(parts.lake())
        with parts.database.connect() as connection:
            assert [one.alert_id for one in outbox.recent(connection, limit=9)] == ["1"]


def test_files_are_looked_for_beside_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "inbox").mkdir()
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.}".encode()
    (tmp_path / "inbox" / "pull.json").write_bytes(MESSAGE.replace(b"%TIME%", now))
    (tmp_path / "acrwatch.toml").write_text(STORE + '[[sources]]\ntype = "files"\npaths = ["inbox"]\n')
    monkeypatch.chdir("/")
    assert run(["--config", str(tmp_path / "acrwatch.toml"), "ingest", "--once", "--json"]) == 0
    assert '"events": 1' in capsys.readouterr().out
