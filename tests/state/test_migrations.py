"""The migrated schema is the one in tables.py, however many processes migrate at once."""

import multiprocessing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from acrwatch.core.errors import ConfigError
from storage.state import runs, stages
from storage.state.database import Database
from storage.state.tables import metadata


def test_the_migrated_schema_is_the_one_in_the_tables_module(database: Database) -> None:
    with database.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_migrating_twice_changes_nothing(database: Database) -> None:
    database.migrate()
    with database.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one() == 1


def test_migrating_creates_the_folder(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/new/deeper/100%/state.db")
    database.migrate()
    database.close()
    assert (tmp_path / "new/deeper/100%/state.db").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(ConfigError, match="taken"):
        Database(f"sqlite:///{tmp_path}/taken/state.db").migrate()


def test_a_schema_newer_than_the_code_is_refused(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match=r"schema 9999.*install that version"):
        database.migrate()


def test_what_rules_told_before_they_were_building_blocks_stays_told(database: Database) -> None:
    """Two detections became building blocks with schema 0012; one of them runs here, and somebody staged the other."""
    before = datetime.now(UTC)
    with database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0011'"))
        for slug in ("first-country", "first-seen-identity", "mass-delete"):
            runs.start_at(connection, slug, {}, None, version="1", now=before)
        stages.take(connection, stages.Step("first-country", "staged", before, before, "ana", "loud"))
    database.migrate()
    with database.connect() as connection:
        found = stages.steps(connection)
    assert found.keys() == {"first-country", "first-seen-identity"}
    assert [step.stage for step in found["first-country"]] == ["staged"]
    life = stages.Life("building-block", found["first-seen-identity"])
    assert life.stage_at(before - timedelta(days=400)) == "active"
    assert life.stage_at(datetime.now(UTC)) == "building-block"


def _migrate(url: str, gate: "multiprocessing.synchronize.Barrier") -> None:
    database = Database(url)
    gate.wait(timeout=60)
    database.migrate()
    database.close()


def test_several_processes_may_migrate_a_new_database_at_once(empty_url: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    gate = spawn.Barrier(4)
    processes = [spawn.Process(target=_migrate, args=(empty_url, gate)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=90)
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
