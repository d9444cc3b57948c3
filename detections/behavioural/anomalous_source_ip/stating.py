"""From network days that match to what stands as alerts, and the words that say why."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Connection

from detections.behavioural.anomalous_source_ip.judging import SURPRISING
from detections.behavioural.anomalous_source_ip.metadata import group_of
from detections.detection import Group
from detections.episode import Episode
from detections.fields import readable
from detections.lanes import WEAK
from detections.stored import episode_from
from storage.state.profiles import NetworkDay, matching_days_of

_MOVING: Final = (
    " A person who moves between networks comes to a new one now and then, so this alone is told to nobody."
)


def standing(connection: Connection, places: Iterable[tuple[str, str]]) -> dict[Group, list[Episode]]:
    """Return everything that matches of these identities and networks, by group; an empty list where nothing does."""
    wanted = sorted(set(places))
    found: dict[Group, list[Episode]] = {group_of(*place): [] for place in wanted}
    for day in matching_days_of(connection, wanted):
        found[group_of(day.identity_key, day.network)].append(_episode(day))
    return found


def _episode(day: NetworkDay) -> Episode:
    judgement = day.judgement or {}
    episode = episode_from(day.sample)
    weak = {WEAK: True} if judgement.get("moves") else {}
    return episode.with_notes({"history": _sentence(judgement), "baseline": dict(judgement), **weak})


def _sentence(judgement: Mapping[str, Any]) -> str:
    known = f"It has been known for {judgement['days_known']} days"
    limit = f"surprising below {100 * SURPRISING:.0f} %"
    if "networks" not in judgement:
        return (
            f"{known}, so it is judged by {_registry_words(judgement)}: nobody first came from this network there, and "
            f"a newcomer brings one of its own with a chance of up to {100 * judgement['chance']:.0f} % ({limit})."
        )
    networks = ", ".join(f"{readable('network', name)} on {days}" for name, days in judgement["networks"]) or "none"
    total = judgement["networks_total"]
    return (
        f"{known}; on the last {judgement['days_used']} days of its use "
        f"it came from {total} {'network' if total == 1 else 'networks'} (days: {networks}), which gives a new one a "
        f"chance of {100 * judgement['chance']:.1f} % ({limit}){_backing(judgement)}."
        f"{_MOVING if judgement.get('moves') else ''}"
    )


def _backing(judgement: Mapping[str, Any]) -> str:
    if "registry" not in judgement:
        return ""
    return f"; to newcomers, {_registry_words(judgement)}, gives up to {100 * judgement['registry_chance']:.0f} %"


def _registry_words(judgement: Mapping[str, Any]) -> str:
    return f"registry {judgement['registry']}, known since {judgement['registry_since']}"
