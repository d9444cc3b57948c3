"""Import of an archive's files, every promise kept, beside what people use to get the same files into Parquet.

    python -m benchmarks.archive_import [--records N] [--pairs N]

Ours is what `acrwatch import` does with a tree of `PT1H.json`: each record judged, rejected or stored, its derived
columns and its id made, ids checked against all that is stored, rows by date in a Delta table, synced to the disk,
files noted in SQL. pandas parses lines, flattens them with `json_normalize` and writes with `to_parquet`; DuckDB reads
with `read_json` and writes with `COPY`: by itself, as one first tries; with `union_by_name`, so that it looks at more
than the first file; and with every member named. They check nothing and keep nothing but the columns. "DuckDB, with
ids" does as much of our work as SQL says in a few lines: an id of each record, ids told apart and from those stored,
derived columns, files by date. All run on one core, in turn (ours, pandas, ours, DuckDB, ...), so that a machine whose
speed drifts slows all alike. The last column says of how many records the repository came out.
"""

import argparse
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as pq

from acrwatch.core.clock import SystemClock
from acrwatch.simulate import Scenario, simulate, write_files
from benchmarks.machine import described
from ingest.normalise import Normaliser
from ingest.opening import Opening
from ingest.pipeline import Pipeline
from ingest.sources.files import FilesSource
from ingest.wire import Properties, WireRecord
from storage.lake import Lake
from storage.state.database import Database

# Rows that pandas turns into one file: of more it gets slower by the record, and larger than a machine's memory.
PANDAS_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Run:
    """One turn: rows that came out, repositories in them, seconds taken, seconds of processor time."""

    rows: int
    repositories: int
    seconds: float
    busy: float


def archive_of(records: int, folder: Path) -> int:
    """Write a day's tree of `PT1H.json`; return how many records it holds."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    scenario = Scenario(start=midnight - timedelta(days=1), end=midnight, events_per_day=2 * records)
    write_files(itertools.islice(simulate(scenario), records), folder)
    return sum(path.read_bytes().count(b"\n") for path in folder.rglob("*.json"))


def ours(files: Path, folder: Path) -> int:
    """Import the tree into a new lake."""
    database = Database(f"sqlite:///{folder}/state.db")
    database.migrate()
    try:
        lake, clock = Lake.open(folder / "lake"), SystemClock()
        source = FilesSource([files], Opening(lake, database, clock))
        pipeline = Pipeline(source, Normaliser(), lake, database, clock, commit_interval=timedelta(seconds=30))
        return pipeline.run_once().events
    finally:
        database.close()


def by_pandas(files: Path, folder: Path) -> int:
    """Flatten the same files and write them, PANDAS_ROWS at a time."""
    rows = 0
    records: list[dict[str, object]] = []
    for number, path in enumerate(sorted(files.rglob("*.json"))):
        with path.open("rb") as file:
            records += map(json.loads, file)
        if len(records) >= PANDAS_ROWS:
            rows += _flattened(records, folder / f"{number}.parquet")
            records = []
    return rows + (_flattened(records, folder / "last.parquet") if records else 0)


def _flattened(records: Sequence[dict[str, object]], path: Path) -> int:
    frame = pd.json_normalize(records)
    frame.to_parquet(path, compression="zstd")
    return len(frame)


_INNER = ", ".join(f"{name} {'BIGINT' if name == 'size' else 'VARCHAR'}" for name in Properties.__struct_fields__)
_OUTER = ", ".join(
    f"{name}: '{f'STRUCT({_INNER})' if name == 'properties' else 'VARCHAR'}'" for name in WireRecord.__struct_fields__
)


def _records(files: Path) -> str:
    return f"read_json('{files}/**/*.json', format='newline_delimited', columns={{{_OUTER}}})"


def by_duckdb(files: Path, folder: Path) -> int:
    """Read the same files and copy them to one, with every member named."""
    return _copied(_records(files), folder)


def by_duckdb_alone(files: Path, folder: Path) -> int:
    """Let DuckDB find out the members: from the first file, so that logins in it hide what pulls have."""
    return _copied(f"read_json('{files}/**/*.json')", folder)


def by_duckdb_union(files: Path, folder: Path) -> int:
    """Let DuckDB find out the members from 32 files."""
    return _copied(f"read_json('{files}/**/*.json', union_by_name=true)", folder)


def _copied(records: str, folder: Path) -> int:
    with duckdb.connect(config={"threads": 1}) as connection:
        done = connection.execute(
            f"COPY (SELECT * FROM {records}) TO '{folder}/all.parquet' (FORMAT parquet, COMPRESSION zstd)"
        ).fetchone()
        assert done is not None
        return int(done[0])


_ID_MEMBERS = (
    "r.resourceId, r.category, r.operationName, r.time, r.correlationId, r.identity, r.callerIpAddress, "
    "r.properties.repository, r.properties.tag, r.properties.digest, r.resultDescription, r.properties.userAgent"
)
# The derived columns of storage/schema.py that SQL says in a line: what an identity is, and IPv6, take more.
_ALIKE = f"""SELECT r.* EXCLUDE (time, durationMs),
    CAST(left(r.time, 26) AS TIMESTAMP) AS event_time, CAST(left(r.time, 10) AS DATE) AS event_date,
    CAST(r.durationMs AS DOUBLE) AS duration_ms, md5(concat_ws(chr(0), {_ID_MEMBERS})) AS event_id,
    regexp_extract(lower(r.resourceId), '/registries/([^/]+)$', 1) AS registry, lower(r.operationName) AS operation,
    TRY_CAST(r.resultDescription AS SMALLINT) AS status_code, r.resultDescription LIKE '2__' AS succeeded,
    split_part(r.callerIpAddress, ':', 1) AS caller_ip,
    regexp_matches(r.identity, '^[0-9a-f]+-[0-9a-f-]+$') AS is_object_id
