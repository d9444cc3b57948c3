"""What did not become an event: rejects, which are kept, and skipped records, which are counted."""

from collections import Counter
from typing import Final

from acrwatch.core.model import Message, Reject

COUNTER_LIMIT: Final = 64
"""Names of counters told apart in one batch; Azure has some hundreds of categories, a hostile sender any number."""

OTHER_CATEGORIES: Final = "category:(others)"

REJECT_LIMIT: Final = 1_000
"""Rejects of one message told apart. Those beyond become a single reject that holds the whole message."""

GIVE_UP: Final = 10_000
"""Rejects of one message after which the rest of it is left unread in that reject: a hub message of 1 MB holds some
thousand real records, and each bad one costs some 20 µs."""


class Tally:
    """Collects the rejects and skip counts of one batch, bounded whatever the messages hold."""

    def __init__(self) -> None:
        self.rejects: list[Reject] = []
        self.skipped: Counter[str] = Counter()
        self._in_message = 0

    def skip(self, name: str) -> None:
        """Count one skipped record under a name, or under OTHER_CATEGORIES once there are too many names."""
        if name not in self.skipped and len(self.skipped) >= COUNTER_LIMIT:
            name = OTHER_CATEGORIES
        self.skipped[name] += 1

    def reject(self, message: Message, ordinal: int, reason: str, detail: str, body: bytes) -> None:
        """Keep one record of the message as a reject, or only count it beyond REJECT_LIMIT."""
        self._in_message += 1
        if self._in_message <= REJECT_LIMIT:
            self.rejects.append(_reject(message, ordinal, reason, detail, body))

    def hopeless(self) -> bool:
        """Return whether the message at hand had so many rejects that reading on is a waste."""
        return self._in_message >= GIVE_UP

    def close(self, message: Message) -> None:
        """End a message: if it had too many rejects, keep it whole, so that none of them is lost."""
        beyond = self._in_message - REJECT_LIMIT
        self._in_message = 0
        if beyond > 0:
            rest = ", and its rest was left unread" if beyond + REJECT_LIMIT >= GIVE_UP else ""
            detail = f"{beyond} more records of this message were rejected{rest}; this body is the whole message"
            self.rejects.append(_reject(message, -1, "too_many_rejects", detail, message.body))


def _reject(message: Message, ordinal: int, reason: str, detail: str, body: bytes) -> Reject:
    stream, sequence_number = message.reject_position
    return Reject(
        stream=stream,
        sequence_number=sequence_number,
        ordinal=ordinal,
        reason=reason,
        detail=detail,
        body=body,
        body_length=len(body),
        enqueued_time=message.enqueued_time,
    )
