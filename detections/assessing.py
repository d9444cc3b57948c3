"""Keeps the alerts about the risk of entities true to the alerts that stand, whoever changed those.

Every change of an alert, by the engine or by a person, leaves it marked; a pass takes the marked ones, finds the
entities and the stretch of time that they bear on, and states what stands there anew. No mark is lost and none counts
twice: it is the revision that was judged.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final

from sqlalchemy import Connection

from detections.alerting import Alerting, group_key
from detections.detection import Group, Judgement, Metadata
from detections.episode import EVIDENCE_IDS, EVIDENCE_ROWS, SAMPLES, Episode, Facts, distinct
from detections.events import NewEvents
from detections.lanes import Lanes
from detections.notices import Publishing
from detections.risk import (
    FADES_AFTER,
    HORIZON,
    METADATA,
    SLUG,
    Moment,
    counts,
    entities_in,
    group_of,
    may_add_up,
    moments,
    shown,
    united,
)
from detections.stored import episode_of
from storage.state import alerts, risk
from storage.state.alerts import Alert
from storage.state.risk import Entity, Span

# Marked alerts taken at once: a first start on a long history leaves many, and other writers wait for a transaction.
AT_ONCE: Final = 500
# Alerts further apart than this have no moment in common, and their moments are no one alert.
_APART: Final = HORIZON + FADES_AFTER
_WITHDRAWN: Final = "the alerts that it was made of are no longer worth as much"


@dataclass(frozen=True, slots=True)
class Assessed:
    """What one look did: marked alerts looked at, alerts about risk created and changed, whether more are marked."""

    looked_at: int = 0
    created: int = 0
    updated: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True)
class RiskWatch:
    """The detection that alerts about risk are said to be of; it judges alerts, not events."""

    metadata: Metadata = METADATA
    has_profile: ClassVar[bool] = False
    asks: ClassVar[Collection[str]] = ()

    def observe(self, _events: NewEvents, /) -> Judgement:
        """Nothing: events are no business of it."""
        return Judgement()

    def judge(self, observed: Judgement, _connection: Connection, /) -> Judgement:
        """Nothing."""
        return observed

    def nearby(
        self, _events: NewEvents, _group: Group, _episode: Episode, _known: Episode | None, /
    ) -> Mapping[str, Any]:
        """Nothing: the history is stated with each episode."""
        return {}


@dataclass(slots=True)
class _Touched:
    """The entities that changed alerts bear on, each with the stretches of time."""

    stretches: dict[Entity, list[Span]] = field(default_factory=dict)

    def add(self, entity: Entity, *spans: Span) -> None:
        self.stretches.setdefault(entity, []).extend(spans)


def assess(
    connection: Connection, publishing: Publishing, *, context_version: str, now: datetime, at_once: int = AT_ONCE
) -> Assessed:
    """Bring the alerts about risk up to date with alerts that changed, in one write transaction.

    Raises ConflictError where another changed the same alert about risk first.
    """
    changed = risk.changed(connection, limit=at_once)
    touched = _Touched()
    _place(connection, changed, touched)
    risk.judged(connection, changed)
    alerting = Alerting(RiskWatch(), None, connection, context_version, publishing, now)
    for entity, stretches in sorted(touched.stretches.items()):
        for low, high, ids in _islands(risk.spans(connection, entity), stretches):
            _restate(alerting, entity, low, high, ids)
    return Assessed(len(changed), alerting.created, alerting.updated, len(changed) == at_once)


def _place(connection: Connection, changed: Iterable[Alert], touched: _Touched) -> None:
    """Note whom changed alerts speak of, and spoke of before."""
    spoken_of: dict[Span, list[Entity]] = {}
    for alert in changed:
        span = Span(alert.id, alert.first_seen, alert.last_seen)
        if alert.rule != SLUG:
            spoken_of[span] = entities_in(alert)
        elif (
            len(values := alert.facts.get("notes", {}).get("entity", ())) == 2
        ):  # a person closed it, or opened it again
            touched.add(Entity(*values), span)
    for entity, before in risk.place(connection, spoken_of):
        touched.add(entity, before)
    for span, entities in spoken_of.items():
        for entity in entities:
            touched.add(entity, span)


def _islands(spans: Iterable[Span], stretches: Sequence[Span]) -> list[tuple[datetime, datetime, list[str]]]:
    """Return the stretches of time that hold what changed and reach no alert beyond them, with the alerts inside."""
    found: list[tuple[datetime, datetime, list[str]]] = []
    for span in sorted([*spans, *stretches], key=lambda span: (span.first, span.last)):
        if found and span.first - _APART <= found[-1][1]:
            low, high, ids = found.pop()
            found.append((low, max(high, span.last), [*ids, span.alert_id]))
        else:
            found.append((span.first, span.last, [span.alert_id]))
    return [one for one in found if any(one[0] <= span.first <= one[1] for span in stretches)]


def _restate(alerting: Alerting, entity: Entity, low: datetime, high: datetime, ids: Sequence[str]) -> None:
    connection, group = alerting.connection, group_of(entity)
    held = _held(connection, sorted(set(ids)))
    mine = alerts.standing(connection, SLUG, group_key(group), since=low - FADES_AFTER, until=high + FADES_AFTER)
    cuts = [one.closed_at for one in mine if one.closed_at and one.close_reason not in alerts.ENGINE_REASONS]
    found = _chains(held, cuts)
    if found:
        alerting.lanes = Lanes.load(connection, METADATA, low, high)
    episodes = [_episode(entity, one) for one in found]
    alerting.replace(group, episodes, since=low - FADES_AFTER, until=high + FADES_AFTER, why=_WITHDRAWN)


def _held(connection: Connection, ids: Sequence[str]) -> list[Alert]:
    """Return those of an entity's alerts that count; none where they cannot add up to anything."""
    kinds = {kind for kind in alerts.kinds_of(connection, ids) if kind[0] != SLUG}
    return [alert for alert in alerts.some(connection, ids) if counts(alert)] if may_add_up(kinds) else []


