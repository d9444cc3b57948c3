"""What a source may need when it is opened."""

from dataclasses import dataclass
from typing import Protocol

from acrwatch.core.clock import Clock
from storage.state.database import Database


class StoredPositions(Protocol):
    """The part of the lake that a source reads."""

    def position(self, stream: str) -> int | None:
        """Return the last stored sequence number of a stream; None if it was never stored."""
        ...


@dataclass(frozen=True, slots=True)
class Opening:
    """Passed to every `open`: where to ask for positions, where state is kept, what time it is."""

    lake: StoredPositions
    database: Database
    clock: Clock
