"""`acrwatch.open`: a lake on this machine, without a server, to read and nothing else."""

import os
from datetime import datetime
from pathlib import Path

from acrwatch.configuration import configured
from acrwatch.core.clock import Clock, SystemClock
from acrwatch.core.errors import ConfigError, NotFoundError
from acrwatch.notebook.client import Client
from acrwatch.notebook.known import Known
from acrwatch.notebook.stored import Stored
from storage.lake.reading import read_snapshot
from storage.state.database import Database


class _Standing:
    """A clock that stands at a moment."""

    def __init__(self, moment: datetime) -> None:
        if moment.tzinfo is None:
            raise ConfigError(f"now={moment} has no zone", remedy="Pass an aware datetime")
        self._moment = moment

    def now(self) -> datetime:
        return self._moment


def open(  # noqa: A001 - as acrwatch.open it is no more confusing than gzip.open
    path: str | os.PathLike[str] | None = None,
    *,
    database: str | None = None,
    config: str | os.PathLike[str] | None = None,
    now: datetime | None = None,
) -> Client:
    """Open the lake at `path` to read it, with alerts from a state database where one is known.

    `database` is a URL (`sqlite:///data/state.db`, `postgresql+psycopg://...`). With `config`, an acrwatch.toml, and
    likewise where no path is given, the configuration says where lake and database are, what is known of the
    registries, and which rules of one's own there are; `path` and `database` go before it. `now` (aware) is the moment
    at which spans such as "7d" end; without it, the time of each call.

    Nothing is written: no table is made, mended or migrated. Raises NotFoundError where there is no lake (or no
    database where one is named), ConfigError, StoreError.
    """
    clock: Clock = SystemClock() if now is None else _Standing(now)
    known = Known()
    if config is not None or path is None:
        found = configured(None if config is None else Path(config), os.environ)
        known = Known.configured(found)
        path = found.store.path if path is None else path
    if Path(path).is_file():
        raise ConfigError(
            f"{path} is a file, not the folder of a lake", remedy=f"Is it a configuration? config={str(path)!r}"
        )
    read_snapshot(Path(path))
    return Client(Stored(Path(path).absolute(), _database(database, known)), known, clock)


def _database(url: str | None, known: Known) -> Database | None:
    """A database that is named must be there; one that the configuration names by default need not."""
    chosen = known.database if url is None else url
    if chosen is None:
        return None
    found = Database(chosen, read_only=True)
    if found.file is not None and not found.file.exists():
        if url is None:
            return None
        raise NotFoundError(f"there is no state database at {found.file}", remedy="Name the file of store.database")
    return found
