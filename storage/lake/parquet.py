"""Events into Parquet files, one per date, with the statistics that Delta keeps about them."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from acrwatch.core.errors import StoreError
from storage.lake.durable import sync_file, sync_folders
from storage.lake.snapshot import LakeFile
from storage.schema import ARROW_SCHEMA, COLUMNS, PARTITION_COLUMN, STATISTICS_COLUMNS

# zstd level 1 gives the size of level 3 (51.7 against 51.3 bytes per record) at 1.35 times its speed.
_COMPRESSION: Final = ("zstd", 1)

# As many as DuckDB's own groups: its threads share a file by groups of rows, and the conditions of all rules are judged
# while new files are read. The file grows by nothing.
_ROW_GROUP: Final = 122_880

# A dictionary only costs where nearly every value is new.
_UNIQUE: Final = {"event_id", "correlation_id", "jwt_id", "event_time", "duration_ms", "extra"}
DICTIONARY: Final = [c.name for c in COLUMNS if c.name not in _UNIQUE and c.name != PARTITION_COLUMN]


# A file that holds no longer what was written cannot be read again by waiting.
GIVE_UP: Final = "Restore the file from a backup; or run acrwatch db verify --repair, which gives its rows up"

_REQUIRED: Final = [c.name for c in COLUMNS if c.required]
_ID_BYTES: Final = 16


class DamagedFileError(StoreError):
    """A data file does not hold what was written."""


def check_rows(events: pa.Table) -> None:
    """Raise ValueError unless the table has the schema, all required values and ids of 16 bytes."""
    if not events.schema.equals(ARROW_SCHEMA):
        raise ValueError(f"Events must have ARROW_SCHEMA, not {events.schema}")
    missing = [name for name in _REQUIRED if events.column(name).null_count]
    if missing:
        raise ValueError(f"Events lack required values in {', '.join(missing)}")
    if not _ids_fit(events.column("event_id")):
        raise ValueError(f"An event id must have {_ID_BYTES} bytes")


def by_date(events: pa.Table) -> Iterator[tuple[date, pa.Table]]:
    """Split a table by `event_date`; rows keep their order. The usual batch of one date is not copied."""
    dates = events.column(PARTITION_COLUMN)
    found = sorted(pc.unique(dates).to_pylist())
    for day in found:
        yield day, events if len(found) == 1 else events.filter(pc.equal(dates, pa.scalar(day, pa.date32())))


def write_events(root: Path, day: date, events: pa.Table) -> LakeFile:
    """Write one date's events to a new file, durable before return, invisible until a commit names it."""
    folder = root / f"{PARTITION_COLUMN}={day.isoformat()}"
    made = not folder.exists()
    folder.mkdir(exist_ok=True)
    path = folder / f"{uuid.uuid4().hex}.parquet"
    try:
        pq.write_table(
            events.drop_columns([PARTITION_COLUMN]),
            path,
            compression=_COMPRESSION[0],
            compression_level=_COMPRESSION[1],
            row_group_size=_ROW_GROUP,
            use_dictionary=DICTIONARY,
            write_statistics=list(STATISTICS_COLUMNS),
            store_schema=False,
        )
        sync_file(path)
        sync_folders([folder, root] if made else [folder])
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return LakeFile(str(path.relative_to(root)), day, events.num_rows, path.stat().st_size)


def statistics(events: pa.Table) -> str:
    """Return Delta's per-file statistics: row count, minimum and maximum of the columns that queries prune by."""
    extremes = {name: pc.min_max(events.column(name)).as_py() for name in STATISTICS_COLUMNS}
    return json.dumps(
        {
            "numRecords": events.num_rows,
            "minValues": {name: _plain(found["min"]) for name, found in extremes.items()},
            "maxValues": {name: _plain(found["max"]) for name, found in extremes.items()},
            "nullCount": {name: events.column(name).null_count for name in STATISTICS_COLUMNS},
        }
    )


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value


def read_ids(root: Path, files: list[LakeFile]) -> pa.ChunkedArray:
    """Return the `event_id` column of these files.

    Raises FileNotFoundError when one of them was swept away: reload the snapshot; DamagedFileError where one holds no
    longer what was written; StoreError where the disk refuses.
    """
    chunks: list[pa.Array] = []
    for file in files:
        try:
            column = pq.read_table(root / file.path, columns=["event_id"], partitioning=None).column("event_id")
        except FileNotFoundError:
            raise
        except (OSError, pa.ArrowInvalid, pa.ArrowKeyError, pa.ArrowNotImplementedError, KeyError) as error:
            said = f"Cannot read event ids from {root / file.path}: {str(error).strip().rstrip('.')}"
            if isinstance(error, OSError) and error.errno is not None:
                raise StoreError(said, remedy="Check the disk, and who may read the file") from error
            raise DamagedFileError(said, remedy=GIVE_UP) from error  # what Arrow cannot make sense of has no errno
        chunks.extend(column.cast(pa.binary()).chunks)  # another writer may use another flavour of binary
    ids = pa.chunked_array(chunks, type=pa.binary())
    if not _ids_fit(ids):
        raise StoreError(
            f"{root} holds event ids that are not {_ID_BYTES} bytes long", remedy="Did others write to it?"
        )
    return ids


def _ids_fit(ids: pa.ChunkedArray) -> bool:
    fit: bool = pc.all(pc.equal(pc.binary_length(ids), _ID_BYTES), min_count=0).as_py()
    return fit


def remove(root: Path, files: list[LakeFile]) -> None:
    """Delete files that no commit came to name."""
    for file in files:
        (root / file.path).unlink(missing_ok=True)


def modification_time(root: Path, file: LakeFile) -> int:
    """Milliseconds since 1970, as Delta's add action wants it."""
    return int((root / file.path).stat().st_mtime * 1000)
