"""Closed dates in an order by which everything about one address, identity or digest lies close together.

The order is a Z curve over the ranks of three columns, of which the address comes first. The z-order of delta-rs 1.6.3
keeps no Bloom filters, and takes values by their bytes; ranks halve the rows with every bit. Row groups keep minimum,
maximum and a Bloom filter of these columns, and readers such as DuckDB pass over groups that cannot hold what is asked
for. Which group a row is in decides that; within one, rows stand by time, which saves 3 bytes an event.

A file of this kind is known by its name, so that a date is put in order once, and again only after enough came late.
"""

import logging
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from acrwatch.core.errors import ConflictError, StoreError
from storage.lake.compaction import UNFINISHED
from storage.lake.durable import sync_file, sync_folders
from storage.lake.exchange import exchange
from storage.lake.handle import fence_of, open_table
from storage.lake.keys import KEY_COLUMNS, remove_stray_keys, write_keys
from storage.lake.parquet import DICTIONARY, remove, statistics
from storage.lake.snapshot import LakeFile, Snapshot, total_rows
from storage.lake.table import Lake
from storage.schema import ARROW_SCHEMA, PARTITION_COLUMN, STATISTICS_COLUMNS

log = logging.getLogger(__name__)

# Records reach us typically within 20 minutes and at the outside within 24 hours; half a day on top.
CLOSED_AFTER: Final = timedelta(hours=36)

# Smaller groups prune better and compress worse: 16,384 rows take 2.7 bytes an event more. DuckDB decodes only the
# pages that hold rows it wants, so rows lie along the curve page by page; were whole groups in order of time, an
# address would take twice as long to look up, for 0.7 bytes an event less. Pages of 2,048 rows take 1.9 more in vain.
ROW_GROUP: Final = 32_768
_PAGE_ROWS: Final = 8_192

# A smaller date is not worth a list of keys either.
WORTH_ROWS: Final = ROW_GROUP // 4

# What is sorted at once; about 1.2 KB of memory a row.
_PORTION_ROWS: Final = 1_000_000

# A date is put in order again when this share of its rows came after the last time.
_LOOSE_SHARE: Final = 0.05

_PREFIX: Final = "clustered-"
_LOOKED_UP: Final = (*KEY_COLUMNS, "caller_ip")
# 8 KB a filter, the size that 4,096 distinct values at 1 % need. Groups rarely hold more addresses; of digests a
# few thousand more raise it to some 5 %.
_BLOOM: Final = {"ndv": 4_096, "fpp": 0.01}
# 4.4 bytes an event less than the defaults: ids without a length each, rising numbers by their differences.
_ENCODING: Final = dict.fromkeys(("event_id", "correlation_id", "jwt_id"), "DELTA_LENGTH_BYTE_ARRAY") | dict.fromkeys(
    ("event_time", "enqueued_time", "ingested_at", "sequence_number"), "DELTA_BINARY_PACKED"
)
_RANK_BITS: Final = 16
# So many bits of the address come before all others: an address is what is asked for most. With them 40 events of an
# attacker among 500,000 lie in one or two row groups, without them in three or four; busy digests in all of them.
_ADDRESS_BITS: Final = 4
_TRIES: Final = 50
_Ranks = npt.NDArray[np.uint64]
_STORED: Final = ARROW_SCHEMA.remove(ARROW_SCHEMA.get_field_index(PARTITION_COLUMN))


def is_clustered(file: LakeFile) -> bool:
    """Tell by its name whether a file is in the order of this module."""
    return Path(file.path).name.startswith(_PREFIX)


def due(snapshot: Snapshot, *, now: datetime, closed_after: timedelta = CLOSED_AFTER) -> list[date]:
    """Return the closed dates worth putting in order, oldest first.

    A date is closed when it ended, and got its newest file, at least `closed_after` ago. Dates of less than WORTH_ROWS
    are left alone.
    """
    dates: dict[date, list[LakeFile]] = defaultdict(list)
    for file in snapshot.files:
        dates[file.date].append(file)
    return [
        day
        for day, files in sorted(dates.items())
        if _end(day) <= now - closed_after and _worthwhile(files) and _quiet(snapshot.root, files, now - closed_after)
    ]


def _end(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), UTC)


def _worthwhile(files: Sequence[LakeFile]) -> bool:
    rows = total_rows(files)
    loose = total_rows(file for file in files if not is_clustered(file))
    return rows >= WORTH_ROWS and loose > rows * _LOOSE_SHARE


def _quiet(root: Path, files: Sequence[LakeFile], since: datetime) -> bool:
    try:
        return all((root / file.path).stat().st_mtime <= since.timestamp() for file in files)
    except FileNotFoundError:
        return False


