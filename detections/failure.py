"""The alert about ourselves: a detection that raises is never taken for one that found nothing."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from sqlalchemy import Connection

from detections.alerting import Alerting, group_key
from detections.detection import Detection, Group, Judgement, Metadata
from detections.episode import Episode
from detections.events import NewEvents
from detections.notices import Publishing
from storage.state import alerts, incidents

SLUG: Final = "detection-failed"
KIND: Final = "failed_detection"

METADATA: Final = Metadata(
    slug=SLUG,
    id="5a0f5f0e-0c36-4a6b-9a54-1d0f6c5f2e55",
    version="1",
    title="A detection fails",
    description="A detection raised an error; events wait unjudged by it until a run succeeds.",
    level="high",
    status="stable",
    author="acrwatch",
    date="2026-11-22",
    group_by=("detection",),
    group_for=timedelta(days=3650),
    entities={"detection": "detection"},
    reason="Detection {detection} has failed {count:time} ({span}), so its part of the events is not judged.",
    runbook=("Read the error: acrwatch rules list.", "It is tried again with every pass, from where it stood."),
    blind_spots=("A detection that wrongly finds nothing does not fail.",),
)


@dataclass(frozen=True, slots=True)
class _SelfWatch:
    has_profile: ClassVar[bool] = False
    asks: ClassVar[Collection[str]] = ()
    metadata: Metadata = METADATA

    def observe(self, _events: NewEvents, /) -> Judgement:
        return Judgement()

    def judge(self, observed: Judgement, _connection: Connection, /) -> Judgement:
        return observed

    def nearby(
        self, _events: NewEvents, _group: Group, _episode: Episode, _known: Episode | None, /
    ) -> Mapping[str, Any]:
        return {}


def raised(
    connection: Connection, detection: Detection, message: str, publishing: Publishing, *, now: datetime
) -> None:
    """Open, or extend, the incident and the alert about a failing detection."""
    slug = detection.metadata.slug
    incidents.open(
        connection,
        _incident(slug),
        kind=KIND,
        message=f"Detection {slug} fails, so its part of the events is not judged: {message}",
        remedy=f"Run acrwatch rules test {slug}; it is tried again with every pass, from where it stood",
        now=now,
    )
    episode = Episode(now, now, 1, late=False, evidence=(), rows=())
    _alerting(connection, publishing, now).add((("detection", slug),), [episode])


def failing(connection: Connection) -> frozenset[str]:
    """Return the detections whose last run failed, and of which none has succeeded since."""
    open_now = (one.key for one in incidents.current(connection) if one.kind == KIND)
    return frozenset(key.removeprefix(_incident("")) for key in open_now)


def recovered(
    connection: Connection, slug: str, publishing: Publishing, *, now: datetime, why: str = "a run succeeded"
) -> None:
    """Resolve the incident and close the alert, where there are any."""
    if incidents.resolve(connection, _incident(slug), now=now):
        close(connection, slug, alerts.RECOVERED, why, publishing, now=now)


def close(connection: Connection, slug: str, reason: str, why: str, publishing: Publishing, *, now: datetime) -> None:
    """Close the alert that a detection fails, where there is one."""
    alerting = _alerting(connection, publishing, now)
    for alert in alerts.standing(connection, SLUG, group_key((("detection", slug),))):
        if alert.closed_at is None:
            alerting.close(alert, reason, {"why": why})


def forget(connection: Connection, in_use: Collection[str], publishing: Publishing, *, now: datetime) -> None:
    """End what stands about failing detections that are none of those in use: they will not run again."""
    for slug in failing(connection) - set(in_use):
        recovered(connection, slug, publishing, now=now, why="the detection is in use no longer")


def _incident(slug: str) -> str:
    return f"{KIND}/{slug}"


def _alerting(connection: Connection, publishing: Publishing, now: datetime) -> Alerting:
    return Alerting(_SelfWatch(), None, connection, "", publishing, now)
