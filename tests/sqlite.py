"""SQLite databases of state for tests: copies of one file, for making the tables takes longer than most tests."""

import tempfile
from functools import cache
from pathlib import Path

from storage.state.database import Database


def database_in(file: Path) -> Database:
    """Return the database in this file; where there is none, one with every table and no rows."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_empty())
    return Database(f"sqlite:///{file}")


@cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory(prefix="acrwatch-tests-") as folder:
        file = Path(folder) / "state.db"
        database = Database(f"sqlite:///{file}")
        database.migrate()
        database.close()
        return file.read_bytes()
