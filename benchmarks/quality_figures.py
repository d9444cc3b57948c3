"""Counting: which alerts are true, which attacks were found, by detection and by evasive kind.

An alert is true if it rests on at least one record of an attack that its detection is expected to find, or may rightly
tell as well. An attack is found by a detection if one of its alerts rests on it, a building block or not; it is told if
any detection found it by an alert that somebody is told of.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from acrwatch.simulate import KINDS, Attack
from benchmarks.quality_world import Played
from storage.state.alerts import BUILDING_BLOCK, Alert

# Alerts that weigh other alerts together: true where any attack is among their evidence.
OVER_ALL: Final = frozenset({"entity-risk", "risk-accumulated"})


# What the rows of building blocks are named, after their detection.
BLOCKS: Final = " (building blocks)"
# Absence is looked for when a batch of six hours has been stored.
_ABSENCE_SEEN_AFTER: Final = timedelta(hours=6, minutes=15)


@dataclass(slots=True)
class Figures:
    """Counts over worlds by detection; `planned` and `found` of evasive attacks by kind.

    Those `apart` begin staged, so nobody is told of their alerts: they have rows, and no part in the totals. Nor have
    building blocks, which are counted under a name of their own. `told` counts attacks by what they are planned for.
    """

    events: int = 0
    apart: frozenset[str] = frozenset()
    planned: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    by_kind: dict[str, Counter[str]] = field(default_factory=dict)
    true: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    missed: dict[str, list[str]] = field(default_factory=dict)
    untold: dict[str, list[str]] = field(default_factory=dict)

    def recall(self, name: str) -> float | None:
        """Return the share of planned attacks that were found; None where none was planned."""
        return self.found[name] / self.planned[name] if self.planned[name] else None

    def precision(self, slug: str) -> float | None:
        """Return the share of a detection's alerts that are true; None where it gave none."""
        given = self.true[slug] + self.false[slug]
        return self.true[slug] / given if given else None

    def false_told(self) -> int:
        """Return how many false alerts somebody is told of."""
        return sum(count for slug, count in self.false.items() if self.is_told(slug))

    def is_told(self, row: str) -> bool:
        """Return whether somebody is told of the alerts that are counted under this name."""
        return row not in self.apart and not row.endswith(BLOCKS)

    def add(self, played: Played) -> None:
        """Count a world."""
        self.events += played.events
        rests_on = {alert.id: attacks_of(alert, played) for alert in played.alerts}
        finders: dict[int, set[str]] = {}
        for alert in played.alerts:
            fair = {place for place in rests_on[alert.id] if _is_fair(alert.rule, played.attacks[place])}
            row = alert.rule + (BLOCKS if alert.status == BUILDING_BLOCK else "")
            (self.true if fair else self.false)[row] += 1
            if not fair:
                self.examples.setdefault(row, []).append(_described(alert, played, rests_on[alert.id]))
            for place in fair:
                finders.setdefault(place, set()).add(row)
        for place, attack in enumerate(played.attacks):
            self._count(attack, finders.get(place, set()))

    def _count(self, attack: Attack, finders: set[str]) -> None:
        name = attack.kind if attack.evasive else attack.rule
        self.planned[name] += 1
        self.by_kind.setdefault(attack.kind, Counter()).update({"": 1, **dict.fromkeys(finders, 1)})
        label = f"{attack.id} by {attack.identity} from {attack.address}"
        if any(self.is_told(row) for row in finders):
            self.told[name] += 1
        elif not attack.evasive:
            self.untold.setdefault(name, []).append(f"{label}, seen by {', '.join(sorted(finders)) or 'none'}")
        if {attack.rule, attack.rule + BLOCKS} & finders:
            self.found[name] += 1
        elif not attack.evasive:
            self.missed.setdefault(name, []).append(label)


def attacks_of(alert: Alert, played: Played) -> set[int]:
    """Return the attacks (their places) on whose records an alert rests.

    Evidence is capped, earliest first. Beyond the cap an attack counts whose time the alert covers, and whose registry
    and identity or address it is about.
    """
    found = {played.labels[event_id] for _, event_id in alert.evidence if event_id in played.labels}
    if alert.count > len(alert.evidence):  # capped, or an alert of absence, that has none
        found |= {place for place, attack in enumerate(played.attacks) if _covers(alert, attack)}
    return found


def _covers(alert: Alert, attack: Attack) -> bool:
    named = {entity["value"].casefold() for entity in alert.entities}
    silent_until = None if alert.evidence else attack.silent_until  # absence rests on no record, and is nobody's
    end = attack.end if silent_until is None else silent_until + _ABSENCE_SEEN_AFTER
    return (
        alert.first_seen <= end
        and attack.start <= alert.last_seen
        and attack.registry.casefold() in alert.registries
        and (silent_until is not None or attack.identity.casefold() in named or attack.address.casefold() in named)
    )


def _is_fair(slug: str, attack: Attack) -> bool:
    return slug == attack.rule or slug in attack.also or slug in OVER_ALL


def _described(alert: Alert, played: Played, places: Iterable[int]) -> str:
    others = ", ".join(sorted({played.attacks[place].kind for place in places}))
    beside = f" [rests on: {others}]" if others else ""
    return f"{alert.first_seen:%Y-%m-%d %H:%M} {alert.reason}{beside}"


def table(figures: Figures, library: Mapping[str, object], days: int) -> Iterator[str]:
    """Yield the markdown rows, one per detection, and a last one for all; `days` are those of one world."""
    yield "| detection | attacks | found | recall | told by any | true | false | precision | false alerts per day |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    expected = {kind.rule for kind in KINDS.values()}
    for slug in sorted({*library, *expected, *figures.true, *figures.false}):
        if slug not in library and not figures.true[slug] + figures.false[slug]:
            yield f"| {slug} | {figures.planned[slug]} | missing | | | | | | |"
            continue
        yield _row(figures, f"{slug} (staged)" if slug in figures.apart else slug, slug, days)
    total = Figures(figures.events)
    for name in {kind.rule for kind in KINDS.values() if not kind.evasive} - figures.apart:
        total.planned[""] += figures.planned[name]
        total.found[""] += figures.found[name]
        total.told[""] += figures.told[name]
    total.true[""] = sum(count for slug, count in figures.true.items() if figures.is_told(slug))
    total.false[""] = figures.false_told()
    yield _row(total, "**all that is told**", "", days)


def evasive_table(figures: Figures) -> Iterator[str]:
    """Yield the markdown rows of evasive kinds: how often the evaded detection saw them, and which others did."""
    yield "| evasive kind | evades | attacks | seen by it | seen by others |"
    yield "|---|---|--:|--:|---|"
    for kind in KINDS.values():
        if kind.evasive and figures.planned[kind.name]:
            seen = figures.by_kind[kind.name]
            others = ", ".join(
                f"{slug} {n}"
                for slug, n in sorted(seen.items(), key=lambda one: (-one[1], one[0]))
                if slug not in ("", kind.rule)
            )
            yield f"| {kind.name} | {kind.rule} | {seen['']} | {seen[kind.rule]} | {others} |"


def _row(figures: Figures, title: str, name: str, days: int) -> str:
    recall, precision = (
        "" if share is None else f"{share:.2f}" for share in (figures.recall(name), figures.precision(name))
    )
    counts = f"{figures.planned[name] or ''} | {figures.found[name] if figures.planned[name] else ''}"
    told = figures.told[name] if figures.planned[name] else ""
    alerts = f"{figures.true[name]} | {figures.false[name]}"
    return f"| {title} | {counts} | {recall} | {told} | {alerts} | {precision} | {figures.false[name] / days:.3f} |"
