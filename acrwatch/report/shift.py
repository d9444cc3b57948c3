"""A shift: what was raised and seen in a span of time, what people made of it, and what was set apart."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from acrwatch.report import blindness, traffic
from acrwatch.report.blindness import Blindness
from acrwatch.report.scope import Scope
from acrwatch.report.traffic import Arrival, Traffic
from detections.alerting import ENGINE
from storage.query import Reader
from storage.state import alerts as store
from storage.state import runs, suppressions
from storage.state.alerts import BUILDING_BLOCK, CLOSED, SET_APART, STAGED, SUPPRESSED, Alert
from storage.state.suppressions import Suppression

SEVERITIES: Final = ("critical", "high", "medium", "low", "informational")
"""The gravest first."""

LISTED: Final = 50
"""Alerts of one rule, or of another kind, in a table; the page says how many more there are."""

DETAILED: Final = 20
"""Alerts that are told in full, the gravest open ones first; all others are in the table with their reasons."""

# Alerts below this that are closed already need no evidence in a report: the table says why they were raised.
_IMPORTANT: Final = ("critical", "high", "medium")


@dataclass(frozen=True, slots=True)
class Told:
    """An alert with what was done to it, as `storage.state.alerts.history` has it."""

    alert: Alert
    history: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Shift:
    """Everything a report on a span says.

    `alerts`: those people were told of or could see, gravest first. `apart`: suppressed and staged ones, and building
    blocks. `old`: how many historical ones, none set apart, were raised in this time on events of others. `before`:
    alerts of earlier times that are open still. `told`: the important ones in full. `changes`: what people did, to
    whatever alert. `hidden`: the suppressions behind `apart`, by id.
    """

    scope: Scope
    made_at: datetime
    alerts: Sequence[Alert]
    apart: Sequence[Alert]
    old: int
    before: Sequence[Alert]
    told: Sequence[Told]
    changes: Sequence[Mapping[str, Any]]
    hidden: Mapping[int, Suppression]
    traffic: Traffic
    arrival: Arrival
    blindness: Blindness

    @property
    def standing(self) -> list[Alert]:
        """The alerts without historical ones, of which nobody was told."""
        return [alert for alert in self.alerts if not alert.historical]

    @property
    def open(self) -> list[Alert]:
        """Those of them that are not closed."""
        return [alert for alert in self.standing if alert.status != CLOSED]

    def by_severity(self, alerts: Sequence[Alert]) -> dict[str, int]:
        """Count alerts by severity, the gravest first; severities without any are left out."""
        counted = Counter(alert.severity for alert in alerts)
        return {severity: counted[severity] for severity in SEVERITIES if counted[severity]}

    def by_rule(self) -> list[tuple[str, list[Alert]]]:
        """Return the alerts of each rule, the rule with the gravest and most of them first."""
        rules: dict[str, list[Alert]] = {}
        for alert in self.alerts:
            rules.setdefault(alert.rule, []).append(alert)
        return sorted(rules.items(), key=lambda one: (min(map(gravity, one[1])), -len(one[1]), one[0]))

    def by_suppression(self) -> list[tuple[Suppression | None, int, int]]:
        """Return each suppression with how many of these alerts, and of their events, it hid; None where it is gone."""
        numbers: dict[int | None, list[Alert]] = {}
        for alert in self.apart:
            if alert.status == SUPPRESSED:
                numbers.setdefault(alert.suppressed_by, []).append(alert)
        return [
            (None if number is None else self.hidden[number], len(found), sum(alert.count for alert in found))
            for number, found in numbers.items()
        ]

    def by_stage(self) -> dict[str, int]:
        """Count the alerts that staged rules would have raised, by rule."""
        return self._apart_by_rule(STAGED)

    def building_blocks(self) -> dict[str, int]:
        """Count the alerts that are too weak to be told alone, by rule."""
        return self._apart_by_rule(BUILDING_BLOCK)

    def _apart_by_rule(self, status: str) -> dict[str, int]:
        return dict(Counter(alert.rule for alert in self.apart if alert.status == status).most_common())


def gravity(alert: Alert) -> int:
    """Return where a severity stands, 0 being the gravest."""
    return SEVERITIES.index(alert.severity) if alert.severity in SEVERITIES else len(SEVERITIES)


def gather(
    connection: Connection,
    reader: Reader,
    scope: Scope,
    *,
    now: datetime,
    lateness: timedelta,
    keep: timedelta | None = None,
    judging: Collection[str] | None = None,
) -> Shift:
    """Return what there is to say of a scope, as of `now` (aware); `keep` is how long the records of runs are kept,
    `judging` are the detections that passes run (None: all that ever ran). Raises StoreError."""
    touching = scope.within(store.touching(connection, scope.since, scope.until))
    found = [alert for alert in touching if not alert.historical or _overlap(alert, scope)]
    elsewhere = [alert for alert in touching if alert.historical and not _overlap(alert, scope)]
    alerts = sorted(
        (alert for alert in found if alert.status not in SET_APART), key=lambda one: (gravity(one), one.first_seen)
    )
    apart = [alert for alert in found if alert.status in SET_APART]
    important = [
        alert
        for alert in sorted(alerts, key=lambda one: (one.status == CLOSED, gravity(one), one.first_seen))
        if alert.severity in _IMPORTANT or alert.status != CLOSED
    ]
    told = [Told(alert, store.history(connection, alert.id)) for alert in important[:DETAILED]]
    traffic.hold(reader, scope, lateness=lateness)
    arrival = traffic.arrival(reader, runs.load(connection), judging)
    behind = sorted({alert.suppressed_by for alert in apart if alert.suppressed_by is not None})
    return Shift(
        scope,
        now,
        alerts,
        apart,
        sum(alert.status not in SET_APART for alert in elsewhere),
        scope.within(store.left_open(connection, scope.since)),
        told,
        _changes(connection, scope),
        {number: suppressions.get(connection, number) for number in behind},
        traffic.figures(reader, scope),
        arrival,
        blindness.gather(connection, scope, arrival, now=now, keep=keep),
    )


def _overlap(alert: Alert, scope: Scope) -> bool:
    return alert.last_seen >= scope.since and alert.first_seen < scope.until


def _changes(connection: Connection, scope: Scope) -> list[Mapping[str, Any]]:
    """Return what people did in the span, each with its `alert`; of the alerts of the scope alone."""
    made = store.changes(connection, scope.since, scope.until, but=ENGINE)
    wanted = {alert.id: alert for alert in scope.within(store.some(connection, sorted({c["alert_id"] for c in made})))}
    return [{**change, "alert": wanted[change["alert_id"]]} for change in made if change["alert_id"] in wanted]
