"""The lake: one Delta table of events, written by compare-and-swap, read through DuckDB."""

from storage.lake.snapshot import LakeFile, Snapshot
from storage.lake.table import Commit, Lake

__all__ = ["Commit", "Lake", "LakeFile", "Snapshot"]
