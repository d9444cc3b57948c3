"""From episodes to alerts: extend, merge, withdraw, and put the notices in the outbox, all in the run's transaction."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from detections.detection import Detection, Group
from detections.entities import entities_of
from detections.episode import Episode, cluster, merge_all
from detections.events import NewEvents
from detections.lanes import Lanes
from detections.notices import Publishing, notify
from detections.reason import reason
from detections.stored import episode_of, stored_evidence, stored_facts
from storage.state import alerts, outbox
from storage.state.alerts import BLOCKS, LIVE, Alert, Lane

# A long alert is raised again this often, so that it is not forgotten.
RAISE_AGAIN: Final = timedelta(hours=24)
# The width of alerts.group_key.
_KEY_CHARACTERS: Final = 700
_EXPLAINED: Final = "earlier events that arrived later explain it"
# What the history of an alert calls us.
ENGINE: Final = "engine"


@dataclass(slots=True)
class Alerting:
    """Keeps the alerts of one run of one detection. Counts what it changed."""

    detection: Detection
    events: NewEvents | None
    connection: Connection
    context_version: str
    publishing: Publishing
    now: datetime
    lanes: Lanes = Lanes()  # noqa: RUF009 - frozen
    created: int = 0
    updated: int = 0
    _settled: set[str] = field(default_factory=set)

    def add(self, group: Group, matches: Sequence[Episode]) -> None:
        """Add newly matching events of one group to what stands, in each lane by itself.

        A match joins the alert it lies within `group_for` of; alerts that it bridges become the oldest of them. One at
        or before the close of an alert that a person closed belongs to that alert; later ones open a new one.
        """
        for lane, mine in self.lanes.sort(matches).items():
            self._add(group, lane, mine)

    def replace(
        self,
        group: Group,
        episodes: Sequence[Episode],
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        why: str = _EXPLAINED,
    ) -> None:
        """State everything that stands for one group, or within a stretch that no alert reaches out of; alerts that
        nothing supports any more are withdrawn, with `why`."""
        held: dict[Lane, list[Alert]] = {}
        for alert in self._standing(group, lane=None, since=since, until=until):
            held.setdefault(Lane.of(alert), []).append(alert)
        stated = self.lanes.sort(episodes, said=[*held.get(LIVE, ()), *held.get(BLOCKS, ())])
        self._absorb_alike(group, stated, held)
        for lane in [*stated, *(lane for lane in held if lane not in stated)]:
            self._replace(group, lane, stated.get(lane, ()), held.get(lane, []), why)

    def _absorb_alike(
        self, group: Group, stated: dict[Lane, list[Episode]], held: Mapping[Lane, Sequence[Alert]]
    ) -> None:
        """Give what persons closed its matches, whether those are told by now or building blocks: a verdict holds for
        the events it was given on, and an event counts once."""
        mine = [episode for lane in (LIVE, BLOCKS) for episode in stated.get(lane, ())]
        rest = mine
        for alert in (alert for lane in (LIVE, BLOCKS) for alert in held.get(lane, ()) if alert.closed_at is not None):
            rest = self._absorb(group, alert, rest, [])
        if len(rest) < len(mine):
            for lane in (LIVE, BLOCKS):
                left = [one for one in stated.pop(lane, ()) if any(one is other for other in rest)]
                if left:
                    stated[lane] = left

    def _add(self, group: Group, lane: Lane, matches: Sequence[Episode]) -> None:
        gap = self.detection.metadata.group_for
        first, last = min(m.first for m in matches), max(m.last for m in matches)
        held = self._standing(group, since=first - gap, until=last + gap, lane=lane)
        rest = list(matches)
        for alert in (alert for alert in held if alert.closed_at is not None):
            rest = self._absorb(group, alert, rest, [episode_of(alert)])
        by_episode = [(episode_of(alert), alert) for alert in held if alert.closed_at is None]
        for chain in cluster([*rest, *(episode for episode, _ in by_episode)], gap):
            members = [alert for episode, alert in by_episode if any(episode is link for link in chain)]
            if len(members) < len(chain):
                self._settle(group, lane, merge_all(chain), members)

    def _replace(self, group: Group, lane: Lane, episodes: Sequence[Episode], held: Sequence[Alert], why: str) -> None:
        gap = self.detection.metadata.group_for
        open_alerts = [alert for alert in held if alert.closed_at is None]
        for chain in cluster(episodes, gap):
            whole = merge_all(chain)
            members = [alert for alert in open_alerts if whole.near(episode_of(alert), gap)]
            open_alerts = [alert for alert in open_alerts if alert not in members]
            self._settle(group, lane, whole, members)
        for alert in open_alerts:
            self.close(alert, alerts.SUPERSEDED, {"why": why})

    def recount(self, group: Group, times: Sequence[datetime]) -> None:
        """State anew what lies around the open alerts of a group near these times, unless this run did so already."""
        gap = self.detection.metadata.group_for
        for alert in self._standing(group, since=min(times) - gap, until=max(times) + gap, lane=None):
            if alert.id not in self._settled and alert.closed_at is None:
                self._extend(group, alert, episode_of(alert), known=episode_of(alert))

    def _standing(
        self, group: Group, *, lane: Lane | None, since: datetime | None = None, until: datetime | None = None
    ) -> list[Alert]:
        slug = self.detection.metadata.slug
        return alerts.standing(self.connection, slug, group_key(group), since=since, until=until, lane=lane)

    def _absorb(self, group: Group, alert: Alert, matches: list[Episode], base: list[Episode]) -> list[Episode]:
        """Give a closed alert the matches up to its close that reach it; return the others."""
        gap = self.detection.metadata.group_for
        closed_at = alert.closed_at or self.now
        early = [match for match in matches if match.first <= closed_at]
        for chain in cluster([*early, episode_of(alert)], gap):
            joined = [link for link in chain if any(link is match for match in early)]
            if len(joined) < len(chain) and joined:
                self._extend(group, alert, merge_all([*base, *joined]))
                return [match for match in matches if not any(match is link for link in joined)]
        return matches

    def _settle(self, group: Group, lane: Lane, episode: Episode, members: Sequence[Alert]) -> None:
        """Make one open alert of an episode: the oldest member extended, the others merged into it; or a new one."""
        if not members:
            self._create(group, lane, episode)
            return
        survivor, *others = sorted(members, key=lambda alert: alert.id)
        for other in others:
            self.close(other, alerts.MERGED, {"into": survivor.id}, into=survivor.id)
        self._extend(group, survivor, episode, known=episode_of(survivor))

    def _create(self, group: Group, lane: Lane, episode: Episode) -> None:
        metadata = self.detection.metadata
        alert = Alert(
            id=alerts.new_id(self.now),
            rule=metadata.slug,
            rule_id=metadata.id,
            title=metadata.title,
            tags=metadata.tags,
            group_key=group_key(group),
            status=lane.status,
            suppressed_by=lane.suppressed_by,
            close_reason=None,
            merged_into=None,
            revision=1,
            created_at=self.now,
            updated_at=self.now,
            raised_at=self.now,
            closed_at=None,
            changed_after_close=False,
            **{"severity": metadata.level, **self._content(group, episode, known=None)},
        )
        self._settled.add(alert.id)
        alerts.insert_alert(self.connection, alert)
        alerts.record(self.connection, alert.id, "created", _counted(alert), actor=ENGINE, now=self.now)
        self.created += 1
        notify(self.connection, alert, outbox.CREATED, self.publishing, now=self.now)

    def _extend(self, group: Group, alert: Alert, episode: Episode, known: Episode | None = None) -> None:
        self._settled.add(alert.id)
        content = self._content(group, episode, known)
        told = _EPISODE_FIELDS if alert.closed_at is not None else content.keys() - _VERSION_FIELDS
        if all(getattr(alert, name) == content[name] for name in told):
            return
        woken = alert.historical and not content["historical"]
        again = alert.closed_at is None and not woken and self.now - alert.raised_at >= RAISE_AGAIN
        changed = replace(
            alert,
            **content,
            revision=alert.revision + 1,
            updated_at=self.now,
            raised_at=self.now if again or woken else alert.raised_at,
            changed_after_close=alert.changed_after_close or alert.closed_at is not None,
        )
        alerts.save(self.connection, changed)
        alerts.record(self.connection, alert.id, "extended", _counted(changed), actor=ENGINE, now=self.now)
        self.updated += 1
        notify(self.connection, changed, outbox.CREATED if woken else outbox.UPDATED, self.publishing, now=self.now)

    def close(self, alert: Alert, why: str, detail: Mapping[str, Any], *, into: str | None = None) -> None:
        """Close an alert for the engine's own reason, and say so to the destinations."""
        closed = replace(
            alert,
            status=alert.status if alert.status in alerts.SET_APART else alerts.CLOSED,
            close_reason=why,
            merged_into=into,
            closed_at=self.now,
            updated_at=self.now,
            revision=alert.revision + 1,
        )
        alerts.save(self.connection, closed)
        alerts.record(self.connection, alert.id, why, detail, actor=ENGINE, now=self.now)
        self.updated += 1
        notify(self.connection, closed, outbox.CLOSED, self.publishing, now=self.now)

    def _content(self, group: Group, episode: Episode, known: Episode | None) -> dict[str, Any]:
        """Return the fields of an alert that follow from its episode, in the form they are stored in."""
        account = next((row["identity"] for _, row in episode.rows if row.get("identity")), None)
        around = self.detection.nearby(self.events, group, episode, known) if self.events is not None else {}
        notes = {**around, **({"account": account} if account else {})}
        episode = episode.with_notes(notes)
        return {
            "rule_version": self.detection.metadata.version,
            "context_version": self.context_version,
            "historical": episode.late,
            "first_seen": episode.first,
            "last_seen": episode.last,
            "count": episode.count,
            "evidence": [stored_evidence(evidence) for evidence in episode.evidence],
            "evidence_rows": [[stored_evidence(evidence), dict(row)] for evidence, row in episode.rows],
            "facts": stored_facts(episode.facts),
            "entities": entities_of(self.detection.metadata.entities, group, episode),
            "registries": list(episode.facts.samples.get("registry", ())),
            "reason": reason(self.detection.metadata, group, episode),
            **{name: episode.facts.notes[name] for name in ("severity",) if name in episode.facts.notes},
        }


# What a person's verdict was about. A later change of anything else leaves a closed alert as it is.
_EPISODE_FIELDS: Final = frozenset({"first_seen", "last_seen", "count", "evidence"})
# A new version of a rule or of the context alone is no news about an alert.
_VERSION_FIELDS: Final = frozenset({"rule_version", "context_version"})


def _counted(alert: Alert) -> dict[str, Any]:
    """Return how many events an alert has, as its history says it."""
    return {"count": alert.count, **({alerts.MINIMUM: True} if alert.count_is_minimum else {})}


def group_key(group: Group) -> str:
    """Return the one spelling of a group that alerts are found by; a hash where it is longer than its column."""
    text = json.dumps(dict(group), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    if len(text) <= _KEY_CHARACTERS:
        return text
    return json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest()}, separators=(",", ":"))
