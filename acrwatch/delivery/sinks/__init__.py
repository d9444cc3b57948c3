"""Where deliveries go. One module per type of destination; adding one touches that module and its test.

A sink module has `TYPE` (the word in `type = "..."`), `SETTINGS`, and `open(values)`, where `values` holds one parsed
value per setting. `open` touches no network; it raises ConfigError where a setting cannot work.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One attempt at one delivery. `id` and `body` are the same on every attempt; `at` is this attempt's time (UTC)."""

    id: str
    type: str
    body: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt.

    `sent`: the destination has it. `retry`: waiting may help, at least for `retry_after` if that is given. `dead`:
    only a person can help, and `detail` says how. `detail` holds no secret and is safe to print.
    """

    result: Literal["sent", "retry", "dead"]
    detail: str | None = None
    status_code: int | None = None
    retry_after: timedelta | None = None


class Sink(Protocol):
    """One open destination. Used by one thread at a time."""

    def send(self, outgoing: Outgoing) -> Outcome:
        """Hand one delivery over, in bounded time, and tell what came of it.

        Whatever the other side does is an Outcome, never an exception; what is raised is a defect of the sink (the
        worker records it and tries again). The body is passed on as it is. May be called again with the same id:
        after a crash nobody knows whether the first attempt arrived.
        """
        ...

    def close(self) -> None:
        """Free what is held. Safe to call twice."""
        ...
