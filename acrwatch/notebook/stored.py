"""What is stored, as frames: the one place where the notebook API opens lake and state database."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from acrwatch.choosing import columns_of
from acrwatch.core.errors import ConfigError
from acrwatch.notebook.frames import frame_of
from acrwatch.notebook.warning import warn_truncated
from storage.lake.reading import read_snapshot
from storage.lake.snapshot import Snapshot
from storage.selection import Selection, select
from storage.state.database import Database

if TYPE_CHECKING:
    from sqlalchemy import Connection


LIMIT: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Stored:
    """A lake, and a state database where one is known. Every call sees what is stored by then."""

    path: Path
    database: Database | None

    def snapshot(self) -> Snapshot:
        """Return the lake's newest version. Raises NotFoundError, StoreError."""
        return read_snapshot(self.path)

    @contextmanager
    def state(self) -> "Iterator[Connection]":
        """Open a read transaction of the state database. Raises ConfigError where none is known."""
        if self.database is None:
            raise ConfigError(
                "no state database is known, so there are no alerts to read",
                remedy='Say where it is: acrwatch.open(path, database="sqlite:///data/state.db"), or config=FILE',
            )
        with self.database.connect() as connection:
            yield connection

    def events(
        self, selection: Selection, columns: Sequence[str] | None, filters: Mapping[str, Any], *, limit: int | None
    ) -> pd.DataFrame:
        """Return the events selected as a frame, the newest `limit` of them, with a warning where there are more."""
        names, snapshot = columns_of(columns), self.snapshot()
        found = select(snapshot, selection, names, limit=limit)
        if found.more and limit is not None:
            warn_truncated("events()", limit, found.more)
        asked = spelled(selection.since, selection.until)
        return frame_of(found.rows, {"relation": "events", **origin(snapshot), **asked, **filters, "more": found.more})


def origin(snapshot: Snapshot) -> dict[str, Any]:
    """Return which version of which lake a frame comes from, in plain values."""
    return {"lake": str(snapshot.root), "version": snapshot.version}


def spelled(since: datetime | None, until: datetime | None) -> dict[str, str | None]:
    """Return a span in plain values: ISO 8601, None for no bound."""
    return {name: None if at is None else at.isoformat() for name, at in (("since", since), ("until", until))}
