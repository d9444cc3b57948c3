"""How much the alerts of several rules say together of one entity: its risk, as points that fade.

An alert is worth the points of its severity while it lasts and for a day after, half of that after another day, and so
on for four days. At any moment each rule counts once, by its alert worth most. The points of a severity are also where
the next lower ones together reach it, 2.5 times those below: three rules of one severity within a day make the next
(3 > 2.5), two never do. Where the score reaches a severity that none of its alerts has, it is an alert of its own.

What stands is a function of the alerts that stand (P4), their verdicts among them: an alert that a person called false,
benign, a test or a duplicate is worth nothing, and what happened before a person closed an alert about the risk of an
entity is not counted towards the next.

Building blocks (docs/decisions/0019) are alerts that nobody was told of. They are worth their points and set no bar,
for nobody has heard of them. They wake somebody where two alerts at least come together and reach a severity that none
of the told ones has, medium at the least.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from acrwatch.core.identity import OBJECT_ID, USER, identity_kind
from acrwatch.core.verdict import BENIGN, DUPLICATE, FALSE, outcome_of
from detections.detection import Group, Metadata
from storage.state.alerts import BLOCKS, LIVE, Alert, Lane
from storage.state.risk import Entity

SLUG: Final = "entity-risk"
POINTS: Final[Mapping[str, int]] = {"informational": 0, "low": 4, "medium": 10, "high": 25, "critical": 62}
# An alert keeps its points for so long after its last event, then loses half of them in each such time.
FADES_AFTER: Final = timedelta(days=1)
# Past this an alert is worth an eighth of its points, and soon nothing: it is not looked at any more.
HORIZON: Final = timedelta(days=4)

_ORDER: Final = tuple(POINTS)
# What building blocks alone must reach to be told: what is less is read when there is time, as each of them may be.
_LEAST: Final = "medium"
# Building blocks of these count once together: whoever is in a new country is on a new network.
_PLACE: Final = ("first-country", "country-new-to-registry", "anomalous-source-ip")
_SAME: Final[Mapping[str, str]] = dict.fromkeys(_PLACE, "place")

METADATA: Final = Metadata(
    slug=SLUG,
    id="0f6f5a0e-5d1b-4c57-8d0a-6f0e3a1b7c21",
    version="3",
    title="Several rules together speak of one identity",
    description=(
        "Alerts that are each too small to matter add up: by entity, each rule once, fading after a day. "
        "Severities weigh 4 (low), 10 (medium), 25 (high) and 62 (critical) points; the score is read on that scale. "
        "Building blocks, of which nobody is told alone, count as well."
    ),
    level="medium",
    status="stable",
    author="acrwatch",
    date="2026-11-22",
    group_by=("kind", "entity"),
    group_for=FADES_AFTER,
    entities={"identity": "identity", "ip": "caller_ip", "registry": "registry", "repository": "repository"},
    reason="{entity} is spoken of by several rules at once: {history}.",
    runbook=(
        "Read the alerts that it is made of, earliest first: each names what happened and what to do.",
        "Ask whether one cause explains them all: a new pipeline, a moved network, a stolen credential.",
        "Close alerts that are wrong as false positive: their points go, and this alert with them.",
    ),
    falsepositives=("A person who takes up new work on a new machine is new to several rules at once.",),
    blind_spots=(
        "An attacker who stays within one rule, or needs more than a day between steps, adds up to little.",
        "Rules that name no identity count for the address; those that name neither do not count.",
    ),
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time at which alerts together are worth more than each of them: `parts`, earliest first, and their score."""

    first: datetime
    last: datetime
    parts: tuple[Alert, ...]
    score: float

    @property
    def severity(self) -> str:
        """The severity that the score reaches."""
        return severity_of(self.score)


def group_of(entity: Entity) -> Group:
    """Return the group of an entity's alerts."""
    return (("kind", entity.kind), ("entity", entity.value))


def entities_in(alert: Alert) -> list[Entity]:
    """Return whom an alert speaks of: its identities, or, where it names none, its addresses.

    Entra identities are one across registries; an admin, a token or an unknown name means something within its registry
    only, and is spelled `registry/name`.
    """
    values: dict[str, list[str]] = {}
    for one in alert.entities:
        values.setdefault(one["type"], []).append(one["value"])
    names = [name for name in values.get("identity", ()) if name not in ("", "-")]
    found = {Entity("identity", spelled) for name in names for spelled in _spelled(name, alert.registries)}
    return sorted(found or {Entity("ip", address) for address in values.get("ip", ()) if address != "-"})


def _spelled(name: str, registries: Sequence[str]) -> Iterator[str]:
    if identity_kind("", name, ()) in (USER, OBJECT_ID) or not registries:
        yield name.casefold()
    else:
        yield from (f"{registry}/{name.casefold()}" for registry in registries)


def counts(alert: Alert) -> bool:
    """Return whether an alert is worth anything to anyone's risk."""
    dismissed = outcome_of(alert.close_reason) in (FALSE, BENIGN) or alert.close_reason in (DUPLICATE, "test")
    known = Lane.of(alert) in (LIVE, BLOCKS)
    return alert.standing and known and alert.rule != SLUG and not dismissed and _points(alert) > 0


def _points(alert: Alert) -> int:
    return POINTS.get(alert.severity, 0)


def worth(alert: Alert, moment: datetime) -> float:
    """Return the points that an alert has at a moment; 0 before its first event."""
    age = max(moment - alert.last_seen, timedelta())
    if moment < alert.first_seen or age > HORIZON:
        return 0.0
    return float(_points(alert) * 0.5 ** max(age / FADES_AFTER - 1, 0.0))


