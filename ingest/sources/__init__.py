"""Where messages come from. One module per kind of source; adding one touches that module and its test."""

from collections.abc import Sequence
from typing import Protocol

from acrwatch.core.model import Message


class Source(Protocol):
    """A stream, or several, of messages.

    The pipeline owns the order of things: it polls, stores, and only then calls `stored`. A source keeps no promise
    of its own about duplicates: after a crash or a reconnect it may hand out messages again, in any order across
    streams; within one stream the store drops what lies at or below the stored sequence number.
    """

    name: str

    def start(self) -> None:
        """Begin reading from the stored positions. Returns at once; raises only for what a person must mend."""
        ...

    def poll(self, timeout: float) -> Sequence[Message]:
        """Return what has arrived, waiting at most `timeout` seconds for the first message; empty if none came.

        Raises AcrWatchError when reading cannot go on; the pipeline records it as an incident, and restarts the
        source with back-off where waiting helps.
        """
        ...

    def stored(self, messages: Sequence[Message]) -> None:
        """Take note that the rows and rejects of these messages are durable."""
        ...

    def caught_up(self) -> bool:
        """Return whether everything that existed at the last look has been handed out."""
        ...

    def stop(self) -> None:
        """Stop reading and free what is held. Safe to call twice."""
        ...
