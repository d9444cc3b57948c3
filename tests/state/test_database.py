"""What the door to the state database promises: transactions, snapshots, and errors people can act on."""

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, text

from acrwatch.core.errors import (
    AcrWatchError,
    ConfigError,
    RemoteUnreachableError,
    StateUnavailableError,
    StoreError,
)
from storage.state.database import Database
from storage.state.tables import ingest_counts
from tests.postgres import BACKENDS


def _put(connection: Connection, name: str) -> None:
    connection.execute(insert(ingest_counts).values(date="2026-11-22", name=name, count=1))


def _put_and_fail(database: Database) -> None:
    with database.begin() as connection:
        _put(connection, "lost")
        raise ZeroDivisionError


def _names(connection: Connection) -> list[str]:
    return list(connection.execute(select(ingest_counts.c.name).order_by(ingest_counts.c.name)).scalars())


def test_a_block_that_ends_is_committed(database: Database) -> None:
    with database.begin() as connection:
        _put(connection, "kept")
    with database.connect() as connection:
        assert _names(connection) == ["kept"]


def test_a_block_that_raises_leaves_nothing(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        _put_and_fail(database)
    with database.connect() as connection:
        assert _names(connection) == []


def test_a_reader_keeps_its_snapshot_while_a_writer_commits(database: Database) -> None:
    with database.connect() as reader:
        assert _names(reader) == []
        with database.begin() as writer:
            _put(writer, "later")
        assert _names(reader) == []
    with database.connect() as reader:
        assert _names(reader) == ["later"]


def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(StoreError), database.connect() as connection:
        _put(connection, "forbidden")


def test_a_reader_does_not_wait_for_a_writer(database: Database) -> None:
    with database.begin() as writer:
        _put(writer, "uncommitted")
        with database.connect() as reader:
            assert _names(reader) == []


def test_a_second_writer_waits_for_the_first(database: Database) -> None:
    """Both read, then write what they read plus one: without the wait one of the two would be lost."""
    with database.begin() as connection:
        _put(connection, "n")
    first_is_in, second_is_done = threading.Event(), threading.Event()

    def second() -> None:
        first_is_in.wait(timeout=30)
        _add_one(database)
        second_is_done.set()

    thread = threading.Thread(target=second)
    thread.start()
    with database.begin() as connection:
        seen = connection.execute(_ONE).scalar_one()
        first_is_in.set()
        assert not second_is_done.wait(timeout=0.2)
        connection.execute(ingest_counts.update().values(count=seen + 1))
    thread.join(timeout=30)
    with database.connect() as connection:
        assert connection.execute(select(ingest_counts.c.count)).scalar_one() == 3


# SQLite writers wait at the start of the block and ignore the lock; PostgreSQL's wait at the row.
_ONE = select(ingest_counts.c.count).with_for_update()


def _add_one(database: Database) -> None:
    with database.begin() as connection:
        seen = connection.execute(_ONE).scalar_one()
        connection.execute(ingest_counts.update().values(count=seen + 1))


def test_sqlite_syncs_every_commit_and_checks_foreign_keys(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'state.db'}")
    with database.begin() as connection:
        found = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    database.close()
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 60_000}


def test_a_database_without_tables_says_how_to_make_them(empty_url: str) -> None:
    database = Database(empty_url)
    with pytest.raises(StoreError, match="acrwatch db migrate"), database.connect() as connection:
        _names(connection)
    database.close()


