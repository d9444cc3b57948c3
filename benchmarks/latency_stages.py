"""Where the time of `benchmarks.latency` goes: read from the lake's log, the state and the receiver's notes."""

import itertools
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb
from sqlalchemy import select

from benchmarks.latency_load import RULES, correlation, trigger
from storage.lake import Lake
from storage.state.database import Database
from storage.state.tables import alerts, attempts, deliveries

TARGET_SECONDS: Final = 5.0
STAGES: Final = ("stored", "judged", "handed over", "received")
# By rule and address: when its first webhook came, in seconds since 1970, and about which alert.
Arrivals = Mapping[tuple[str, str], tuple[float, str]]


def stages(folder: Path, sent: Mapping[int, float], arrived: Arrivals) -> dict[int, list[float]]:
    """Return the seconds of each stage of each trigger, in the order of STAGES."""
    stored, judged, tried = _stored(folder), _judged(folder), _tried(folder)
    found = {}
    for number, at in sent.items():
        one = trigger(number)
        arrival, alert = arrived[one.rule, one.address]
        moments = [at, stored[number], judged[alert], tried[alert], arrival]
        found[number] = [later - earlier for earlier, later in itertools.pairwise(moments)]
    return found


def _stored(folder: Path) -> dict[int, float]:
    """Return when the commit became visible that holds the record which completes each trigger's match."""
    lake = Lake(folder / "data" / "lake")
    files = [str(lake.root / file.path) for file in lake.snapshot().files]
    rows = duckdb.execute(
        "SELECT correlation_id, source, sequence_number FROM read_parquet($1) WHERE correlation_id LIKE $2",
        [files, correlation(0).replace("0", "%")],
    ).fetchall()
    commits = sorted((lake.root / "_delta_log").glob("*.json"))
    reached: dict[str, list[tuple[int, float]]] = {}
    for path in commits:
        for line in path.read_text(encoding="utf-8").splitlines():
            if (action := json.loads(line).get("txn")) is not None:
                reached.setdefault(action["appId"], []).append((action["version"], path.stat().st_mtime))
    return {
        int(name.rpartition("-")[2]): next(at for last, at in reached[stream] if last >= number)
        for name, stream, number in rows
    }


def _judged(folder: Path) -> dict[str, float]:
    with _database(folder) as database, database.connect() as connection:
        return {id_: at.timestamp() for id_, at in connection.execute(select(alerts.c.id, alerts.c.created_at))}


def _tried(folder: Path) -> dict[str, float]:
    query = select(deliveries.c.alert_id, attempts.c.at).join(attempts, attempts.c.delivery_id == deliveries.c.id)
    with _database(folder) as database, database.connect() as connection:
        rows = connection.execute(query.where(deliveries.c.type == "alert.created").order_by(attempts.c.id.desc()))
        return {alert: at.timestamp() for alert, at in rows}


@contextmanager
def _database(folder: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{folder}/data/state.db")
    try:
        yield database
    finally:
        database.close()


def quantiles(values: Sequence[float]) -> tuple[float, float, float, float]:
    """Return p50, p95, p99 and the largest."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[94], cuts[98], max(values)


def report(found: Mapping[int, Sequence[float]]) -> None:
    """Print rows of markdown; end the process with 1 where p99 is above the target."""
    print("\n| seconds | p50 | p95 | p99 | max |\n|---|--:|--:|--:|--:|")
    for place, stage in enumerate(STAGES):
        _row(stage, [parts[place] for parts in found.values()])
    for place, rule in enumerate(RULES):
        _row(f"whole, {rule}", [sum(parts) for number, parts in found.items() if number % len(RULES) == place])
    whole = [sum(parts) for parts in found.values()]
    _row("**whole**", whole)
    if quantiles(whole)[2] > TARGET_SECONDS:
        raise SystemExit(f"p99 is above {TARGET_SECONDS:g} s")


def _row(name: str, values: Sequence[float]) -> None:
    print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in quantiles(values)) + " |")
