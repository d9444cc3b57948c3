"""`acrwatch detect` and `acrwatch deliver` by themselves report what fails as the jobs of `acrwatch run` do."""

from pathlib import Path

import pytest
from sqlalchemy import text

from acrwatch.cli import run
from storage.state import incidents
from storage.state.database import Database
from tests.service.process import opened


@pytest.mark.parametrize(("job", "table"), [("detect", "cursors"), ("deliver", "deliveries")])
def test_a_failure_is_an_incident_until_the_next_call_succeeds(job: str, table: str, tmp_path: Path) -> None:
    config = tmp_path / "acrwatch.toml"
    config.write_text('[store]\npath = "lake"\ndatabase = "sqlite:///state.db"\n')
    call = ["--config", str(config), "-q", job, "--once"]
    with opened(Database(f"sqlite:///{tmp_path / 'state.db'}")) as database:
        database.migrate()
        _sql(database, f"ALTER TABLE {table} RENAME TO elsewhere")
        assert run(call) != 0
        assert list(_open(database)) == [f"job/{job}"]
        assert f"no such table: {table}" in _open(database)[f"job/{job}"]
        _sql(database, f"ALTER TABLE elsewhere RENAME TO {table}")
        assert run(call) == 0
        assert _open(database) == {}


def _sql(database: Database, statement: str) -> None:
    with database.begin() as connection:
        connection.execute(text(statement))


def _open(database: Database) -> dict[str, str]:
    with database.connect() as connection:
        return {incident.key: incident.message for incident in incidents.current(connection)}
