"""Which matches people are told of: not those of a rule that is staged, nor those that a suppression hides, nor those
that are too weak to be told alone (building blocks), all of a rule's or those that it says so of.

All are judged by event time, never by the time of arrival or of judgement: a late event of a suppressed hour is
suppressed, one of an hour after it is not, and the end of a suppression releases nothing. So what stands is the same
however the events were split (P4). What is not told is recorded all the same, in alerts set apart from the others.
"""

import fnmatch
import ipaddress
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from detections.detection import Metadata
from detections.episode import SAMPLES, Episode
from storage.state import stages, suppressions
from storage.state.alerts import BLOCKS, LIVE, STAGED, SUPPRESSED, Alert, Lane
from storage.state.stages import Life
from storage.state.suppressions import Suppression

# The note by which a detection says of a match that it is a building block, though the rule is not.
WEAK: Final = "building_block"

# The field of an event that a condition is about, beside the rule.
FIELDS: Final[Mapping[str, str]] = {
    "registry": "registry",
    "identity": "identity",
    "network": "caller_ip",
    "repository": "repository",
    "digest": "digest",
}


@dataclass(frozen=True, slots=True)
class Lanes:
    """What one rule's matches are sorted by. Without suppressions, and active, every match is told."""

    life: Life = Life(stages.ACTIVE)  # noqa: RUF009 - frozen
    suppressions: Sequence[Suppression] = ()

    @classmethod
    def load(cls, connection: Connection, metadata: Metadata, first: datetime, last: datetime) -> "Lanes":
        """Return what holds for a rule's matches between two moments."""
        life = life_of(connection, metadata)
        return cls(life, suppressions.covering(connection, metadata.slug, first, last))

    def of(self, episode: Episode, said: Collection[Alert] = ()) -> Lane | None:
        """Return the lane of a match; None where its rule was retired at the time: it did not run.

        A match may last for days, and its rule be promoted meanwhile: it is told as soon as some of it is to be told.
        `said` are standing alerts that state the match already: a suppression made after them does not take it back.
        """
        for one in self.suppressions:
            if hides(one, episode) and not any(_stated(alert, episode, one) for alert in said):
                return Lane(SUPPRESSED, one.id)
        held = self.life.stages_between(episode.first, episode.last)
        if stages.ACTIVE in held:
            # Whoever promotes a rule that is active wants to be told of its weak matches as well.
            weak = episode.facts.notes.get(WEAK) and self.life.word_at(episode.last) is None
            return BLOCKS if weak else LIVE
        if stages.BUILDING_BLOCK in held:
            return BLOCKS
        return Lane(STAGED) if stages.STAGED in held else None

    def sort(self, episodes: Sequence[Episode], said: Collection[Alert] = ()) -> dict[Lane, list[Episode]]:
        """Return the matches by lane, in order of the lanes; those of a retired time are left out."""
        found: dict[Lane, list[Episode]] = {}
        for episode in episodes:
            lane = self.of(episode, said)
            if lane is not None:
                found.setdefault(lane, []).append(episode)
        return dict(sorted(found.items(), key=lambda pair: (pair[0].status, pair[0].suppressed_by or 0)))


def life_of(connection: Connection, metadata: Metadata) -> Life:
    """Return the life of a rule."""
    return Life(metadata.stage, stages.steps(connection, metadata.slug).get(metadata.slug, ()))


def hides(suppression: Suppression, episode: Episode) -> bool:
    """Return whether a suppression covers a match: its whole time, and everything that is known of it.

    A match of several events that it covers in part, or perhaps, is told: better once too often.
    """
    in_time = suppression.starts_at <= episode.first and episode.last < suppression.end
    return in_time and asks_for(suppression, episode) and _is_known(suppression, episode)


def _is_known(suppression: Suppression, episode: Episode) -> bool:
    """Return whether what is kept of a match shows all it has of what a suppression asks for.

    Of a day with more events than rows are kept, an alert samples values up to a cap: past it there may be any. Digests
    are not sampled; identities need not be, for such a day is one identity's.
    """
    asked = _wanted(suppression)
    full = any(len(episode.facts.samples.get(FIELDS[name], ())) >= SAMPLES for name in asked)
    return episode.count <= len(episode.rows) or not (full or "digest" in asked)


def asks_for(suppression: Suppression, episode: Episode) -> bool:
    """Return whether everything known of a match meets a suppression's conditions on events, whenever it happened."""
    rows = [row for _, row in episode.rows]
    samples = [{FIELDS[name]: value} for name in FIELDS for value in episode.facts.samples.get(FIELDS[name], ())]
    known = bool(rows) or not _wanted(suppression)
    return known and all(meets_all(suppression, row) for row in rows) and all(_none_fails(suppression, samples))


def meets_all(suppression: Suppression, row: Mapping[str, Any]) -> bool:
    """Return whether one event, as evidence keeps it, meets a suppression's conditions on events."""
    return all(_meets(name, value, row.get(FIELDS[name])) for name, value in _wanted(suppression).items())


def _none_fails(suppression: Suppression, samples: Iterable[Mapping[str, str]]) -> Iterator[bool]:
    """Yield whether each value that events beyond those kept had is one that the suppression asks for."""
    wanted = _wanted(suppression)
    for sample in samples:
        yield from (_meets(name, wanted[name], sample[FIELDS[name]]) for name in wanted if FIELDS[name] in sample)


def _wanted(suppression: Suppression) -> Mapping[str, str]:
    return {name: value for name, value in suppression.conditions.items() if name in FIELDS}


def _meets(condition: str, wanted: str, value: object) -> bool:
    if value is None:
        return False
    text = str(value)
    if condition == "network":
        return ipaddress.ip_address(text) in ipaddress.ip_network(wanted)
    if condition == "repository":
        return fnmatch.fnmatchcase(text.casefold(), wanted.casefold())
    return text.casefold() == wanted.casefold()


def _stated(alert: Alert, episode: Episode, suppression: Suppression) -> bool:
    return alert.created_at < suppression.created_at and alert.first_seen <= episode.first <= alert.last_seen
