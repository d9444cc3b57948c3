"""Detections over the control plane: a Sigma rule on records of the Azure Activity Log.

Each alert says what the same identity did in the registry itself within the hour before and after.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from sqlalchemy import Connection

from detections.compile import quoted
from detections.detection import Group, Judgement, Metadata
from detections.episode import Episode
from detections.events import NewEvents
from detections.fields import CONTROL_EVIDENCE
from detections.match import episodes_by_group, group_of, select
from detections.needs import NOTHING, Needs
from detections.reason import AROUND
from storage.state import alerts
from storage.state.alerts import Alert

# What "about the same time" means: long enough to use what was just opened, short enough to be about it.
AROUND_SPAN: Final = timedelta(hours=1)

# Of an alert that lasts longer, the surroundings of its last day are told: else its cost would grow with its age.
_LONGEST: Final = timedelta(days=1)

# Whose events count: the caller by every name the log gives it, for nobody has documented by which of them the
# registry's own log knows a service principal.
_NAMES: Final = ("identity", "object_id", "app_id")
_KEPT: Final = tuple(f"e.{name}" for name in CONTROL_EVIDENCE)
_OPERATION: Final = "CASE WHEN e.succeeded THEN e.operation ELSE 'refused ' || e.operation END"
_BY_OPERATION: Final = f"DISTINCT {_OPERATION} AS operation, count(*) OVER (PARTITION BY {_OPERATION}) AS n"


@dataclass(frozen=True, slots=True)
class _Observed:
    """A judgement still without the alerts whose surroundings changed; the times of the new events."""

    judgement: Judgement
    events: NewEvents
    times: tuple[datetime, datetime] | None

    def __bool__(self) -> bool:
        return bool(self.judgement)


@dataclass(frozen=True, slots=True)
class ActivityRule:
    """Each control-plane record that meets `where`, in the light of the others of its action, is a match.

    Where the rule groups by `action` it is stated anew with every record of the action, so that it may ask for what an
    action lacks; else it must not, for a record that came later could make a match none.
    """

    has_profile: ClassVar[bool] = False
    asks: ClassVar[Collection[str]] = ()

    metadata: Metadata
    where: str
    needs: Needs = NOTHING

    def observe(self, events: NewEvents, /) -> _Observed:
        """See Detection.observe."""
        return _Observed(self._judged(events), events, events.kept("span", lambda: _span(events)))

    def judge(self, observed: _Observed, connection: Connection, /) -> Judgement:
        """See Detection.judge; nothing is remembered. Alerts that stand are what tells whose events are counted."""
        if observed.times is None:
            return observed.judgement
        first, last = observed.times
        held = alerts.open_near(connection, self.metadata.slug, since=first - AROUND_SPAN, until=last + AROUND_SPAN)
        grown = ((self._group_of(alert), alert.last_seen) for alert in held if _has_new(observed.events, alert))
        touched = frozenset((group, time) for group, time in grown if group is not None)
        return replace(observed.judgement, touched=touched)

    def nearby(
        self, events: NewEvents, _group: Group, episode: Episode, _known: Episode | None, /
    ) -> Mapping[str, Any]:
        """Return what the identity did in the registry around the alert: number by operation, for the reason."""
        who = _whose(episode.facts.samples)
        if not who:
            return {AROUND: {}}
        rows = events.near([_around(episode.first, episode.last)]).rows(_BY_OPERATION, who)
        return {AROUND: {row["operation"]: row["n"] for row in sorted(rows, key=lambda row: str(row["operation"]))}}

    def _judged(self, events: NewEvents) -> Judgement:
        actions = events.actions()
        if not actions.any:
            return Judgement()
        group_by = self.metadata.group_by
        rows = actions.rows(select(group_by, *_KEPT), self.where)
        if "action" in group_by:
            touched = actions.rows("DISTINCT " + ", ".join(f"e.{name} AS group_{name}" for name in group_by), "true")
            nothing: dict[Group, list[Episode]] = {group_of(row, group_by): [] for row in touched}
            return Judgement(replaced=nothing | episodes_by_group(rows, group_by), matched=len(rows))
        before = {row["event_id"] for row in actions.before("e.event_id", self.where)}
        found = [row for row in rows if row["event_id"] not in before]
        return Judgement(matches=episodes_by_group(found, group_by), matched=len(found))

    def _group_of(self, alert: Alert) -> Group | None:
        """Return the group that an alert was made for; None where only the hash of a long one is kept."""
        held = json.loads(alert.group_key)
        names = self.metadata.group_by
        return tuple((name, held[name]) for name in names) if held.keys() == set(names) else None


def _span(events: NewEvents) -> tuple[datetime, datetime] | None:
    """Return the first and last time of the new events of registries themselves."""
    (row,) = events.new("min(e.event_time) AS low, max(e.event_time) AS high", "true")
    return None if row["low"] is None else (row["low"], row["high"])


def _around(first: datetime, last: datetime) -> tuple[datetime, datetime]:
    return max(first, last - _LONGEST) - AROUND_SPAN, last + AROUND_SPAN


def _has_new(events: NewEvents, alert: Alert) -> bool:
    """Return whether a new event belongs to the surroundings of an alert."""
    who = _whose(alert.facts["samples"])
    if not who:
        return False
    low, high = _around(alert.first_seen, alert.last_seen)
    return events.count(f"{who} AND e.event_time BETWEEN $1 AND $2", [low, high]) > 0


def _whose(samples: Mapping[str, Sequence[str]]) -> str:
    """Return the condition of an event by one of these callers in one of these registries; empty for no caller."""
    names = sorted({name for field in _NAMES for name in samples.get(field, ())})
    registries = samples.get("registry", ())
    if not names or not registries:
        return ""
    return f"(lower(e.identity) IN ({_literals(names)}) AND e.registry IN ({_literals(registries)}))"


def _literals(values: Sequence[str]) -> str:
    return ", ".join(f"lower({quoted(value)})" for value in values)
