"""Which files can hold an address, identity or digest: told without opening one of them.

Opening a Parquet file and asking its Bloom filters costs DuckDB about a millisecond, and a lake has hundreds. So for
each ordered file a sorted list of short hashes of its values is kept: some 0.2 bytes an event. Among 30,000 hashes of
32 bits a value that the file lacks is found once in 140,000 times, which costs a look into the file and nothing else.

The lists are derived: where one is missing or damaged its file is read. They lie in `_lookup`, which engines that read
Delta pass over, as all folders that begin with an underscore.
"""

import logging
import os
import uuid
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.lake.durable import sync_folders
from storage.lake.snapshot import LakeFile

log = logging.getLogger(__name__)

# The columns that can be asked for. Their order is part of the format, as a seed of the hash.
KEY_COLUMNS: Final = ("ip_key", "identity", "digest")

_FOLDER: Final = "_lookup"
_SUFFIX: Final = ".keys"
_MAGIC: Final = b"acrkeys1"
_HEADER_BYTES: Final = len(_MAGIC) + 4  # then a CRC-32 of the rest, so that a torn list is no list

_Hashes = npt.NDArray[np.uint32]


def write_keys(root: Path, file: LakeFile, events: pa.Table) -> None:
    """Keep the hashes of a file's values, durable on return. Raises OSError."""
    found = [_hash(column, value) for column in KEY_COLUMNS for value in _values(events.column(column))]
    body = np.unique(np.array(found, "<u4")).tobytes()
    path = _path(root, file)
    made = not path.parent.exists()
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_suffix(f".{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as stream:
            stream.write(_MAGIC + zlib.crc32(body).to_bytes(4, "little") + body)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        sync_folders([path.parent, root] if made else [path.parent])
    finally:
        temporary.unlink(missing_ok=True)


def holding(root: Path, files: Iterable[LakeFile], column: str, value: str | bytes) -> list[LakeFile]:
    """Return the files that can hold this value, in their order: all that do, and very few that do not.

    `column` is one of KEY_COLUMNS; ValueError for any other. Never raises for what lies on the disk.
    """
    if column not in KEY_COLUMNS:
        raise ValueError(f"There are no keys of {column!r}, only of {', '.join(KEY_COLUMNS)}")
    asked = _hash(column, value.encode() if isinstance(value, str) else value)
    return [file for file in files if (known := _known(_path(root, file))) is None or _contains(known, asked)]


def remove_stray_keys(root: Path) -> int:
    """Delete the lists of files that are gone, and what a dead writer left; return how many. Raises OSError.

    Another process that is writing a list at that moment may see it fail, and puts its date in order another time.
    """
    present = {path.stem for path in root.glob("event_date=*/*.parquet")}
    stray = [path for path in (root / _FOLDER).glob("*") if path.suffix != _SUFFIX or path.stem not in present]
    for path in stray:
        path.unlink(missing_ok=True)
    return len(stray)


def _path(root: Path, file: LakeFile) -> Path:
    return root / _FOLDER / (Path(file.path).stem + _SUFFIX)


def _values(column: pa.ChunkedArray) -> Iterable[bytes]:
    present: Iterable[bytes] = pc.unique(column.drop_null()).cast(pa.binary()).to_pylist()
    return present


def _hash(column: str, value: bytes) -> int:
    return zlib.crc32(value, KEY_COLUMNS.index(column))


def _known(path: Path) -> _Hashes | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("cannot read %s, so its file is searched: %s", path, error)
        return None
    body = content[_HEADER_BYTES:]
    if content[:_HEADER_BYTES] != _MAGIC + zlib.crc32(body).to_bytes(4, "little") or len(body) % 4:
        log.warning("%s is damaged, so its file is searched", path)
        return None
    return np.frombuffer(body, "<u4")


def _contains(known: _Hashes, asked: int) -> bool:
    at = int(np.searchsorted(known, np.uint32(asked)))
    return at < len(known) and int(known[at]) == asked