def _chains(held: Sequence[Alert], cuts: Sequence[datetime]) -> list[Moment]:
    """Return the moments of these alerts united, but never over a cut."""
    by_segment: dict[int, list[Moment]] = {}
    for one in moments(held, cuts):
        by_segment.setdefault(sum(cut < one.parts[0].first_seen for cut in cuts), []).append(one)
    return [chain for segment in by_segment.values() for chain in united(segment)]


def _episode(entity: Entity, moment: Moment) -> Episode:
    """Return the episode of a moment: the events of its parts, each once, as far as the parts tell (`distinct`)."""
    parts = [episode_of(part) for part in moment.parts]
    evidence = sorted({one for part in parts for one in part.evidence})
    rows = {one: row for part in parts for one, row in part.rows}
    count, unsure = distinct(parts)
    seen = [(name, value) for part in parts for name, values in part.facts.samples.items() for value in values]
    samples = {name: sorted({value for of, value in seen if of == name})[:SAMPLES] for name in sorted(dict(seen))}
    return Episode(
        moment.first,
        max(part.last for part in parts),
        count,
        all(part.historical for part in moment.parts),
        tuple(evidence[:EVIDENCE_IDS]),
        tuple(sorted(rows.items(), key=lambda pair: pair[0])[:EVIDENCE_ROWS]),
        Facts(samples=samples, notes={**_notes(entity, moment), **({alerts.MINIMUM: True} if unsure else {})}),
    )


def _notes(entity: Entity, moment: Moment) -> dict[str, Any]:
    by_rule: dict[str, list[str]] = {}
    for part in moment.parts:
        untold = ", building block" if part.status == alerts.BUILDING_BLOCK else ""
        by_rule.setdefault(part.rule, []).append(part.severity + untold)
    said = ", ".join(f"{rule} ({', '.join(sorted(set(levels)))})" for rule, levels in sorted(by_rule.items()))
    return {
        "severity": moment.severity,
        "entity": [entity.kind, entity.value],
        "history": f"{shown(moment.score):g} points, which is {moment.severity}, by {len(by_rule)} rules: {said}",
        "parts": [
            {"id": part.id, "rule": part.rule, "severity": part.severity, "first_seen": part.first_seen.isoformat()}
            for part in moment.parts
        ],
    }
