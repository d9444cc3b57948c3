"""How far each imported file has been read. Advanced only after the rows are durable in the lake."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from acrwatch.core.errors import NotFoundError
from storage.state.dialect import upsert
from storage.state.tables import files


@dataclass(frozen=True, slots=True)
class FileProgress:
    """One file, known by the SHA-256 of its content, so that a moved or renamed file is not read twice.

    `offset` is in bytes of the file as it lies on disk, or whatever unit the reader resumes by; `records` counts the
    records before it. `finished_at` is set once the whole file is stored.
    """

    sha256: str
    path: str
    size: int
    offset: int
    records: int
    finished_at: datetime | None
    updated_at: datetime


def find(connection: Connection, sha256: str) -> FileProgress | None:
    """Return how far the file with this content has been read, or None where it was never begun."""
    row = connection.execute(select(files).where(files.c.sha256 == sha256)).mappings().one_or_none()
    return None if row is None else FileProgress(**row)


def advance(
    connection: Connection, sha256: str, *, path: str, size: int, offset: int, records: int, now: datetime
) -> None:
    """Note that everything before `offset` is durable. Begins the file's entry on first use."""
    row = {
        "sha256": sha256,
        "path": path,
        "size": size,
        "offset": offset,
        "records": records,
        "finished_at": None,
        "updated_at": now,
    }
    upsert(connection, files, row, replace=["path", "offset", "records", "updated_at"])


def finish(connection: Connection, sha256: str, *, now: datetime) -> None:
    """Note that the whole file is stored. Raises NotFoundError for a file that was never advanced."""
    changed = connection.execute(update(files).where(files.c.sha256 == sha256).values(finished_at=now, updated_at=now))
    if changed.rowcount == 0:
        raise NotFoundError(f"no file with SHA-256 {sha256} is in the ledger", remedy="Advance it first")
