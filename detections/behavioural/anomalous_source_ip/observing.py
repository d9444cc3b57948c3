"""From new events to network days and homes, and what they add to the profile."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from typing import Any, Final

from sqlalchemy import Connection

from detections import gathering
from detections.behavioural.anomalous_source_ip.registries import second, sooner
from detections.episode import Episode
from detections.events import NewEvents
from detections.fields import bounded, bounded_key
from detections.stored import episode_from, stored_episode
from storage.state.homes import Home
from storage.state.profiles import NetworkDay, network_days_at, save_network_days

# Of two networks at the same moment, the lesser by name.
_HOME_OF: Final = (
    "e.registry, e.actor, min(struct_pack(time := e.event_time, network := e.network)) AS home, "
    "list_sort(list(DISTINCT e.event_date))[1:2] AS dates"
)
_EVIDENCE_A_DAY: Final = 5
_JUDGED: Final = "e.succeeded AND e.identity IS NOT NULL"
USABLE: Final = f"{_JUDGED} AND e.network IS NOT NULL"
UNUSABLE: Final = f"{_JUDGED} AND e.network IS NULL"
_SELECT: Final = f"e.actor, e.network, e.event_date, {gathering.select(_EVIDENCE_A_DAY)}"


@dataclass(frozen=True, slots=True)
class Observed:
    """What a slice holds: network days, homes (registry and identity at most once), and calls without an address."""

    days: Sequence[NetworkDay]
    homes: Sequence[Home]
    unjudged: int

    def __bool__(self) -> bool:
        return bool(self.days or self.homes or self.unjudged)


def observe(events: NewEvents) -> Observed:
    """Return what the new rows say of networks and homes, and the number of calls whose address is unusable."""
    rows = events.grouped(_SELECT, USABLE, "e.actor, e.network, e.event_date")
    homes = events.grouped(_HOME_OF, USABLE, "e.registry, e.actor")
    unjudged = events.count(UNUSABLE)
    return Observed([_network_day(row) for row in rows], [_home(row) for row in homes], unjudged)


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of observed days in the profile: the identities to judge again, each with the first date that may be
    judged otherwise, and the identities and networks of days that matched already and hold more events now."""

    since: dict[str, date]
    grown: frozenset[tuple[str, str]]


def keep(connection: Connection, fresh: Iterable[NetworkDay]) -> Kept:
    """Merge days into the profile.

    Judged anew are identities with a date, a registry of a date, or an earlier beginning of one that was not seen
    before: more of the same on a known day changes no judgement.
    """
    days = {_key(day): day for day in fresh}
    known = network_days_at(connection, list(days))
    merged = {key: _merged(known.get(key), day) for key, day in days.items()}
    save_network_days(connection, merged.values())
    since: dict[str, date] = {}
    for key, day in merged.items():
        if key not in known or _says_more(day, known[key]):
            sooner(since, {day.identity_key: date.fromisoformat(day.date)})
    grown = frozenset((day.identity_key, day.network) for day in merged.values() if day.judgement is not None)
    return Kept(since, grown)


def _says_more(day: NetworkDay, known: NetworkDay) -> bool:
    return day.first_time < known.first_time or _registries(day) != _registries(known)


def _registries(day: NetworkDay) -> Sequence[str]:
    return list(day.sample["facts"]["samples"].get("registry", ()))


def _key(day: NetworkDay) -> tuple[str, str, str]:
    return day.identity_key, day.network, day.date


def _home(row: Mapping[str, Any]) -> Home:
    home = row["home"]
    second_date = second([day.isoformat() for day in row["dates"]])
    first_time = home["time"].astimezone(UTC)
    return Home(bounded(row["registry"]), bounded_key(row["actor"]), home["network"], first_time, second_date)


def _network_day(row: Mapping[str, Any]) -> NetworkDay:
    return network_day(
        bounded_key(row["actor"]), row["network"], row["event_date"].isoformat(), gathering.gathered(row)
    )


def network_day(
    identity: str, network: str, day: str, episode: Episode, judgement: Mapping[str, Any] | None = None
) -> NetworkDay:
    """Return what the profile keeps of these calls: all of one identity, network and UTC date (ISO)."""
    sample = stored_episode(gathering.capped(episode, _EVIDENCE_A_DAY))
    return NetworkDay(
        identity, network, day, episode.first, episode.last, episode.count, episode.late, sample, judgement
    )


def _merged(known: NetworkDay | None, fresh: NetworkDay) -> NetworkDay:
    if known is None:
        return fresh
    both = episode_from(known.sample).merge(episode_from(fresh.sample))
    return network_day(known.identity_key, known.network, known.date, both, known.judgement)
