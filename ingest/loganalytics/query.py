"""What a workspace is asked, in KQL: always the same few lines. And what it answers.

Nothing of a row is projected away: columns that Azure adds are kept (`extra` of the event). Times are written to the
microsecond, while Log Analytics keeps seven digits: a window begins and ends where we say, never at a row's own time,
so the digit that the client cuts off decides nothing.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

# `hash` needs one value; these four columns both tables have. Rows alike in all of them cannot be told apart here.
_SPREAD = 'strcat(TimeGenerated, "|", CorrelationId, "|", Identity, "|", CallerIpAddress)'

TAKEN = "IngestionTime"
"""The column that holds `ingestion_time()` of each row."""


@dataclass(frozen=True, slots=True)
class Query:
    """Rows of one table with a time from `begin` up to `end`, at most `limit` of them, the earliest first.

    With `taken` these are the rows that Log Analytics took in from the first of these moments up to the second, and the
    order is by that time. With `parts` above 1 only the rows whose hash falls into `part`. All aware UTC, ends not
    included.
    """

    table: str
    begin: datetime
    end: datetime
    limit: int
    taken: tuple[datetime, datetime] | None = None
    part: int = 0
    parts: int = 1

    def text(self) -> str:
        """Return the question."""
        lines = [self.table, f"| where {_between('TimeGenerated', self.begin, self.end)}"]
        if self.taken is not None:
            lines.append(f"| where {_between('ingestion_time()', *self.taken)}")
        lines.append(f"| extend {TAKEN} = ingestion_time()")
        if self.parts > 1:
            lines.append(f"| where hash({_SPREAD}, {self.parts}) == {self.part}")
        lines.append(f"| order by {'TimeGenerated' if self.taken is None else TAKEN} asc")
        lines.append(f"| take {self.limit}")
        return "\n".join(lines)

    def timespan(self) -> tuple[datetime, datetime]:
        """Return a span that holds the rows with room to spare: the client writes it to the millisecond."""
        return self.begin - timedelta(seconds=1), self.end + timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows under these columns, in the order asked for. Datetimes are aware, cut to microseconds.

    `at` is when the service answered, by its own clock and to the second; None where it does not say.
    """

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    at: datetime | None = None


def _between(what: str, begin: datetime, end: datetime) -> str:
    return f"{what} >= datetime({_moment(begin)}) and {what} < datetime({_moment(end)})"


def _moment(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
