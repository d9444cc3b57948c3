"""How far each blob of a storage archive has been read. Advanced only after the rows are durable in the lake."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from storage.state.dialect import upsert_all
from storage.state.tables import blobs

# SQLite takes 999 parameters in a statement at the least.
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class BlobProgress:
    """One blob, known by `name`: account, container and path.

    Everything before `offset` (bytes) is durable; `records` counts it. `tail_sha256` is the hash of the last
    `tail_length` bytes before `offset`, by which a blob that was replaced is told from one that grew. `etag` names the
    version that was read as far as it can be; empty while there is more of it.
    """

    name: str
    offset: int
    records: int
    tail_length: int
    tail_sha256: str
    etag: str


def find(connection: Connection, names: Sequence[str]) -> Mapping[str, BlobProgress]:
    """Return how far these blobs have been read, by name; one that was never begun is not among them."""
    keys = [_key(name) for name in names]
    found: dict[str, BlobProgress] = {}
    for first in range(0, len(keys), _AT_ONCE):
        chosen = select(
            blobs.c.name, blobs.c.offset, blobs.c.records, blobs.c.tail_length, blobs.c.tail_sha256, blobs.c.etag
        ).where(blobs.c.key.in_(keys[first : first + _AT_ONCE]))
        found.update({row.name: BlobProgress(*row) for row in connection.execute(chosen)})
    return found


def advance(connection: Connection, progress: Iterable[BlobProgress], *, now: datetime) -> None:
    """Replace what is known of each of these blobs."""
    # In one order everywhere, so that two PostgreSQL writers cannot wait for each other.
    ordered = sorted(progress, key=lambda one: one.name)
    rows = [{**asdict(one), "key": _key(one.name), "updated_at": now} for one in ordered]
    changing = ["offset", "records", "tail_length", "tail_sha256", "etag", "updated_at"]
    upsert_all(connection, blobs, rows, replace=changing)


def _key(name: str) -> str:
    """Return what a blob is found by: a path has up to 1,024 characters, too many for an index."""
    return hashlib.sha256(name.encode()).hexdigest()
