"""Opening a lake only to read it: nothing is created, mended or amended, so a read-only disk will do."""

from pathlib import Path

from acrwatch.core.errors import NotFoundError, StoreError
from storage.lake.entries import log_folder
from storage.lake.handle import open_table
from storage.lake.place import lake_root
from storage.lake.snapshot import Snapshot, snapshot_of
from storage.schema import PARTITION_COLUMN


def read_snapshot(path: str | Path) -> Snapshot:
    """Return the files of the newest version of the lake at `path`.

    Raises NotFoundError where there is no lake, StoreError where it cannot be read or is a table of something else.
    """
    root = lake_root(path)
    if not log_folder(root).is_dir():
        raise NotFoundError(
            f"there is no lake at {root}",
            remedy="Name the folder that store.path names, or bring events in with `acrwatch run` or `acrwatch import`",
        )
    table = open_table(root)
    names = {field.name for field in table.schema().fields}
    if PARTITION_COLUMN not in names or "event_id" not in names:
        raise StoreError(f"{root} is a Delta table, but not of acrwatch events", remedy="Name the folder of store.path")
    return snapshot_of(root, table)
