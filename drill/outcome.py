"""What stands in a lake and a state database, read as acrwatch's own readers read it."""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select

from detections.blindness import METADATA as BLINDNESS
from detections.failure import SLUG as FAILED
from storage.lake import Lake
from storage.lake.sweeping import sweepable
from storage.query import Reader
from storage.state import alerts, incidents, outbox, rejects, runs
from storage.state.alerts import Alert
from storage.state.database import Database
from storage.state.tables import deliveries

Standing = tuple[Any, ...]

# Judged by the clock or by what failed, not by the events: outside the promise that a pass is a function of the data.
BY_CLOCK: Final = frozenset({*BLINDNESS, FAILED})
_MANY: Final = 1_000_000


@dataclass(frozen=True)
class Outcome:
    """Everything that must hold, as data. `rows` are (event id in hex, correlation id), one for each row stored."""

    rows: Counter[tuple[str, str]]
    bad: Counter[bytes]
    standing: Counter[Standing]
    told: dict[str, str]  # alerts that must have been told, by id: the rule
    announced: Counter[tuple[str, str]]  # alert.created in the outbox, by alert and destination
    unsent: list[str]
    incidents: list[str]


def outcome(lake: Lake, database: Database) -> Outcome:
    """Read what stands now. Raises StoreError."""
    with database.connect() as connection:
        found = alerts.find(connection, blocks=True)
        every = connection.execute(select(deliveries)).mappings().all()
        refused = rejects.recent(connection, limit=_MANY)
        wrong = [f"{one.key}: {one.message}" for one in incidents.current(connection)]
    announced = [row for row in every if row["type"] == outbox.CREATED]
    return Outcome(
        rows=rows(lake),
        bad=Counter(reject.body for reject in refused),
        standing=Counter(standing(alert) for alert in found if alert.rule not in BY_CLOCK),
        told={alert.id: alert.rule for alert in found if not (alert.historical or _is_block(alert))},
        announced=Counter((row["alert_id"], row["destination"]) for row in announced),
        unsent=sorted(row["id"] for row in every if row["status"] in (outbox.PENDING, outbox.DEAD)),
        incidents=wrong,
    )


def rows(lake: Lake) -> Counter[tuple[str, str]]:
    """Return how often each event, by id and correlation id, is stored."""
    with Reader(lake.snapshot()) as reader:
        part = reader.whole()
        reader.view("events", part, part.files, lateness=timedelta(hours=24), derived={})
        table = reader.query("SELECT hex(event_id) AS id, correlation_id AS correlation FROM events")
    return Counter(zip(table.column("id").to_pylist(), table.column("correlation").to_pylist(), strict=True))


def standing(alert: Alert) -> Standing:
    """Return what must be equal to an undisturbed run: everything but ids and the times of our own doing."""
    times, lane = (alert.first_seen, alert.last_seen), "building block" if _is_block(alert) else "told"
    return alert.rule, alert.group_key, *times, alert.count, alert.historical, lane, json.dumps(alert.evidence)


def _is_block(alert: Alert) -> bool:
    return alert.status == alerts.BUILDING_BLOCK


def behind(lake: Lake, database: Database, ends: dict[str, int], slugs: set[str]) -> str:
    """Return what is not done yet, in words; "" when all is stored, judged and sent."""
    stored = {stream: lake.position(stream) for stream in ends}
    waiting = {stream: end for stream, end in ends.items() if (-1 if (at := stored[stream]) is None else at) < end}
    if waiting:
        return f"not stored up to {waiting}: {stored}"
    with Reader(lake.snapshot()) as reader:
        head = reader.whole().upto
    with database.connect() as connection:
        cursors = runs.load(connection)
        pending = connection.execute(select(deliveries.c.id).where(deliveries.c.status == outbox.PENDING)).all()
        wrong = [one.key for one in incidents.current(connection)]
    late = sorted(slug for slug in slugs if slug not in cursors or cursors[slug].positions != head)
    if late:
        return f"not judged by {', '.join(late)}"
    if pending:
        return f"{len(pending)} deliveries wait"
    return f"open incidents: {', '.join(wrong)}" if wrong else ""


def left_lying(lake: Lake, *, now: datetime) -> tuple[int, int]:
    """Return how many files no version names, and their bytes: what interrupted commits and compactions left.

    `now` is late enough for a sweep to find all of them old. Files that a compaction replaced are named until a later
    checkpoint, for readers that are still at them, and do not count.
    """
    found = sweepable(lake, now=now)
    return len(found), sum(path.stat().st_size for path in found)


def lines(path: Path) -> Counter[str]:
    """Return how often a file of alerts names each one as created; a line torn by a kill counts for nothing."""
    created: Counter[str] = Counter()
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            body = json.loads(line)
        except json.JSONDecodeError:
            continue
        if body["type"] == outbox.CREATED:
            created[body["data"]["id"]] += 1
    return created
