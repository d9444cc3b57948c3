"""Reading a state database from a notebook changes no byte of it, whatever it is and whoever writes to it meanwhile."""

import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import acrwatch
from acrwatch.core.errors import AcrWatchError, ConfigError, StateUnavailableError
from acrwatch.notebook import Client
from storage.state.alerts import insert_alert
from storage.state.database import Database
from tests.notebook.world import ALERTS, DELETING, NOW

ROOT = Path(__file__).parents[2]
# Root may write anywhere, so somebody else asks, in a process of its own: who must not need to import anything by then.
ASK = """
import os, sys
from acrwatch.core.errors import AcrWatchError
from storage.state.alerts import find
from storage.state.database import Database

database = Database("sqlite:///" + sys.argv[1], read_only=True)
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    with database.connect() as connection:
        print(len(find(connection)))
except AcrWatchError as error:
    print(error)
"""


@pytest.fixture
def backup(database_url: str, tmp_path: Path) -> Path:
    """A copy as VACUUM INTO makes it: its header says no WAL."""
    source = sqlite3.connect(database_url.removeprefix("sqlite:///"))
    source.execute("VACUUM INTO ?", (str(tmp_path / "backup.db"),))
    source.close()
    return tmp_path / "backup.db"


def opened(lake: Path, file: Path) -> Client:
    return acrwatch.open(lake, database=f"sqlite:///{file}", now=NOW)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody may look into; pytest's are its user's alone."""
    with tempfile.TemporaryDirectory(prefix="acrwatch-tests-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def ask_as_nobody(file: Path) -> str:
    """Ask as a user who may read the file, and its folder, and write neither."""
    for one in file.parent.iterdir():
        one.chmod(0o644)
    file.parent.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(file)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    file.parent.chmod(0o755)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def contents(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}


def test_a_backup_stays_as_it_is(lake: Path, backup: Path) -> None:
    before = contents(backup.parent)
    assert backup.read_bytes()[18:20] == b"\x01\x01"
    client = opened(lake, backup)
    assert len(client.alerts()) == len(ALERTS)
    client.alert(DELETING.id)
    client.sql("SELECT * FROM alerts")
    client.rule("mass-delete").run(client.events())
    assert contents(backup.parent) == before


def test_every_other_reader_leaves_a_backup_as_it_is_too(backup: Path) -> None:
    before = backup.read_bytes()
    database = Database(f"sqlite:///{backup}")
    with database.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM alerts").scalar_one() == len(ALERTS)
    database.close()
    assert backup.read_bytes() == before
    database.migrate()  # as a service does that goes on with it
    database.close()
    assert backup.read_bytes()[18:20] == b"\x02\x02"


@pytest.mark.parametrize("content", ["empty", "foreign", "text"])
def test_what_is_no_state_database_is_refused_and_kept(lake: Path, tmp_path: Path, content: str) -> None:
    file = tmp_path / "other.db"
    if content == "foreign":
        other = sqlite3.connect(file)
        other.execute("CREATE TABLE theirs (a)")
        other.commit()
        other.close()
    else:
        file.write_bytes(b"" if content == "empty" else b"not a database" * 100)
    before = contents(tmp_path)
    client = opened(lake, file)
    said = {"empty": "it is an empty file", "foreign": "it is a database of something else", "text": "is not an SQLite"}
    for asked in (client.alerts, lambda: client.alert("0"), lambda: client.sql("SELECT * FROM alerts")):
        with pytest.raises(ConfigError, match=said[content]):
            asked()
    assert contents(tmp_path) == before


def test_what_a_service_writes_meanwhile_is_read_by_the_next_call(lake: Path, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/state.db")
    database.migrate()
    client = opened(lake, tmp_path / "state.db")
    for number in range(1, 6):
        with database.begin() as connection:
            insert_alert(connection, replace(DELETING, id=f"{number:020x}"))
            assert len(client.alerts()) == number - 1  # neither waits for the other
        assert len(client.alerts()) == number
    size = (tmp_path / "state.db").stat().st_size
    database.close()
    assert len(client.alerts()) == 5
    assert (tmp_path / "state.db").stat().st_size > size  # what was read lay in the log, and the writer moved it


def test_changes_that_wait_in_the_log_stay_there(lake: Path, tmp_path: Path) -> None:
    """A reader who takes part would move them into the file as it closes: here the writer died before."""
    database = Database(f"sqlite:///{tmp_path}/live/state.db")
    database.migrate()
    with database.begin() as connection:
        insert_alert(connection, DELETING)
    shutil.copytree(tmp_path / "live", tmp_path / "dead")
    database.close()
    file = tmp_path / "dead" / "state.db"
    before = {one.name: one.read_bytes() for one in (file, Path(f"{file}-wal"))}
    client = opened(lake, file)
    assert len(client.alerts()) == 1
    assert client._stored.database is not None
    client._stored.database.close()
    assert {name: (file.parent / name).read_bytes() for name in before} == before


def test_a_live_database_is_read_by_one_who_may_not_write(public: Path) -> None:
    database = Database(f"sqlite:///{public}/state.db")
    database.migrate()
    with database.begin() as connection:
        insert_alert(connection, DELETING)
    assert ask_as_nobody(public / "state.db") == "1"
    database.close()
    before = contents(public)
    assert ask_as_nobody(public / "state.db") == "1"
    assert contents(public) == before
    assert list(before) == ["state.db"]


def test_a_copy_without_what_waits_in_its_log_is_not_read_by_halves(public: Path) -> None:
    database = Database(f"sqlite:///{public}/state.db")
    database.migrate()
    with database.begin() as connection:
        insert_alert(connection, DELETING)
    copy = public / "copy" / "state.db"
    copy.parent.mkdir()
    copy.parent.chmod(0o755)
    for end in ("", "-wal"):
        shutil.copy(public / f"state.db{end}", f"{copy}{end}")
    database.close()
    assert "changes wait in state.db-wal, and its folder is read-only" in ask_as_nobody(copy)


def test_a_database_to_read_refuses_to_be_written(backup: Path) -> None:
    before = backup.read_bytes()
    database = Database(f"sqlite:///{backup}", read_only=True)
    with pytest.raises(StateUnavailableError, match="is read-only"), database.begin() as connection:
        insert_alert(connection, replace(DELETING, id="f" * 20))
    with pytest.raises(AcrWatchError), database.connect() as connection:
        insert_alert(connection, replace(DELETING, id="f" * 20))
    assert backup.read_bytes() == before
