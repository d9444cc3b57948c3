"""A look at workspaces from outside the running source: do they answer, do they let us in, what do they hold."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from acrwatch.core.errors import RemoteUnreachableError
from ingest.loganalytics.access import from_settings
from ingest.loganalytics.failures import NoTableError
from ingest.loganalytics.query import TAKEN, Query
from storage.schema import CATEGORIES

_LOOK_BACK: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ProbedTable:
    """One table of one workspace: whether there is one, and when the first row of the last day was taken in (aware UTC;
    None where none was)."""

    workspace: str
    table: str
    exists: bool
    taken: datetime | None


def probe(values: Mapping[str, object], *, now: datetime, seconds: float) -> list[ProbedTable]:
    """Ask every table that these settings name for one row, within so many seconds altogether.

    Raises ConfigError, AuthError, NotFoundError, RemoteUnreachableError or another AcrWatchError.
    """
    try:
        return asyncio.run(_probe(values, now, seconds))
    except TimeoutError:
        raise RemoteUnreachableError(
            f"Log Analytics did not answer within {seconds:g} s",
            remedy="Check the network, and the endpoint of your cloud",
        ) from None


async def _probe(values: Mapping[str, object], now: datetime, seconds: float) -> list[ProbedTable]:
    from ingest.loganalytics.client import LogsClient  # imports the Azure client, which takes half a second

    access, found = from_settings(values), []
    client = LogsClient(access)
    try:
        async with asyncio.timeout(seconds):
            for workspace in access.workspaces:
                for table in CATEGORIES:
                    query = Query(table, now - 2 * _LOOK_BACK, now + _LOOK_BACK, 1, (now - _LOOK_BACK, now))
                    try:
                        answer = await client.ask(workspace, query)
                    except NoTableError:
                        found.append(ProbedTable(workspace, table, exists=False, taken=None))
                    else:
                        taken = answer.rows[0][answer.columns.index(TAKEN)] if answer.rows else None
                        found.append(ProbedTable(workspace, table, exists=True, taken=taken))
    finally:
        await client.close()
    return found
