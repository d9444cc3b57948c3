"""Which event ids the lake already holds: exact, by a small sorted index per date.

An index holds the first 8 of the 16 bytes of every id of one date (8 bytes an event: 8 MB for a day of a million).
A batch that hits none of them, the usual case, is proven new by it alone; a hit is settled by reading the whole ids.
"""

from collections import OrderedDict
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from acrwatch.core.errors import StoreError
from storage.lake.parquet import by_date, read_ids
from storage.lake.replay import Move
from storage.lake.snapshot import LakeFile

Prefixes = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

# 32 million ids are 256 MB: more than a month at a million events a day. Past it the date used least is forgotten
# and read again when it is needed.
MAX_IDS: Final = 32_000_000


def _prefixes(ids: pa.ChunkedArray) -> Prefixes:
    """Return the first 8 bytes of each 16-byte id."""
    if len(ids) == 0:
        return np.empty(0, np.uint64)
    fixed = ids.combine_chunks().cast(pa.binary(16))
    words = np.frombuffer(fixed.buffers()[1], np.uint64)[2 * fixed.offset : 2 * (fixed.offset + len(fixed))]
    return words[::2]


class Held(Protocol):
    """Whatever knows the files of a version: a snapshot, a replay of the log."""

    def between(self, first: date, last: date) -> list[LakeFile]:
        """Return the files of these UTC dates, both included."""


class _Index:
    """Sorted runs, merged while the last two are of like size, so that adding costs O(log n) merges."""

    def __init__(self) -> None:
        self.runs: list[Prefixes] = []
        self.paths: set[str] = set()

    def __len__(self) -> int:
        return sum(len(run) for run in self.runs)

    def add(self, prefixes: Prefixes) -> None:
        self.runs.append(np.sort(prefixes))
        while len(self.runs) > 1 and len(self.runs[-2]) < 2 * len(self.runs[-1]):
            last = self.runs.pop()
            merged = np.concatenate([self.runs[-1], last])
            merged.sort(kind="stable")  # timsort-like on two sorted runs: linear
            self.runs[-1] = merged

    def hits(self, prefixes: Prefixes) -> Mask:
        found = np.zeros(len(prefixes), np.bool_)
        for run in self.runs:
            if len(run):
                at = np.searchsorted(run, prefixes)
                at[at == len(run)] = 0
                found |= run[at] == prefixes
        return found


class SeenIds:
    """The ids of the dates a writer has touched. Belongs to one writer; not thread-safe."""

    def __init__(self, root: Path, *, max_ids: int = MAX_IDS) -> None:
        self._root = root
        self._max_ids = max_ids
        self._dates: OrderedDict[date, _Index] = OrderedDict()

    def fresh(self, events: pa.Table, held: Held) -> pa.Table:
        """Return the rows whose id is neither held nor earlier in the same table."""
        kept = []
        for day, rows in by_date(events):
            ids = rows.column("event_id")
            prefixes = _prefixes(ids)
            index = self._index(day, held)
            suspects = index.hits(prefixes)
            _, first = np.unique(prefixes, return_index=True)
            if suspects.any() or len(first) < len(prefixes):
                rows = rows.filter(pa.array(self._settle(ids, suspects, held.between(day, day))))
            kept.append(rows)
        return kept[0] if len(kept) == 1 else pa.concat_tables(kept) if kept else events

    def learn(self, events: pa.Table, files: list[LakeFile]) -> None:
        """Take in the rows just committed in these files."""
        for day, rows in by_date(events):
            index = self._dates.get(day)
            if index is not None:
                index.add(_prefixes(rows.column("event_id")))
                index.paths.update(file.path for file in files if file.date == day)

    def follow(self, moves: Iterable[Move]) -> None:
        """Keep what is known of rows that only moved: to read a date anew after each compaction grows with the date.

        An index may well hold more than the lake does, since whatever it hits is settled by reading.
        """
        for move in moves:
            if (index := self._dates.get(move.day)) is not None:
                gone = {file.path for file in move.gone}
                try:
                    unknown = [file for file in move.gone if file.path not in index.paths]
                    index.add(_prefixes(read_ids(self._root, unknown)))
                except (FileNotFoundError, StoreError):  # swept; and a damaged one concerns nobody any more
                    del self._dates[move.day]
                index.paths = (index.paths - gone) | {file.path for file in move.come}

    def _index(self, day: date, held: Held) -> _Index:
        live = held.between(day, day)
        paths = {file.path for file in live}
        index = self._dates.get(day)
        if index is None or index.paths - paths:  # first touch, or rows left by a way unknown: read the date anew
            index = self._dates[day] = _Index()
        self._dates.move_to_end(day)
        unknown = [file for file in live if file.path not in index.paths]
        if unknown:
            index.add(_prefixes(read_ids(self._root, unknown)))
        index.paths = paths
        while len(self._dates) > 1 and sum(map(len, self._dates.values())) > self._max_ids:
            self._dates.popitem(last=False)
        return index

    def _settle(self, ids: pa.ChunkedArray, suspects: Mask, files: list[LakeFile]) -> Mask:
        """Decide row by row, with whole ids, which rows to keep."""
        keep = _firsts(ids)
        if suspects.any():
            stored = read_ids(self._root, files)
            known = stored.filter(pc.is_in(stored, ids.filter(pa.array(suspects))))
            keep &= ~pc.is_in(ids, known).to_numpy()
        return keep


def _firsts(ids: pa.ChunkedArray) -> Mask:
    """Return which rows are the first of their id: codes are given in the order in which values appear."""
    codes = ids.combine_chunks().dictionary_encode().indices.to_numpy()
    new: Mask = np.ones(len(codes), np.bool_)
    new[1:] = codes[1:] > np.maximum.accumulate(codes)[:-1]
    return new
