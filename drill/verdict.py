"""Holds what an ordeal left against what must stand there."""

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from drill.load import Load
from drill.outcome import Outcome

T = TypeVar("T", bound=Hashable)

# So many examples of a breach are shown; the folder holds the rest.
_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Check:
    """One promise: what was found, and the evidence where it is broken (none where it holds)."""

    promise: str
    found: str
    breaches: tuple[str, ...] = ()

    @property
    def held(self) -> bool:
        """Whether the promise was kept."""
        return not self.breaches


def judge(load: Load, found: Outcome, wanted: Outcome) -> list[Check]:
    """Return the checks of what is stored, refused, judged and announced."""
    return [
        _stored(load, found, wanted),
        _rejects(load, found),
        _standing(found, wanted),
        _announced(found),
        Check("no incident is left open", f"{len(found.incidents)} open", tuple(found.incidents)),
    ]


def _stored(load: Load, found: Outcome, wanted: Outcome) -> Check:
    """By correlation id, which no code under test has made, and by event id against the undisturbed run."""
    sent = Counter(load.correlations)
    stored = Counter(correlation for _, correlation in found.rows.elements())
    breaches = [
        *_named("lost", sent - stored),
        *_named("stored, never sent or more often than sent", stored - sent),
        *_named("event id stored more than once", Counter(_repeated(id_ for id_, _ in found.rows.elements()))),
        *_named("event id of the undisturbed run missing", wanted.rows - found.rows),
        *_named("event id that the undisturbed run has not", found.rows - wanted.rows),
    ]
    lost, double = (sent - stored).total(), (stored - sent).total()
    figures = f"{sent.total():,} records sent, {found.rows.total():,} rows, {lost} lost, {double} double"
    return Check("each record is stored exactly once", figures, tuple(breaches))


def _rejects(load: Load, found: Outcome) -> Check:
    breaches = [*_named("reject lost", load.bad - found.bad), *_named("reject not planned", found.bad - load.bad)]
    figures = f"{load.bad.total():,} unreadable sent, {found.bad.total():,} kept"
    return Check("each unreadable record is kept once", figures, tuple(breaches))


def _standing(found: Outcome, wanted: Outcome) -> Check:
    breaches = [
        *_named("alert missing", wanted.standing - found.standing),
        *_named("alert that the undisturbed run has not", found.standing - wanted.standing),
    ]
    if not wanted.standing:
        breaches.append("the undisturbed run has no alerts: nothing is shown")
    rules = ", ".join(f"{count} {rule}" for rule, count in sorted(Counter(one[0] for one in wanted.standing).items()))
    figures = f"{found.standing.total()} stand, {wanted.standing.total()} undisturbed: {rules}"
    return Check("standing alerts equal those of an undisturbed run", figures, tuple(breaches))


def _announced(found: Outcome) -> Check:
    twice = {key: count for key, count in found.announced.items() if count > 1}
    missing = sorted(found.told.keys() - {alert for alert, _ in found.announced})
    breaches = [
        *_named("announced more than once", Counter(twice)),
        *(f"never announced: {alert} ({found.told[alert]})" for alert in missing[:_SHOWN]),
        *(f"never sent: {delivery}" for delivery in found.unsent[:_SHOWN]),
    ]
    figures = f"{len(found.told)} alerts to tell, {found.announced.total()} announcements, {len(found.unsent)} unsent"
    return Check("each alert is announced once to each destination", figures, tuple(breaches))


def arrived(found: Outcome, destination: str, taken: Iterable[str]) -> Check:
    """Return whether a destination has heard of every alert at least once."""
    missing = sorted(found.told.keys() - set(taken))
    breaches = tuple(f"{alert} ({found.told[alert]}) never arrived" for alert in missing[:_SHOWN])
    figures = f"{len(found.told) - len(missing)} of {len(found.told)}"
    return Check(f"each alert arrives at least once: {destination}", figures, breaches)


def _repeated(ids: Iterable[T]) -> dict[T, int]:
    return {id_: count for id_, count in Counter(ids).items() if count > 1}


def _named(what: str, found: "Counter[T]") -> list[str]:
    """Return examples in words, and how many more there are."""
    shown = [f"{what}: {one!r}" + (f" ({count} times)" if count > 1 else "") for one, count in found.items()]
    more = [f"{what}: {len(shown) - _SHOWN} more"] if len(shown) > _SHOWN else []
    return shown[:_SHOWN] + more
