"""A state database that cannot grow, at every write in turn: the remedy is said, and nothing is lost or doubled."""

import json
import resource
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from acrwatch.core.errors import StoreError
from acrwatch.core.model import Message
from ingest.normalise import Normaliser
from ingest.storing import Storing
from storage.lake import Lake
from storage.state import incidents, positions, rejects
from storage.state.database import Database
from storage.state.tables import ingest_counts

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
STREAM = "eventhub/audit.example.com/acr-audit/0/0"
MESSAGES = 12
_BAD_BYTES = 6_000  # more than a page, so that each reject needs a new one


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = Database(f"sqlite:///{tmp_path}/state.db")
    found.migrate()
    yield found
    found.close()


def _limit(database: Database, pages: int) -> None:
    """Let the file have so many pages, as on a disk that is full then. Holds for the one connection of the pool."""
    with database.begin() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")


def _pages(database: Database) -> int:
    with database.connect() as connection:
        return int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())


def _message(number: int) -> Message:
    good = {
        "time": "2026-11-22T02:00:00.0000000Z",
        "category": "ContainerRegistryLoginEvents",
        "operationName": "Login",
        "resourceId": "/SUBSCRIPTIONS/0/RESOURCEGROUPS/R/PROVIDERS/MICROSOFT.CONTAINERREGISTRY/REGISTRIES/CONTOSO",
        "correlationId": f"{number}",
    }
    bad = {**good, "time": "yesterday", "filler": f"{number:06}" * (_BAD_BYTES // 6)}
    skipped = {"category": f"Other{number}", "time": good["time"]}
    body = json.dumps({"records": [good, bad, skipped]}).encode()
    return Message(STREAM, number, body, partition_id="0", offset=f"at-{number}", enqueued_time=NOW)


def test_whichever_write_the_disk_refuses_a_repeat_makes_it_good(database: Database, tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    storing, normaliser = Storing(lake, database), Normaliser()
    refusals: list[StoreError] = []
    pages = _pages(database)
    for number in range(MESSAGES):
        message = [_message(number)]
        for _ in range(20):
            _limit(database, pages)
            try:
                storing.store(message, normaliser.batch(message, now=NOW), lambda _: None, NOW)
            except StoreError as error:
                refusals.append(error)
                pages += 1
            else:
                break
    assert len(refusals) >= MESSAGES, "the limit was met again and again"
    assert all("cannot grow: the disk is full" in refusal.message for refusal in refusals)
    assert all("Free some space" in refusal.remedy for refusal in refusals)

    stored = Counter(
        value
        for file in lake.snapshot().files
        for value in pq.ParquetFile(lake.root / file.path).read(["correlation_id"]).column(0).to_pylist()
    )
    assert stored == Counter(str(number) for number in range(MESSAGES))
    with database.connect() as connection:
        kept = [reject.sequence_number for reject in rejects.recent(connection, limit=100)]
        counted = dict(connection.execute(select(ingest_counts.c.name, ingest_counts.c.count)).all())
        assert sorted(kept) == list(range(MESSAGES))
        assert positions.hints(connection)[STREAM].sequence_number == MESSAGES - 1
    assert {name: count for name, count in counted.items() if name.startswith("category:")} == {
        f"category:Other{number}": 1 for number in range(MESSAGES)
    }


def test_a_full_database_still_tells_what_it_holds_and_takes_incidents_when_it_can_grow(database: Database) -> None:
    _limit(database, _pages(database))
    body = {"kind": "store_failed", "message": "x" * 20_000, "remedy": "", "now": NOW}
    with pytest.raises(StoreError, match="the disk is full"), database.begin() as connection:
        incidents.open(connection, "store_failed/a", **body)  # type: ignore[arg-type]
    with database.connect() as connection:
        assert incidents.current(connection) == []
    _limit(database, 100_000)
    with database.begin() as connection:
        incidents.open(connection, "store_failed/a", **body)  # type: ignore[arg-type]
    with database.connect() as connection:
        assert [found.key for found in incidents.current(connection)] == ["store_failed/a"]


@contextmanager
def _files_limited_to(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_the_system_refuses_is_said_with_what_to_look_at_and_rolled_back(
    database: Database, tmp_path: Path
) -> None:
    """To SQLite, a limit on the size of files is an error of the disk, not a full one."""
    log = tmp_path / "state.db-wal"
    size = log.stat().st_size if log.exists() else 0
    body = {"kind": "store_failed", "message": "x" * 200_000, "remedy": "", "now": NOW}
    with _files_limited_to(size + 10_000), pytest.raises(StoreError) as refused, database.begin() as connection:
        incidents.open(connection, "store_failed/a", **body)  # type: ignore[arg-type]
    assert "state database" in refused.value.message
    assert refused.value.remedy
    with database.begin() as connection:
        assert incidents.current(connection) == []
        incidents.open(connection, "store_failed/a", **body)  # type: ignore[arg-type]
    with database.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
