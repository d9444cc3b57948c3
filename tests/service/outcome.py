"""What stands at the end: in the lake, among the rejects and alerts, and in the outbox; and what must stand there."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from sqlalchemy import select

from storage.lake import Lake
from storage.state import alerts, incidents, outbox, rejects
from storage.state.database import Database
from storage.state.tables import deliveries
from tests.service.process import DESTINATIONS, opened
from tests.service.traffic import Traffic
from tests.state.leased import let_leases_end as end_leases

Standing = tuple[Any, ...]


@dataclass(frozen=True)
class Outcome:
    """`correlations` has one entry per row, in order; `created` counts alert.created per alert and destination."""

    correlations: list[str]
    event_ids: set[bytes]
    bad: Counter[bytes]
    standing: list[Standing]
    delivered_alerts: set[str]
    created: Counter[tuple[str, str]]
    unsent: list[str]
    incidents: list[str]


def outcome(folder: Path) -> Outcome:
    """Read what a stopped acrwatch left in `folder`."""
    with opened(Database(f"sqlite:///{folder / 'state.db'}")) as database, database.connect() as connection:
        found = alerts.find(connection, blocks=True)
        every = connection.execute(select(deliveries)).mappings().all()
        refused = rejects.recent(connection, limit=1_000_000)
        wrong = [incident.key for incident in incidents.current(connection)]
    correlations, ids = _rows(folder)
    created = [row for row in every if row["type"] == outbox.CREATED]
    return Outcome(
        correlations=correlations,
        event_ids=ids,
        bad=Counter(reject.body for reject in refused),
        standing=sorted(map(_standing, found)),
        delivered_alerts={one.id for one in found if not one.historical and one.status != alerts.BUILDING_BLOCK},
        created=Counter((row["alert_id"], row["destination"]) for row in created),
        unsent=[row["id"] for row in created if row["status"] != outbox.SENT],
        incidents=wrong,
    )


def _rows(folder: Path) -> tuple[list[str], set[bytes]]:
    lake = Lake(folder / "lake")
    tables = [
        pq.ParquetFile(lake.root / file.path).read(["correlation_id", "event_id"]) for file in lake.snapshot().files
    ]
    correlations = [value for table in tables for value in table.column("correlation_id").to_pylist()]
    ids = {value for table in tables for value in table.column("event_id").to_pylist()}
    return sorted(correlations), ids


def _standing(alert: alerts.Alert) -> Standing:
    evidence = json.dumps(alert.evidence)
    return alert.rule, alert.group_key, alert.first_seen, alert.last_seen, alert.count, alert.historical, evidence


def lines_delivered(folder: Path, destination: str) -> Counter[str]:
    """Return how often the file of a destination names each alert as created."""
    lines = (folder / f"{destination}.jsonl").read_text().splitlines()
    bodies = [json.loads(line) for line in lines]
    return Counter(body["data"]["id"] for body in bodies if body["type"] == outbox.CREATED)


def let_leases_end(folder: Path) -> None:
    """Do what five minutes do: free the deliveries that a killed process had taken."""
    with opened(Database(f"sqlite:///{folder / 'state.db'}")) as database:
        database.migrate()
        end_leases(database)


def _difference(found: list[Standing], wanted: list[Standing]) -> str:
    """Name the alerts that differ, for pytest explains no `assert` of a module that is no test."""
    lines = [
        f"{what}: {alert}"
        for what, one, other in (("left over", found, wanted), ("missing", wanted, found))
        for alert in one
        if alert not in other
    ]
    return "\n".join(lines)


def assert_as_undisturbed(folder: Path, traffic: Traffic, standing: list[Standing]) -> Outcome:
    """Hold what a stopped acrwatch left against what was sent, and its alerts against `standing`."""
    found = outcome(folder)
    assert len(found.event_ids) == len(found.correlations), "an event is stored twice"
    assert found.correlations == list(traffic.correlations)
    assert found.bad == traffic.bad
    assert found.standing == standing, _difference(found.standing, standing)
    wanted = {(alert, destination) for alert in found.delivered_alerts for destination in DESTINATIONS}
    assert wanted <= found.created.keys(), "an alert is told to nobody"
    assert set(found.created.values()) <= {1}, "an alert is announced twice"
    assert not found.unsent
    assert not found.incidents
    for destination in DESTINATIONS:
        assert found.delivered_alerts <= lines_delivered(folder, destination).keys()
    return found