def cluster(lake: Lake, day: date) -> tuple[int, int]:
    """Put a date in order, a million rows at a time; return how many files were removed and added.

    Durable on return; rows, ids and positions stay. Raises ConflictError where others rewrote the same files
    (harmless), StoreError where the disk refuses or a file cannot be read; nothing has changed then.
    """
    table = open_table(lake.root)
    gone = _portion(lake.snapshot_of(table).between(day, day))
    try:
        events = _read(lake.root, gone)
        if events.num_rows != total_rows(gone):
            raise StoreError(f"The log says {total_rows(gone)} rows for {day}; its files hold {events.num_rows}")
        made = _write(lake.root, day, events.take(_order(events)))
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"Cannot put {day} of {lake.root} in order: {error}", remedy=UNFINISHED) from error
    try:
        _commit(lake, gone, made, statistics(events), fence_of(table))
    except (ConflictError, StoreError):
        remove(lake.root, [made])
        raise
    _tidy(lake.root)
    return len(gone), 1


def _tidy(root: Path) -> None:
    try:
        remove_stray_keys(root)
    except OSError as error:
        log.warning("lists of keys that nothing needs stay in %s: %s", root, error)


def _commit(lake: Lake, gone: Sequence[LakeFile], made: LakeFile, stats: str, fence: str | None) -> None:
    """Exchange the files, as often as appends come in between, unless somebody took them or a sweep began."""
    for _ in range(_TRIES):
        table = open_table(lake.root)
        if fence_of(table) != fence or not set(gone) <= set(lake.snapshot_of(table).files):
            break
        try:
            exchange(lake.root, table.version(), gone, {made: stats}, operation="OPTIMIZE", rows_change=False)
        except ConflictError:
            continue
        return
    raise ConflictError(f"Another process rewrote {made.date} of {lake.root}")


def _portion(files: Sequence[LakeFile]) -> list[LakeFile]:
    if total_rows(files) <= _PORTION_ROWS:
        return list(files)
    taken: list[LakeFile] = []
    for file in files:
        if not is_clustered(file) and (not taken or total_rows(taken) + file.rows <= _PORTION_ROWS):
            taken.append(file)
    return taken


def _read(root: Path, files: Sequence[LakeFile]) -> pa.Table:
    parts = []
    for file in files:
        part = pq.read_table(root / file.path, partitioning=None)
        if unknown := set(part.column_names) - set(_STORED.names):
            raise StoreError(
                f"{file.path} holds columns that this version does not know: {', '.join(sorted(unknown))}",
                remedy="Let the newest acrwatch that writes to this lake look after it",
            )
        columns = [
            part.column(field.name).cast(field.type) if field.name in part.column_names
            else pa.nulls(part.num_rows, field.type)
            for field in _STORED
        ]  # fmt: skip
        parts.append(pa.table(columns, schema=_STORED))
    return pa.concat_tables(parts)


def _order(events: pa.Table) -> pa.Array:
    """Return the rows' order: pages along the curve, each by time."""
    curve = np.zeros(events.num_rows, np.uint64)
    ranks = [_ranks(events.column(name)) for name in KEY_COLUMNS]
    for target, (rank, bit) in enumerate(reversed(list(_turns(ranks)))):
        curve |= ((rank >> np.uint64(bit)) & np.uint64(1)) << np.uint64(target)
    times = events.column("event_time").cast(pa.int64()).to_numpy()
    order = np.lexsort((times, curve))
    return pa.array(order[np.lexsort((times[order], np.arange(len(order)) // _PAGE_ROWS))])


def _turns(ranks: Sequence[_Ranks]) -> Iterator[tuple[_Ranks, int]]:
    """Yield the bits that make up a place on the curve, from the one that weighs most."""
    high = range(_RANK_BITS - 1, -1, -1)
    address = iter(high)
    for bit in islice(address, _ADDRESS_BITS):
        yield ranks[0], bit
    for other in high:
        yield from ((ranks[0], bit) for bit in islice(address, 1))
        yield from ((rank, other) for rank in ranks[1:])


def _ranks(column: pa.ChunkedArray) -> _Ranks:
    """Return each value's place among the rows, scaled to 16 bits: equal values share one, absent ones come last."""
    ranks = pc.rank(column, sort_keys="ascending", tiebreaker="min").to_numpy().astype(np.uint64)
    scaled: _Ranks = (ranks - np.uint64(1)) * np.uint64(1 << _RANK_BITS) // np.uint64(len(column))
    return scaled


def _write(root: Path, day: date, events: pa.Table) -> LakeFile:
    folder = root / f"{PARTITION_COLUMN}={day.isoformat()}"
    path = folder / f"{_PREFIX}{uuid.uuid4().hex}.parquet"
    try:
        pq.write_table(
            events,
            path,
            compression="zstd",
            compression_level=1,  # level 3 takes more here, by 0.9 bytes an event
            row_group_size=ROW_GROUP,
            max_rows_per_page=_PAGE_ROWS,
            use_dictionary=[name for name in DICTIONARY if name not in _ENCODING],
            column_encoding=_ENCODING,
            write_statistics=[*STATISTICS_COLUMNS, *_LOOKED_UP],
            bloom_filter_options=dict.fromkeys(_LOOKED_UP, _BLOOM),
            store_schema=False,
        )
        sync_file(path)
        sync_folders([folder])
        made = LakeFile(str(path.relative_to(root)), day, events.num_rows, path.stat().st_size)
        write_keys(root, made, events)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return made
