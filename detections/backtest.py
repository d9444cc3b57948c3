"""What a backtest says of each rule: how many alerts, when, about whom, and at what cost. Nothing is written."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pyarrow as pa

from detections.context import Context
from detections.detection import Detection
from detections.trial import Progress, Trial, try_rules
from storage.activity import EVENTS
from storage.lake.snapshot import LakeFile, Snapshot, total_rows
from storage.query import Relations, Slice, Span
from storage.state.alerts import Alert

TOP: Final = 5  # entities named of each rule: enough to see who makes the noise


@dataclass(frozen=True, slots=True)
class Tally:
    """What one rule would have done between two moments.

    `days` is the length of that span in days of 24 hours, whole or not. `per_day` counts alerts by the UTC date they
    begin on, those without any, and those that lie in the span by a part only, included; `top` are the entities (type,
    value) with most alerts. `historical` of the alerts are about events that came late: listed, never delivered.
    `rows_read` counts the rows that its queries went over, each as often as it was gone over.
    """

    rule: str
    level: str
    alerts: Sequence[Alert]
    days: float
    per_day: Mapping[date, int]
    top: Sequence[tuple[str, str, int]]
    historical: int
    matched: int
    unjudged: int
    seconds: float
    rows_read: int
    error: str | None

    @property
    def mean_per_day(self) -> float:
        """Alerts per 24 hours of the span."""
        return len(self.alerts) / self.days


@dataclass(slots=True)
class _Counted:
    """Relations that count the rows which queries go over."""

    inner: Relations
    gone_over: int = 0
    _views: dict[str, int] = field(default_factory=dict)

    @property
    def snapshot(self) -> Snapshot:
        return self.inner.snapshot

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        self._count(sql)
        return self.inner.query(sql, parameters)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        self._count(sql)
        return self.inner.rows(sql, parameters)

    def _count(self, sql: str) -> None:
        self.gone_over += sum(rows for name, rows in self._views.items() if re.search(rf"\b{name}\b", sql))

    def register(self, name: str, table: pa.Table) -> None:
        self.inner.register(name, table)

    def view(
        self,
        name: str,
        part: Slice | Span,
        files: Sequence[LakeFile],
        *,
        lateness: timedelta,
        derived: Mapping[str, str],
        where: str = EVENTS,
    ) -> None:
        self._views[name] = total_rows(files)
        self.inner.view(name, part, files, lateness=lateness, derived=derived, where=where)

    def hold(self, name: str, select: str) -> None:
        self.inner.hold(name, select)


def backtest(
    detections: Mapping[str, Detection],
    events: Relations,
    context: Context,
    since: datetime,
    until: datetime,
    *,
    lateness: timedelta,
    progress: Progress = lambda _slug, _moment: None,
) -> Iterator[Tally]:
    """Yield, as each is done, what these detections would have done between two moments (aware; `until` excluded)."""
    counted = _Counted(events)
    before = 0
    for trial in try_rules(detections, counted, context, since, until, lateness=lateness, progress=progress):
        yield _tally(trial, detections[trial.slug].metadata.level, since, until, counted.gone_over - before)
        before = counted.gone_over


def _tally(trial: Trial, level: str, since: datetime, until: datetime, rows_read: int) -> Tally:
    begun = Counter(alert.first_seen.astimezone(UTC).date() for alert in trial.alerts)
    entities = Counter((one["type"], one["value"]) for alert in trial.alerts for one in alert.entities)
    ordered = sorted(entities.items(), key=lambda item: (-item[1], item[0]))
    return Tally(
        rule=trial.slug,
        level=level,
        alerts=trial.alerts,
        days=(until - since) / timedelta(days=1),
        per_day={day: begun[day] for day in _days(since, until, begun)},
        top=[(kind, value, count) for (kind, value), count in ordered[:TOP]],
        historical=sum(alert.historical for alert in trial.alerts),
        matched=trial.matched,
        unjudged=trial.unjudged,
        seconds=trial.seconds,
        rows_read=rows_read,
        error=trial.error,
    )


def _days(since: datetime, until: datetime, begun: Mapping[date, int]) -> list[date]:
    """Return every UTC date of a span; a window may have begun on one before, so those of alerts as well."""
    first = since.astimezone(UTC).date()
    last = (until - timedelta(microseconds=1)).astimezone(UTC).date()
    whole = {first + timedelta(days=n) for n in range((last - first).days + 1)}
    return sorted(whole | set(begun))
