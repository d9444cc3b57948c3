"""`acrwatch.open`: what it finds, what it refuses, and that nothing is written by it or after it."""

import subprocess
import sys
import warnings
from datetime import datetime
from pathlib import Path

import pytest

import acrwatch
from acrwatch.core.errors import ConfigError, NotFoundError, StoreError
from acrwatch.notebook import Client
from tests.notebook.world import DELETING, EVENTS, NOW

HEAVY = ("pandas", "pyarrow", "duckdb", "numpy", "sqlalchemy", "deltalake", "altair", "acrwatch.notebook")


def test_importing_acrwatch_imports_nothing_heavy() -> None:
    """In a process of its own: this one has everything loaded."""
    code = f"import sys, acrwatch; sys.exit(', '.join(name for name in {HEAVY} if name in sys.modules) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_chart_library_is_imported_when_a_chart_is_asked_for() -> None:
    code = "import sys, acrwatch.notebook; sys.exit('altair' in sys.modules or 'maxminddb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_open_is_an_attribute_like_any_other() -> None:
    assert "open" in dir(acrwatch)
    with pytest.raises(AttributeError, match="has no attribute 'connect'"):
        acrwatch.connect  # noqa: B018


def test_where_there_is_no_lake_it_says_so_and_makes_none(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"there is no lake at .*nowhere"):
        acrwatch.open(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


def test_where_the_named_database_is_missing_it_says_so_and_makes_none(lake: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"there is no state database at .*gone\.db"):
        acrwatch.open(lake, database=f"sqlite:///{tmp_path}/gone.db")
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_something_else_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    from deltalake import write_deltalake

    write_deltalake(str(tmp_path / "other"), pa.table({"a": [1]}))
    with pytest.raises(StoreError, match="not of acrwatch events"):
        acrwatch.open(tmp_path / "other")


def test_a_configuration_passed_for_a_lake_is_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "acrwatch.toml"
    file.write_text("")
    with pytest.raises(ConfigError, match="is a file, not the folder of a lake"):
        acrwatch.open(file)


def test_the_configuration_says_where_everything_is(lake: Path, database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "acrwatch.toml"
    file.write_text(
        f'[store]\npath = "{lake}"\ndatabase = "{database_url}"\n'
        '[registries.contoso]\nallowed_ranges = ["198.51.100.0/24"]\n'
    )
    client = acrwatch.open(config=file, now=NOW)
    assert (len(client.events()), len(client.alerts())) == (len(EVENTS), 3)
    outside = client.rule("pull-outside-allowed-ranges")
    with pytest.warns(UserWarning, match="could not judge 1 of"):  # the one without an address
        assert len(outside.run(client.events())) == 0


def test_without_a_database_alerts_are_refused_and_events_are_not(lake: Path) -> None:
    client = acrwatch.open(lake)
    assert len(client.events()) == len(EVENTS)
    for asked in (client.alerts, lambda: client.alert("0"), lambda: client.sql("SELECT * FROM alerts")):
        with pytest.raises(ConfigError, match=r"no state database is known.*database="):
            asked()


def test_a_moment_without_a_zone_is_refused(lake: Path) -> None:
    with pytest.raises(ConfigError, match="has no zone"):
        acrwatch.open(lake, now=datetime(2026, 11, 22))  # noqa: DTZ001 - the mistake at hand


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file but those beside an SQLite database in which its readers and writers meet."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-shm", "-wal")))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_nothing_is_written_whatever_is_asked(client: Client, lake: Path) -> None:
    before = contents(lake.parent)
    events = client.events()
    client.alerts()
    alert = client.alert(DELETING.id)
    alert.events()
    alert.related()
    alert.around()
    client.sql("SELECT * FROM events, alerts LIMIT 1")
    client.rule("mass-delete").run(events)
    assert contents(lake.parent) == before


def test_what_it_is_is_said_without_secrets(lake: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = acrwatch.open(lake, database="postgresql+psycopg://me:hunter2@db.example/acr")
    assert "hunter2" not in repr(client)
    assert "db.example" in repr(client)
