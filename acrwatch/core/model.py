"""Values that more than one part of the system speaks of."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

BACKFILL: Final = "backfill/"
"""What the names of streams that bring history begin with: all of their events count as late."""

BACKFILL_ALERT: Final = "backfill-alert/"
"""The same for history that people asked to be told of: none of its events counts as late."""


@dataclass(frozen=True, slots=True)
class Message:
    """One unit of transport: an Event Hubs message, or a run of records of one file or one query.

    `stream` names the ordered sequence it belongs to (`eventhub/<namespace>/<hub>/<partition>/<epoch>`, `files/<job>`);
    `sequence_number` grows by any step within it. All rows of a message become visible together.
    """

    stream: str
    sequence_number: int
    body: bytes
    partition_id: str | None = None
    offset: str | None = None
    enqueued_time: datetime | None = None
    rejects_under: tuple[str, int] | None = None

    @property
    def reject_position(self) -> tuple[str, int]:
        """The stream and number that rejects of this message are kept under: its own, unless `rejects_under` says so.

        A source whose streams are new with every run names the content instead, so that a repeat rejects nothing twice.
        """
        return self.rejects_under or (self.stream, self.sequence_number)


@dataclass(frozen=True, slots=True)
class Reject:
    """A record (or, with ordinal -1, a whole message) that could not become an event, and why.

    `reason` is a short stable word such as `invalid_json` or `missing_member`; `detail` a sentence with the value.
    `body` is capped by whoever stores it; `body_length` is the length before the cap.
    """

    stream: str
    sequence_number: int
    ordinal: int
    reason: str
    detail: str
    body: bytes
    body_length: int
    enqueued_time: datetime | None = None
