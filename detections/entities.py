"""Who and what an alert is about, typed, so that people and SIEMs can pivot on it."""

from collections.abc import Mapping

from detections.detection import Group
from detections.episode import SAMPLES, Episode
from detections.fields import bounded, readable


def entities_of(types: Mapping[str, str], group: Group, episode: Episode) -> list[dict[str, str]]:
    """Return [{type, value}] for each entity type: the group's value where it has one, else values seen, capped."""
    grouped = dict(group)
    found: list[dict[str, str]] = []
    for kind, field in types.items():
        if grouped.get(field) is not None:
            values = [bounded(readable(field, grouped[field]))]
        else:
            sampled = episode.facts.samples.get(field, ())
            values = sorted({*sampled, *(str(row[field]) for _, row in episode.rows if field in row)})[:SAMPLES]
        found.extend({"type": kind, "value": value} for value in values)
    return found
