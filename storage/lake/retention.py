"""Dates past their retention, taken out of the table whole: an entry in the log, and not one row rewritten.

A delete by predicate would write the rows that stay as if they were new; whole dates have none that stay.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from storage.lake.exchange import exchange
from storage.lake.handle import open_table
from storage.lake.snapshot import total_rows
from storage.lake.table import Lake

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Retired:
    """What retention took out of the table: dates, oldest first, and rows."""

    dates: tuple[date, ...] = ()
    rows: int = 0


def first_kept(retention: timedelta, now: datetime) -> date:
    """Return the oldest UTC date of which anything is within retention."""
    return (now - retention).astimezone(UTC).date()


def retire(lake: Lake, *, before: date) -> Retired:
    """Take all dates before this one out of the table.

    Their files go with the sweep, once no running query can need them. Durable on return. Raises ConflictError where
    another commit was first (the next round will do), StoreError where the disk refuses.
    """
    table = open_table(lake.root)
    gone = [file for file in lake.snapshot_of(table).files if file.date < before]
    if not gone:
        return Retired()
    exchange(lake.root, table.version(), gone, {}, operation="DELETE", rows_change=True)
    retired = Retired(tuple(sorted({file.date for file in gone})), total_rows(gone))
    log.info("retention took %d rows of %d dates before %s", retired.rows, len(retired.dates), before)
    return retired