FROM {{}} r
WHERE r.time LIKE '____-__-__T__:__:__%Z' AND r.resourceId IS NOT NULL AND r.operationName IS NOT NULL"""


def by_duckdb_alike(files: Path, folder: Path) -> int:
    """Read the same files with an id, a check against stored ids and derived columns for each record, by date."""
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("CREATE TABLE stored (event_id VARCHAR)")
        connection.execute(
            "CREATE TEMP TABLE fresh AS SELECT DISTINCT ON (event_id) * "
            f"FROM ({_ALIKE.format(_records(files))}) ANTI JOIN stored USING (event_id)"
        )
        connection.execute("INSERT INTO stored SELECT event_id FROM fresh")
        done = connection.execute(
            f"COPY fresh TO '{folder}/alike' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (event_date))"
        ).fetchone()
        assert done is not None
        return int(done[0])


def timed(work: Callable[[Path, Path], int], files: Path, expected: int) -> Run:
    """Run one side in a fresh folder; it must bring every record."""
    with tempfile.TemporaryDirectory() as name:
        started, busy = time.perf_counter(), time.process_time()
        rows = work(files, Path(name))
        seconds, busy = time.perf_counter() - started, time.process_time() - busy
        run = Run(rows, _repositories(Path(name)), seconds, busy)
    if rows != expected:
        raise SystemExit(f"{rows} rows came out of {expected} records")
    return run


def _repositories(folder: Path) -> int:
    """Return of how many records all Parquet files have the repository, as a column or as a member of `properties`."""
    found = 0
    for path in folder.rglob("*.parquet"):
        file = pq.ParquetFile(path)
        names = [column.path for column in map(file.schema.column, range(len(file.schema)))]
        for name in (name for name in names if name.rpartition(".")[2] == "repository"):
            (values,) = file.read([name]).flatten().columns
            found += len(values) - values.null_count
    return found


def _row(name: str, runs: Sequence[Run]) -> str:
    speeds = [run.rows / run.seconds for run in runs]
    cost = statistics.median(run.busy / run.rows * 1e6 for run in runs)
    kept = f"{min(run.repositories for run in runs):,}"
    return (
        f"| {name} | {statistics.median(speeds):,.0f} | {min(speeds):,.0f} - {max(speeds):,.0f} | {cost:.1f} | {kept} |"
    )


def _ratio(name: str, one: Sequence[Run], other: Sequence[Run]) -> str:
    wall = [theirs.seconds / ours.seconds for ours, theirs in zip(one, other, strict=True)]
    busy = statistics.median(theirs.busy / ours.busy for ours, theirs in zip(one, other, strict=True))
    middle, spread = f"**{statistics.median(wall):.2f}**", f"{min(wall):.2f} - {max(wall):.2f}"
    return f"| **ours against {name}** | {middle} | {spread} | {busy:.2f} |"


def main() -> None:
    """Run the pairs and print medians and the ratios."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--records", type=int, default=400_000)
    options.add_argument("--pairs", type=int, default=7)
    given = options.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    others = {
        "pandas": by_pandas,
        "DuckDB, by itself": by_duckdb_alone,
        "DuckDB, `union_by_name`": by_duckdb_union,
        "DuckDB, members named": by_duckdb,
        "DuckDB, with ids": by_duckdb_alike,
    }
    with tempfile.TemporaryDirectory() as name:
        files = Path(name)
        records = archive_of(given.records, files)
        size = sum(path.stat().st_size for path in files.rglob("*.json")) / records
        print(f"{described()}; {records:,} records of {size:.0f} bytes, {given.pairs} pairs\n")
        timed(ours, files, records)  # imports, and what the system reads from the disk once
        mine: dict[str, list[Run]] = {other: [] for other in others}
        theirs: dict[str, list[Run]] = {other: [] for other in others}
        for _ in range(given.pairs):
            for other, work in others.items():
                mine[other].append(timed(ours, files, records))
                theirs[other].append(timed(work, files, records))
    print("| | records/s, median | range | processor, µs a record | repositories |\n|---|--:|--:|--:|--:|")
    print(_row("acrwatch import", [run for runs in mine.values() for run in runs]))
    for other in others:
        print(_row(other, theirs[other]))
    print("\n| | ratio, pair by pair | range | of processor time |\n|---|--:|--:|--:|")
    for other in others:
        print(_ratio(other, mine[other], theirs[other]))


if __name__ == "__main__":
    main()