def severity_of(score: float) -> str:
    """Return the highest severity whose points a score reaches."""
    return [name for name in _ORDER if POINTS[name] <= score][-1]


def shown(points: float) -> float:
    """Return points as people read them: cut to a tenth, for rounded up they would seem to reach what they do not."""
    return math.floor(points * 10) / 10


def counted(held: Iterable[Alert], moment: datetime) -> tuple[Alert, ...]:
    """Return the alert of each rule that is worth most at a moment, the earlier of two, in order of time.

    Where two of a rule are worth the same, the one that was told; of building blocks that see the same, one.
    """
    of_rule: dict[str, tuple[float, bool, Alert]] = {}
    for alert in sorted(held, key=_in_order):
        value = worth(alert, moment), not _is_block(alert)
        if value[0] > 0 and (alert.rule not in of_rule or value > of_rule[alert.rule][:2]):
            of_rule[alert.rule] = *value, alert
    best: dict[str, tuple[float, Alert]] = {}
    for points, told, alert in sorted(of_rule.values(), key=lambda one: _in_order(one[2])):
        about = alert.rule if told else _SAME.get(alert.rule, alert.rule)
        if about not in best or points > best[about][0]:
            best[about] = points, alert
    return tuple(sorted((alert for _, alert in best.values()), key=_in_order))


def may_add_up(kinds: Collection[tuple[str, str, bool]]) -> bool:
    """Return whether alerts of these rules and severities, building blocks or not, can be worth more together than what
    was told of them, if all were fresh.

    False is certain. The alerts themselves need no look, of which one noisy rule may have hundreds for one entity.
    """
    told = {rule for rule, _, block in kinds if not block}
    bars = {_rank(severity) for _, severity, block in kinds if not block}
    for bar in sorted(bars | {_rank(_LEAST) - 1}):
        worst: dict[str, int] = {}
        for rule, severity, block in kinds:
            if block or _rank(severity) <= bar:
                about = rule if rule in told else _SAME.get(rule, rule)
                worst[about] = max(POINTS.get(severity, 0), worst.get(about, 0))
        if len(worst) > 1 and _rank(severity_of(sum(worst.values()))) > bar:
            return True
    return False


def moments(held: Collection[Alert], cuts: Sequence[datetime] = ()) -> Iterator[Moment]:
    """Yield when the alerts of one entity, all of which count, were worth more together than each; in order of time.

    The score rises only when an alert begins, so those are the times to look at. `cuts` are times at which a person
    closed an alert about the risk: what lies before one is not counted with what lies after it.
    """
    segments: dict[int, list[Alert]] = {}
    for alert in sorted(held, key=_in_order):
        segments.setdefault(sum(cut < alert.first_seen for cut in cuts), []).append(alert)
    for segment in segments.values():
        alive: list[Alert] = []
        for time, begun in groupby(segment, key=lambda alert: alert.first_seen):
            alive = [one for one in alive if time - one.last_seen <= HORIZON] + list(begun)
            if not may_add_up({(one.rule, one.severity, _is_block(one)) for one in alive}):
                continue
            parts = counted(alive, time)
            score = sum(worth(part, time) for part in parts)
            if len(parts) > 1 and _rank(severity_of(score)) > _bar(parts):
                last = max(part.last_seen for part in parts)
                yield Moment(min(part.first_seen for part in parts), max(last, time), parts, score)


@dataclass(frozen=True, slots=True)
class Risk:
    """What an entity's alerts are worth at a moment; `parts` are those that count, one per rule, the first first."""

    entity: Entity
    score: float
    parts: tuple[Alert, ...]


def risks(held: Iterable[Alert], moment: datetime) -> list[Risk]:
    """Return the entities that these alerts speak of with what is left of their points, most first."""
    by_entity: dict[Entity, list[Alert]] = {}
    for alert in held:
        for entity in entities_in(alert) if counts(alert) else ():
            by_entity.setdefault(entity, []).append(alert)
    found = [(entity, counted(mine, moment)) for entity, mine in by_entity.items()]
    scored = [Risk(entity, sum(worth(part, moment) for part in parts), parts) for entity, parts in found if parts]
    return sorted(scored, key=lambda one: (-one.score, one.entity))


def united(found: Iterable[Moment]) -> list[Moment]:
    """Return moments that lie within FADES_AFTER of each other as one, with the parts of all and the highest score."""
    chains: list[Moment] = []
    for one in sorted(found, key=lambda moment: (moment.first, moment.last)):
        if chains and one.first - FADES_AFTER <= chains[-1].last:
            before = chains.pop()
            parts = {part.id: part for part in (*before.parts, *one.parts)}
            ordered = tuple(sorted(parts.values(), key=_in_order))
            one = Moment(before.first, max(before.last, one.last), ordered, max(before.score, one.score))
        chains.append(one)
    return chains


def _bar(parts: Iterable[Alert]) -> int:
    """Return the rank of the highest severity that somebody was told of, or of what is below telling."""
    return max((_rank(part.severity) for part in parts if not _is_block(part)), default=_rank(_LEAST) - 1)


def _is_block(alert: Alert) -> bool:
    return Lane.of(alert) == BLOCKS


def _rank(severity: str) -> int:
    return _ORDER.index(severity) if severity in _ORDER else 0


def _in_order(alert: Alert) -> tuple[datetime, str, str]:
    """Ids are random: two runs over the same events must see the same order."""
    return alert.first_seen, alert.rule, alert.group_key
