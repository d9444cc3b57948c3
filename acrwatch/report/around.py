"""One alert and what lies around it: what its callers did, in order, and which other alerts speak of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from acrwatch.report import blindness, traffic
from acrwatch.report.blindness import Blindness
from acrwatch.report.scope import Scope
from acrwatch.report.traffic import About, Traffic
from storage import lookup
from storage.query import Reader
from storage.state import alerts as store
from storage.state import runs
from storage.state.alerts import STAGED, SUPPRESSED, Alert

LINES: Final = 200
"""Lines of the sequence that are shown; those with evidence first, and the page says how many there are."""
PLACES: Final = 20
"""Addresses of one identity's whole history that are shown, the latest first."""

# What led to an alert and what followed is mostly within the hours around it; a longer one asks for as much again.
_AROUND: Final = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Around:
    """Everything a report on one alert says.

    `related`: other alerts of the span that name one of its callers, earliest first. `sequence`: see
    `traffic.sequence`; `lines` how many there are in all. `past`: by identity, on which registries and from which
    addresses it was ever used, as `storage.lookup.tally` counts. `traffic`: of its callers alone.
    """

    scope: Scope
    made_at: datetime
    alert: Alert
    history: Sequence[Mapping[str, Any]]
    about: About
    related: Sequence[Alert]
    sequence: Sequence[Mapping[str, Any]]
    lines: int
    past: Mapping[str, Sequence[Mapping[str, Any]]]
    traffic: Traffic
    blindness: Blindness


def span_around(alert: Alert) -> tuple[datetime, datetime]:
    """Return the time around an alert that a report looks at unless told otherwise: two hours before and after, or as
    long as the alert itself lasted where that is longer."""
    margin = max(_AROUND, alert.last_seen - alert.first_seen)
    return alert.first_seen - margin, alert.last_seen + margin


def callers_of(alert: Alert) -> About:
    """Return the identities and addresses that an alert names. Identities of the control plane and of Entra are told
    from no others: who is called the same is taken for the same."""
    values: dict[str, list[str]] = {}
    for entity in alert.entities:
        values.setdefault(entity["type"], []).append(entity["value"])
    return About(tuple(values.get("identity", ())), tuple(values.get("ip", ())))


def gather(
    connection: Connection,
    reader: Reader,
    alert: Alert,
    scope: Scope,
    *,
    now: datetime,
    lateness: timedelta,
    keep: timedelta | None = None,
    judging: Collection[str] | None = None,
) -> Around:
    """Return what there is to say around an alert, as of `now` (aware); `keep` is how long the records of runs are
    kept, `judging` are the detections that passes run (None: all that ever ran). Raises StoreError."""
    about = callers_of(alert)
    traffic.hold(reader, scope, lateness=lateness)
    arrival = traffic.arrival(reader, runs.load(connection), judging)
    traffic.hold(reader, scope, lateness=lateness, about=about)
    evidence = [event_id for _, event_id in alert.evidence]
    lines, number = traffic.sequence(reader, evidence, limit=LINES)
    return Around(
        scope,
        now,
        alert,
        store.history(connection, alert.id),
        about,
        _related(connection, alert, scope, about),
        lines,
        number,
        {
            name: lookup.tally(reader, ["identity"], name, by=["registry", "caller_ip"]).to_pylist()
            for name in about.identities
        },
        traffic.figures(reader, scope),
        blindness.gather(connection, scope, arrival, now=now, keep=keep),
    )


def _related(connection: Connection, alert: Alert, scope: Scope, about: About) -> list[Alert]:
    names = {("identity", name.casefold()) for name in about.identities} | {("ip", one) for one in about.addresses}
    return [
        other
        for other in scope.within(store.touching(connection, scope.since, scope.until))
        if other.id != alert.id
        and other.status not in (SUPPRESSED, STAGED)
        and names & {(one["type"], one["value"].casefold()) for one in other.entities}
    ]