def test_a_refused_statement_shows_no_values(database: Database) -> None:
    with database.begin() as connection:
        _put(connection, "whsec_value")
    with pytest.raises(StoreError) as caught, database.begin() as connection:
        _put(connection, "whsec_value")
    assert "INSERT" not in str(caught.value)
    assert "parameters" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("state.db", "not a database URL"),
        ("mysql://host/db", "'mysql'"),
        ("sqlite://", "no SQLite file"),
        ("sqlite:///:memory:", "no SQLite file"),
    ],
)
def test_a_url_that_cannot_work_is_refused(url: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        Database(url)


@pytest.mark.parametrize(("column", "table"), [("date", "of_a_later_version"), ("of_a_later_version", "ingest_counts")])
def test_what_an_older_schema_lacks_is_answered_with_a_migration(database: Database, column: str, table: str) -> None:
    with (
        pytest.raises(StoreError, match=r"lacks a (table|column).*acrwatch db migrate"),
        database.connect() as connection,
    ):
        connection.execute(text(f"SELECT {column} FROM {table}"))


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database " * 100)
    with pytest.raises(ConfigError, match=r"notes\.txt is not an SQLite database"):
        Database(f"sqlite:///{tmp_path}/notes.txt").migrate()


def test_a_full_disk_is_called_a_full_disk(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'state.db'}")
    database.migrate()
    with database.begin() as connection:
        connection.execute(text("PRAGMA max_page_count = 1"))  # the pool hands this connection out again
    with pytest.raises(StateUnavailableError, match=r"disk is full.*Free some space"), database.begin() as connection:
        _put(connection, "x" * 1_000_000)
    database.close()


def test_a_file_that_is_moved_away_while_it_is_in_use_is_missed_until_it_is_back(tmp_path: Path) -> None:
    file, away = tmp_path / "state.db", tmp_path / "away.db"
    database = Database(f"sqlite:///{file}")
    database.migrate()
    file.rename(away)
    for opened in (database.begin, database.connect):
        with pytest.raises(StateUnavailableError, match=r"state\.db is gone.*restore it"), opened():
            pass
    assert not file.exists()
    away.rename(file)
    with database.begin() as connection:
        _put(connection, "back")
    database.close()
    with database.connect() as connection:
        assert _names(connection) == ["back"]
    database.close()


def test_a_backup_put_in_its_place_is_what_is_used_from_then_on(tmp_path: Path) -> None:
    file, backup = tmp_path / "state.db", tmp_path / "backup.db"
    database = Database(f"sqlite:///{file}")
    database.migrate()
    with database.begin() as connection:
        _put(connection, "before")
    with sqlite3.connect(file) as source:
        source.execute("VACUUM INTO ?", [str(backup)])
    source.close()
    with database.begin() as connection:
        _put(connection, "after")
    for name in ("state.db-wal", "state.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    backup.replace(file)
    with database.connect() as connection:
        assert _names(connection) == ["before"]
    with database.begin() as connection:
        _put(connection, "kept")
    database.close()
    with database.connect() as connection:
        assert _names(connection) == ["before", "kept"]
    database.close()


def test_a_locked_database_says_so(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'state.db'}")
    database.migrate()
    with database.begin() as patient:
        patient.execute(text("PRAGMA busy_timeout = 0"))  # the pool hands this connection out again: it will not wait
    holder = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StateUnavailableError, match=r"stayed locked.*stuck acrwatch process"), database.begin():
        pass
    holder.close()
    database.close()


@pytest.mark.skipif("postgresql" not in BACKENDS, reason="PostgreSQL is not installed")
@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("25006", "is read-only"),  # a standby after a failover
        ("55P03", "stayed locked"),
        ("53200", "run out of memory"),
        ("53100", "its disk is full"),
        ("58030", "disk or system"),
    ],
)
def test_a_server_that_cannot_write_is_nobodys_fault(database: Database, state: str, said: str) -> None:
    """What the engine takes for a fault of the state, and not of the detection that met it."""
    refuse = text(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$")
    with pytest.raises(StateUnavailableError, match=said), database.begin() as connection:
        connection.execute(refuse)


def test_an_unreachable_server_is_unreachable_and_its_password_stays_secret() -> None:
    database = Database("postgresql+psycopg://watcher:hunter2@127.0.0.1:1/acrwatch?password=hunter3")
    with pytest.raises(RemoteUnreachableError) as caught, database.connect():
        pass
    assert "127.0.0.1:1" in str(caught.value)
    assert "hunter" not in str(caught.value) + database.name


def test_every_error_is_one_of_ours(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'state.db'}")
    with pytest.raises(AcrWatchError), database.begin() as connection:
        connection.execute(text("SELEC 1"))
    database.close()
