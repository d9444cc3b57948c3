"""A message that its source already knows to be unreadable."""

from dataclasses import dataclass

from acrwatch.core.model import Message, Reject


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable(Message):
    """Kept as a reject instead of being decoded. `reason` and `detail` are as in Reject.

    `body` may be only the beginning; `body_length` is the full length in bytes as far as it is known.
    """

    reason: str
    detail: str
    body_length: int

    def as_reject(self) -> Reject:
        """Return the reject of the whole message."""
        return Reject(
            *self.reject_position,
            -1,
            self.reason,
            self.detail,
            self.body,
            self.body_length,
            self.enqueued_time,
        )
