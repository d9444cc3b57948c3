"""Control-plane records as rows of the one table."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa

from acrwatch.core.model import Message
from ingest.batch import event_ids
from ingest.values import microseconds
from storage import activity
from storage.activity_row import ControlRecord, columns_of
from storage.schema import ARROW_SCHEMA


class ControlBatch:
    """Collects control-plane records. They are few: some microseconds more for each are nothing."""

    def __init__(self, ingested_at: datetime) -> None:
        self._ingested_at = ingested_at
        self._rows: list[dict[str, Any]] = []

    def add(self, message: Message, record: ControlRecord) -> None:
        """Take one record of a message."""
        known = {"event_id": _event_id(record), "ingested_at": self._ingested_at}
        self._rows.append({**columns_of(record), **known, **_position(message)})

    def joined(self, events: pa.Table) -> pa.Table:
        """Return these events and the rows taken, in one table of ARROW_SCHEMA."""
        if not self._rows:
            return events
        return pa.concat_tables([events, pa.Table.from_pylist(self._rows, ARROW_SCHEMA)])


def _event_id(record: ControlRecord) -> bytes:
    """Return the id of a record: the same from a hub, an archive or an export, if they tell the same time."""
    what = (
        activity.CATEGORY,
        record.resource_id.casefold().rstrip("/"),
        record.operation_name.casefold(),
        microseconds(record.time),
    )
    return event_ids([(*what, record.correlation_id, record.result, record.identity, record.caller_ip_address)])[0]


def _position(message: Message) -> Mapping[str, Any]:
    return {
        "source": message.stream,
        "partition_id": message.partition_id,
        "sequence_number": message.sequence_number,
        "enqueued_time": message.enqueued_time,
    }
