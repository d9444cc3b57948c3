"""Values that more than one part of the system speaks of."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Message:
    """One unit of transport: an Event Hubs message, or a run of records of one file.

    `stream` names the ordered sequence it belongs to (`eventhub/<namespace>/<hub>/<partition>/<epoch>`, `files/<job>`);
    `sequence_number` grows by any step within it. All rows of a message become visible together.
    """

    stream: str
    sequence_number: int
    body: bytes
    partition_id: str | None = None
    offset: str | None = None
    enqueued_time: datetime | None = None


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
