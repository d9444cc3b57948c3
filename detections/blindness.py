"""Alerts about ourselves not seeing: looked at by the clock, not by new events, with `now` passed in.

Rules of absence are no functions of the rows alone, so they stand outside the promise that any split of the events
gives the same alerts. Each condition is an incident for as long as it lasts; one that lasts long enough is an alert
too, closed as `recovered` when it is over. A person who closes such an alert is not told of the same stretch again.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from sqlalchemy import Connection

from detections import failure, silence
from detections.alerting import RAISE_AGAIN, Alerting, group_key
from detections.detection import Group, Judgement, Metadata
from detections.episode import Episode, Facts
from detections.events import NewEvents
from detections.notices import Publishing
from detections.presence import Survey
from detections.silence import Condition
from storage.lake import Lake
from storage.state import alerts, incidents, runs
from storage.state.database import Database
from storage.state.incidents import Incident

GAP: Final = "ingest-gap"
STOPPED: Final = "ingest-stopped"
BROKEN: Final = "rule-not-loaded"

# Incidents that the sources open themselves, and the alert that each of these kinds is worth. A source that is down
# may be back at once, so it gets as long as a silent registry; one that lags has done so for 10 minutes already.
_MIRRORED: Final[Mapping[str, tuple[str, timedelta]]] = {
    "gap": (GAP, timedelta(0)),
    "sequence_went_back": (STOPPED, timedelta(0)),
    "source_down": (STOPPED, timedelta(minutes=15)),
    "hub_lag": (silence.DELAYED, timedelta(minutes=15)),
    "broken_rule": (BROKEN, timedelta(0)),
}
# How an alert ends whose incident ended by itself; a gap ends by age alone, for nothing can undo it.
_ENDED: Final = (alerts.RECOVERED, "it is over")
_ENDS: Final[Mapping[str, tuple[str, str]]] = {GAP: (alerts.EXPIRED, "nobody acknowledged it in 7 days")}
_SEEN: Final = "a person acknowledged its incident"
_DAY: Final = timedelta(hours=24)


def _metadata(slug: str, number: int, title: str, level: str, subject: str, *runbook: str) -> Metadata:
    return Metadata(
        slug=slug,
        id=f"7c1f0a52-3d0e-4f4b-8a55-0d5b1f6e9a{number:02d}",
        version="1",
        title=title,
        description=f"{title}: while this lasts, the absence of alerts says little.",
        level=level,
        status="stable",
        author="acrwatch",
        date="2026-11-22",
        group_by=(subject,),
        group_for=timedelta(days=3650),
        entities={subject: subject},
        reason="{why}.",
        runbook=runbook,
        blind_spots=("It is judged by the clock while acrwatch runs, and not at all while it does not.",),
    )


_DIAGNOSTICS: Final = "Look at the registry's diagnostic setting and at what arrives in the event hub: acrwatch check."
_LOST: Final = (
    "Import that time from the storage archive (acrwatch import), if there is one; raise the hub's retention.",
    "acrwatch incidents ack KEY, with the place above as KEY, puts it away and closes this alert.",
)
_UNREAD: Final = (
    "acrwatch check says whether the hub answers, lets us in and goes on from what is stored.",
    "Where the hub was made anew or failed over: acrwatch ingest reset.",
)
_UNUSED: Final = (
    "acrwatch rules lint FILE tells the mistake; once the file is mended it is read again by itself.",
    "Its detection then goes on from where it stood, so what came meanwhile is judged.",
)
METADATA: Final[Mapping[str, Metadata]] = {
    one.slug: one
    for one in (
        _metadata(silence.SILENT, 1, "A registry fell silent", "medium", "registry", _DIAGNOSTICS),
        _metadata(silence.UNCOVERED, 2, "A configured registry never spoke", "medium", "registry", _DIAGNOSTICS),
        _metadata(silence.DELAYED, 3, "Events are stored late", "medium", "stream", "Look at the load of the machine."),
        _metadata(
            silence.UNJUDGED, 4, "Events could not be judged", "medium", "detection", "Run acrwatch check --live."
        ),
        _metadata(GAP, 5, "Messages were lost before they were read", "high", "place", *_LOST),
        _metadata(STOPPED, 6, "An event hub partition is not read", "high", "place", *_UNREAD),
        _metadata(BROKEN, 7, "A rule file is not in use", "high", "place", *_UNUSED),
    )
}


@dataclass(frozen=True, slots=True)
class _SelfWatch:
    metadata: Metadata
    has_profile: ClassVar[bool] = False
    asks: ClassVar[Collection[str]] = ()

    def observe(self, _events: NewEvents, /) -> Judgement:
        return Judgement()

    def judge(self, observed: Judgement, _connection: Connection, /) -> Judgement:
        return observed

    def nearby(
        self, _events: NewEvents, _group: Group, _episode: Episode, _known: Episode | None, /
    ) -> Mapping[str, Any]:
        return {}


@dataclass(frozen=True, slots=True)
class Watched:
    """What one look found: conditions that hold, alerts created and changed."""

    conditions: int
    created: int
    updated: int


class Watch:
    """Looks for what blinds us. One per thread; keep it, for it remembers what it has read of the lake."""

    def __init__(self, lake: Lake, database: Database, registries: Collection[str], publishing: Publishing) -> None:
        """`registries` are the configured names, case folded."""
        self._lake = lake
        self._database = database
        self._registries = registries
        self._publishing = publishing
        self._survey = Survey()

    def look(self, *, now: datetime) -> Watched:
        """Bring incidents and alerts up to date with what holds at `now`. Raises StoreError."""
        presence = self._survey.look(self._lake.snapshot())
        late = silence.delayed(presence, now=now)
        quiet = silence.silent(presence, self._registries, now=now)
        with self._database.begin() as connection:
            incidents.expire(connection, now=now)
            if late:  # what has not been read yet may well be words: nobody new is called silent
                held = {incident.key for incident in incidents.current(connection)}
                quiet = [condition for condition in quiet if condition.key in held]
            found = [*quiet, *silence.uncovered(presence, self._registries), *late]
            _state(connection, found, now)
            found += silence.unjudged(runs.unjudged(connection, since=now - _DAY))
            found += _mirrored(connection)
            created, updated = _alert(connection, found, self._publishing, now)
        return Watched(len(found), created, updated)


def _state(connection: Connection, found: Sequence[Condition], now: datetime) -> None:
    """Open an incident per condition and resolve those of ours that no condition stands for any more."""
    for condition in found:
        incidents.open(
            connection, condition.key, kind=condition.kind, message=condition.message, remedy=condition.remedy, now=now
        )
    keys = {condition.key for condition in found}
    for incident in incidents.current(connection):
        if incident.kind in METADATA and incident.key not in keys:
            incidents.resolve(connection, incident.key, now=now)


def _mirrored(connection: Connection) -> list[Condition]:
    """Return as conditions what the sources reported themselves."""
    return [_condition(one) for one in incidents.current(connection) if one.kind in _MIRRORED]


def _condition(one: Incident) -> Condition:
    slug, alert_after = _MIRRORED[one.kind]
    # Lag is about a stream, as is a delay seen in its rows: both are one alert.
    subject = one.key.partition("/")[2] if slug == silence.DELAYED else one.key
    return Condition(slug, subject, one.message, one.remedy, alert_after, incident=False, reported_as=one.key)


def acknowledge(connection: Connection, one: Incident, publishing: Publishing, *, now: datetime) -> None:
    """End an incident because a person has taken note of it, and close the alert about it, if there is one."""
    incidents.resolve(connection, one.key, now=now)
    if one.kind == failure.KIND:
        slug = one.key.partition("/")[2]
        failure.close(connection, slug, alerts.ACKNOWLEDGED, _SEEN, publishing, now=now)
    if one.kind in _MIRRORED:
        metadata = METADATA[_MIRRORED[one.kind][0]]
        alerting = Alerting(_SelfWatch(metadata), None, connection, "", publishing, now)
        for alert in alerts.standing(connection, metadata.slug, group_key(_group(metadata, _condition(one)))):
            if alert.closed_at is None:
                alerting.close(alert, alerts.ACKNOWLEDGED, {"why": _SEEN})


def _alert(
    connection: Connection, found: Sequence[Condition], publishing: Publishing, now: datetime
) -> tuple[int, int]:
    """Open, keep up and close alerts; return how many were created and changed."""
    since = {incident.key: incident.since for incident in incidents.current(connection)}
    made = [Alerting(_SelfWatch(metadata), None, connection, "", publishing, now) for metadata in METADATA.values()]
    for alerting in made:
        metadata = alerting.detection.metadata
        mine = {_group(metadata, one): one for one in found if one.kind == metadata.slug}
        for group, one in mine.items():
            began = since.get(one.key)
            if began is None or now - began >= one.alert_after:
                _raise(alerting, group, one, began or now - _DAY)
        wanted = {group_key(group) for group in mine}
        for alert in alerts.find(connection, rule=metadata.slug):
            if alert.closed_at is None and alert.group_key not in wanted:
                reason, why = _ENDS.get(metadata.slug, _ENDED)
                alerting.close(alert, reason, {"why": why})
    return sum(one.created for one in made), sum(one.updated for one in made)


def _raise(alerting: Alerting, group: Group, condition: Condition, began: datetime) -> None:
    """Make one alert of a condition; say it again every day while it is open, never once a person closed it."""
    slug = alerting.detection.metadata.slug
    held = [
        alert
        for alert in alerts.standing(alerting.connection, slug, group_key(group))
        if alert.closed_at is None or (alert.close_reason != alerts.RECOVERED and alert.closed_at >= began)
    ]
    if any(alert.closed_at is not None or alerting.now - alert.raised_at < RAISE_AGAIN for alert in held):
        return
    facts = Facts(samples={"registry": condition.registries}, notes={"why": condition.message})
    alerting.add(group, [Episode(alerting.now, alerting.now, 1, late=False, evidence=(), rows=(), facts=facts)])


def _group(metadata: Metadata, condition: Condition) -> Group:
    return ((metadata.group_by[0], condition.subject),)
