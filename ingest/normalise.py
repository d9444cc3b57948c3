"""Messages in, events and rejects out: the whole decode path behind one method."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

import pyarrow as pa

from acrwatch.core.model import Message, Reject
from ingest.activity.rows import ControlBatch
from ingest.batch import Derivations, EventBatch
from ingest.envelope import BYTE_ORDER_MARK, WHOLE_LIMIT
from ingest.fast_columns import Horizon
from ingest.salvage import Salvage
from ingest.table_rows import TableReader
from ingest.tally import Tally
from ingest.values import microseconds
from ingest.wire import WireReader

FUTURE_TOLERANCE: Final = timedelta(days=1)
"""How far ahead of our clock a record may be. Log Analytics draws its line there, too."""


@dataclass(frozen=True, slots=True)
class Normalised:
    """What a batch of messages became.

    `events` has exactly `storage.schema.ARROW_SCHEMA`. `skipped` counts records that are no audit events of ours
    (`metric`, `category:<name>`, `activity:<provider>`) or older than the retention (`expired`).
    """

    events: pa.Table
    rejects: tuple[Reject, ...]
    skipped: Mapping[str, int]


class Normaliser:
    """Turns messages into rows of the events table. Keeps bounded caches, so each thread needs its own."""

    def __init__(
        self,
        *,
        admin_usernames: Mapping[str, Collection[str]] = MappingProxyType({}),
        retention: timedelta | None = None,
    ) -> None:
        """Take, in any case, the admin user names per registry beside the registry's own name; and the age limit."""
        self._derivations = Derivations(admin_usernames)
        self._reader = WireReader(self._derivations.resources)
        self._table_reader = TableReader(self._derivations.resources)
        self._retention = retention

    def batch(self, messages: Sequence[Message], *, now: datetime) -> Normalised:
        """Return the events, rejects and skip counts of these messages; `now` (aware) is when they were taken in.

        Never raises, whatever the bodies hold: a record that cannot become an event is a reject, and costs its
        neighbours nothing. Within a message rows may come in another order than their records.
        """
        horizon = self._horizon(now)
        events, control, tally = EventBatch(self._derivations, now), ControlBatch(now), Tally()
        salvage = Salvage(
            (self._reader, self._table_reader),
            self._derivations.resources,
            horizon,
            events=events,
            control=control,
            tally=tally,
        )
        for message in messages:
            columns = None
            if len(message.body) <= WHOLE_LIMIT:
                body = message.body.removeprefix(BYTE_ORDER_MARK)
                columns = self._reader.columns_of(body, horizon) or self._table_reader.columns_of(body, horizon)
            if columns is None:
                salvage.take(message)
            else:
                events.add(message, columns)
        return Normalised(control.joined(events.table()), tuple(tally.rejects), dict(tally.skipped))

    def _horizon(self, now: datetime) -> Horizon:
        earliest = (
            0 if self._retention is None else max(0, microseconds(now) - self._retention // timedelta(microseconds=1))
        )
        return Horizon(earliest, microseconds(now + FUTURE_TOLERANCE))
