"""What a staged rule, or one of building blocks, would have told: the evidence that its promotion is decided by."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from storage.state import alerts
from storage.state.alerts import Alert
from storage.state.stages import Life

_MOST: Final = 5


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a rule would have told since `since`. `entities` are (type, value, alerts), most alerts first, a few;
    `overlap` says of how many of these alerts another rule told an event, by rule, most first."""

    since: datetime
    days: float
    alerts: int
    entities: Sequence[tuple[str, str, int]]
    overlap: Sequence[tuple[str, int]]

    @property
    def per_day(self) -> float:
        """Alerts a day, over the whole time."""
        return self.alerts / self.days


def evidence(connection: Connection, slug: str, life: Life, *, now: datetime) -> Evidence:
    """Return what is known of a rule by the alerts it would have raised, from the time at which it was staged, or from
    its first such alert where history was judged as well."""
    apart = (alerts.STAGED, alerts.BUILDING_BLOCK)
    found = [alert for status in apart for alert in alerts.find(connection, status=status, rule=slug)]
    since = min([step.at for step in life.steps[-1:]] + [alert.first_seen for alert in found], default=now)
    by_entity = Counter((one["type"], one["value"]) for alert in found for one in alert.entities)
    top = [(type_, value, number) for (type_, value), number in by_entity.most_common(_MOST)]
    days = max((now - since) / timedelta(days=1), 1.0)
    return Evidence(since, days, len(found), top, _overlap(connection, slug, found))


def _overlap(connection: Connection, slug: str, found: Sequence[Alert]) -> list[tuple[str, int]]:
    if not found:
        return []
    told: dict[str, set[str]] = {}
    for alert in alerts.seen_since(connection, min(one.first_seen for one in found)):
        if alert.rule != slug:
            for _, event_id in alert.evidence:
                told.setdefault(event_id, set()).add(alert.rule)
    shared = (rule for one in found for rule in {r for _, event in one.evidence for r in told.get(event, ())})
    return Counter(shared).most_common()
