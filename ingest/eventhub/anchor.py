"""What tells whether a hub still is the one that was read: the last message taken over, when it comes again."""

from dataclasses import dataclass
from datetime import datetime

from ingest.eventhub.hub import Arrived


@dataclass(frozen=True, slots=True)
class Anchor:
    """Sequence number, offset and, where it is known, enqueued time (UTC) of a message.

    A hub made anew counts from 0 again. Once it is past our number, only what stands there tells it from the old one.
    """

    number: int
    offset: str
    enqueued: datetime | None

    def is_(self, found: Arrived) -> bool:
        """Return whether `found`, of the same number, is the same message, in doubt True.

        The time decides where it is known. Offsets of another form than digits are those of geo-replicated namespaces,
        of which nobody has promised that they outlive a failover.
        """
        if self.enqueued is not None:
            return found.enqueued_time == self.enqueued
        comparable = self.offset.isdecimal() and found.offset.isdecimal()
        return not comparable or found.offset == self.offset
