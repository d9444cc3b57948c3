"""Where to start reading each stream. Hints only: the positions in the lake's own commits are the truth."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from storage.state.dialect import upsert
from storage.state.tables import position_hints


@dataclass(frozen=True, slots=True)
class Position:
    """The last stored place in a stream: the service's own offset text and the sequence number."""

    offset: str
    sequence_number: int


def remember(connection: Connection, positions: Mapping[str, Position], *, now: datetime) -> None:
    """Replace the hint of each stream named in `positions`."""
    # In one order everywhere, so that two PostgreSQL writers cannot wait for each other.
    for stream, position in sorted(positions.items()):
        row = {
            "stream": stream,
            "offset": position.offset,
            "sequence_number": position.sequence_number,
            "updated_at": now,
        }
        upsert(connection, position_hints, row, replace=["offset", "sequence_number", "updated_at"])


def hints(connection: Connection, prefix: str = "") -> Mapping[str, Position]:
    """Return the hints of the streams whose name begins with `prefix`."""
    rows = connection.execute(
        select(position_hints.c.stream, position_hints.c.offset, position_hints.c.sequence_number).where(
            position_hints.c.stream.startswith(prefix, autoescape=True)
        )
    )
    return {stream: Position(offset, number) for stream, offset, number in rows}


def forget(connection: Connection, stream: str) -> None:
    """Drop a stream's hint, so that its source starts from the lake's position or its configured start."""
    connection.execute(delete(position_hints).where(position_hints.c.stream == stream))


def claim(connection: Connection, prefix: str) -> tuple[str, Position] | None:
    """Take one stream whose name begins with `prefix` out of the hints, for whoever calls alone; None if there is none.

    Of several callers at once each gets another stream, or none.
    """
    for stream, position in sorted(hints(connection, prefix).items()):
        taken = connection.execute(delete(position_hints).where(position_hints.c.stream == stream))
        if taken.rowcount == 1:
            return stream, position
    return None
