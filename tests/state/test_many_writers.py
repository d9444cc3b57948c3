"""Four processes that write as fast as they can never meet "database is locked", and lose nothing.

Bounded by transactions in the normal suite; ACRWATCH_SOAK_SECONDS=60 makes it run for that long instead, and
`--log-cli-level=INFO` shows the figures.
"""

import logging
import multiprocessing
import os
import time
from datetime import date
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier

from sqlalchemy import insert, select

from storage.state import counts
from storage.state.database import Database
from storage.state.tables import ingest_counts

_log = logging.getLogger(__name__)

PROCESSES = 4
TRANSACTIONS = 250
SOAK_SECONDS = float(os.environ.get("ACRWATCH_SOAK_SECONDS", "0"))
DAY = date(2026, 11, 22)


def _write(url: str, number: int, gate: Barrier, results: "Queue[tuple[int, int, float]]") -> None:
    database = Database(url)
    gate.wait(timeout=60)
    end = time.monotonic() + SOAK_SECONDS
    done, slowest = 0, 0.0
    while (time.monotonic() < end) if SOAK_SECONDS else (done < TRANSACTIONS):
        begun = time.monotonic()
        _one_transaction(database, number, done)
        done, slowest = done + 1, max(slowest, time.monotonic() - begun)
    database.close()
    results.put((number, done, slowest))


def _one_transaction(database: Database, number: int, done: int) -> None:
    """Read, then write what depends on it: a lost update would show in the shared total."""
    with database.begin() as connection:
        query = select(ingest_counts.c.count).where(ingest_counts.c.name == "shared").with_for_update()
        total = connection.execute(query).scalar_one()
        connection.execute(ingest_counts.update().where(ingest_counts.c.name == "shared").values(count=total + 1))
        connection.execute(insert(ingest_counts).values(date=f"{done}", name=f"{number}", count=1))


def test_four_processes_write_at_full_speed(database: Database, database_url: str) -> None:
    with database.begin() as connection:
        counts.add(connection, DAY, {"shared": 0})
    spawn = multiprocessing.get_context("spawn")
    gate, results = spawn.Barrier(PROCESSES), spawn.Queue()
    processes = [
        spawn.Process(target=_write, args=(database_url, number, gate, results)) for number in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    found = [results.get(timeout=100 + SOAK_SECONDS) for _ in processes]
    for process in processes:
        process.join(timeout=30)
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    with database.connect() as connection:
        total = counts.read(connection, DAY, DAY)[DAY]["shared"]
    _log.info(
        "%d transactions, %s by process, slowest %.2f s", total, [n for _, n, _ in found], max(s for *_, s in found)
    )
    assert total == sum(done for _, done, _ in found)
    assert SOAK_SECONDS or total == PROCESSES * TRANSACTIONS
