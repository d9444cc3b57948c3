"""One pass of anomalous-source-ip: observe, keep, judge again what is concerned, state what stands."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Final

from sqlalchemy import Connection

from detections.behavioural.anomalous_source_ip.judging import HISTORY_DATES, MONTH, Judge, Memory
from detections.behavioural.anomalous_source_ip.metadata import METADATA
from detections.behavioural.anomalous_source_ip.observing import UNUSABLE, USABLE, Observed, keep, observe
from detections.behavioural.anomalous_source_ip.registries import Pasts, sooner
from detections.behavioural.anomalous_source_ip.stating import standing
from detections.behavioural.anomalous_source_ip.verdicts import Trusted, overruled, trusted_networks
from detections.detection import Group, Judgement, Metadata
from detections.episode import Episode
from detections.events import NewEvents
from storage.state.visits import Visit, first_day, save_judgements, stays_of, uses_before, visits_since


@dataclass(frozen=True, slots=True)
class AnomalousSourceIp:
    """See the package."""

    has_profile: ClassVar[bool] = True
    asks: ClassVar[Collection[str]] = (USABLE, UNUSABLE)

    metadata: Metadata = METADATA

    def observe(self, events: NewEvents, /) -> Observed:
        """See Detection.observe."""
        return observe(events)

    def judge(self, observed: Observed, connection: Connection, /) -> Judgement:
        """See Detection.judge. Judged again are identities of which something new is kept, and those of whose
        registries something else is known now, from the first date that this bears on."""
        pasts = Pasts(connection)
        kept = keep(connection, observed.days)
        since = dict(kept.since)
        sooner(since, pasts.take_in(observed.homes))
        stays = stays_of(connection, sorted(since))
        trusted = trusted_networks(connection, stays)
        sooner(since, overruled(stays, trusted))
        changed = _judged_otherwise(connection, pasts, trusted, since)
        save_judgements(connection, changed)
        replaced = standing(connection, kept.grown | {(visit.identity_key, visit.network) for visit in changed})
        matched = sum(episode.count for episodes in replaced.values() for episode in episodes)
        looked_at = sum(day.events for day in observed.days)
        return Judgement(replaced=replaced, matched=min(matched, looked_at), unjudged=observed.unjudged)

    def nearby(
        self, _events: NewEvents, _group: Group, _episode: Episode, _known: Episode | None, /
    ) -> Mapping[str, Any]:
        """Nothing: the history is stated with each date."""
        return {}


def _judged_otherwise(connection: Connection, pasts: Pasts, trusted: Trusted, since: Mapping[str, date]) -> list[Visit]:
    """Judge each identity again from its date on; return the days of which the judgement changed."""
    by_date: dict[date, list[str]] = {}
    for identity, day in sorted(since.items()):
        by_date.setdefault(day, []).append(identity)
    changed: list[Visit] = []
    for day, identities in by_date.items():
        visits: dict[str, list[Visit]] = {}
        for visit in visits_since(connection, identities, day):
            visits.setdefault(visit.identity_key, []).append(visit)
        memories = _memories(connection, visits, day)
        for identity, mine in visits.items():
            changed += Judge(memories.get(identity) or Memory(), pasts, trusted.get(identity, {})).walk(mine)
    return changed


def _memories(connection: Connection, visits: Mapping[str, Sequence[Visit]], day: date) -> dict[str, Memory]:
    """Return what those identities did before a date who come from a new network on it or later; others need none."""
    found: dict[str, Memory] = {}
    for identity, mine in visits.items():
        if all(visit.before is not None for visit in mine):
            continue
        began = first_day(connection, identity)
        if began is not None and began < day:
            uses = uses_before(connection, identity, day, dates=HISTORY_DATES, since=day - MONTH)
            found[identity] = Memory.of(began, uses)
    return found


DETECTION: Final = AnomalousSourceIp()
