"""Which files were imported. Noted only after their rows are durable in the lake."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from storage.state.dialect import upsert_all
from storage.state.tables import files

# SQLite takes 999 parameters in a statement at the least.
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """One file, known by the SHA-256 of its content (hex), so that a moved or renamed file is not read twice.

    `size` is in bytes as it lies on disk; `records` counts what it holds.
    """

    sha256: str
    path: str
    size: int
    records: int


def finish(connection: Connection, imported: Sequence[ImportedFile], *, now: datetime) -> None:
    """Note that all of these files is stored."""
    # In one order everywhere, so that two PostgreSQL writers cannot wait for each other.
    rows = [
        {**asdict(one), "offset": one.size, "finished_at": now, "updated_at": now}
        for one in sorted(imported, key=lambda one: one.sha256)
    ]
    upsert_all(connection, files, rows, replace=["path", "offset", "records", "finished_at", "updated_at"])


def finished(connection: Connection, sizes: Collection[int]) -> set[str]:
    """Return the hashes of the finished files that have one of these sizes: all that a file of one can be."""
    wanted = sorted(set(sizes))
    found: set[str] = set()
    for first in range(0, len(wanted), _AT_ONCE):
        chosen = files.c.size.in_(wanted[first : first + _AT_ONCE]) & files.c.finished_at.is_not(None)
        found.update(connection.execute(select(files.c.sha256).where(chosen)).scalars())
    return found
