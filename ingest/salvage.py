"""One message, record by record: what fits as structs, the rest member by member, each on its own merits."""

from typing import Any, Final

from acrwatch.core.model import Message
from ingest.activity.rows import ControlBatch
from ingest.batch import EventBatch
from ingest.envelope import Damage, unwrap
from ingest.fast_columns import Columns, Horizon
from ingest.memo import Memo
from ingest.rows import PLACE, Row, UnfitError
from ingest.table_rows import ExportedRow, TableReader, decode_row
from ingest.tally import Tally
from ingest.tolerant import read_record
from ingest.values import EPOCH, MICROSECOND, Resource, microseconds
from ingest.wire import WireReader, WireRecord, decode_record
from storage.activity_row import ControlRecord

CHUNK_RECORDS: Final = 8_192
"""Records of one message that wait as Python objects, some 3 KB each, before they become columns."""


class Salvage:
    """Judges the records of messages that did not fit as a whole. Rows may come in another order than records."""

    def __init__(
        self,
        readers: tuple[WireReader, TableReader],
        resources: Memo[Resource],
        horizon: Horizon,
        *,
        events: EventBatch,
        control: ControlBatch,
        tally: Tally,
    ) -> None:
        self._reader, self._table_reader = readers
        self._resources = resources
        self._horizon = horizon
        self._events = events
        self._control = control
        self._tally = tally
        self._fitting: list[tuple[int, bytes, WireRecord]] = []
        self._fitting_rows: list[tuple[int, bytes, ExportedRow]] = []
        self._rows: list[Row] = []

    def take(self, message: Message) -> None:
        """Turn one message into events, rejects and skip counts."""
        for ordinal, piece in enumerate(unwrap(message.body)):
            if self._tally.hopeless():
                break
            if isinstance(piece, Damage):
                place = -1 if piece.whole else ordinal
                self._tally.reject(message, place, piece.reason, piece.detail, piece.body)
                continue
            if (record := decode_record(piece)) is not None:
                self._fitting.append((ordinal, piece, record))
            elif (row := decode_row(piece)) is not None:
                self._fitting_rows.append((ordinal, piece, row))
            else:
                self._read(message, ordinal, piece)
            if len(self._fitting) + len(self._fitting_rows) + len(self._rows) >= CHUNK_RECORDS:
                self._settle(message)
        self._settle(message)
        self._tally.close(message)

    def _settle(self, message: Message) -> None:
        records = [record for _, _, record in self._fitting]
        self._add(message, self._fitting, self._reader.columns(records, self._horizon))
        rows = [row for _, _, row in self._fitting_rows]
        self._add(message, self._fitting_rows, self._table_reader.columns(rows, self._horizon))
        if self._rows:
            self._events.add(message, list(zip(*self._rows, strict=True)))
            self._rows.clear()

    def _add(self, message: Message, fitting: list[tuple[int, bytes, Any]], columns: Columns | None) -> None:
        """Take what fits as columns, or each of them by itself where there are none."""
        if columns is None:
            for ordinal, piece, _ in fitting:
                self._read(message, ordinal, piece)
        else:
            self._events.add(message, columns)
        fitting.clear()

    def _read(self, message: Message, ordinal: int, piece: bytes) -> None:
        try:
            row = read_record(piece)
            if isinstance(row, ControlRecord):
                row = self._timely(microseconds(row.time)) or row
            elif not isinstance(row, str):
                row = self._judged(row)
        except UnfitError as error:
            self._tally.reject(message, ordinal, error.reason, error.detail, piece)
            return
        if isinstance(row, str):
            self._tally.skip(row)
        elif isinstance(row, ControlRecord):
            self._control.add(message, row)
        else:
            self._rows.append(row)

    def _judged(self, row: Row) -> Row | str:
        """Return the row, or `expired`; raise UnfitError where its registry or its time cannot be."""
        self._resources[row[PLACE["resource_id"]]]
        return self._timely(row[PLACE["event_time"]]) or row

    def _timely(self, time: int) -> str | None:
        """Return the counter of a time that is too old, None for one that is right; raise UnfitError for the future."""
        if time > self._horizon.latest:
            moment = EPOCH + time * MICROSECOND
            raise UnfitError("time_in_future", f"time {moment.isoformat()} lies more than a day ahead of our clock")
        return "expired" if time < self._horizon.earliest else None
