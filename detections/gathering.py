"""Many events as one episode, put together in SQL: for detections whose matches are whole days."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from typing import Any, Final

from detections.episode import Episode, Evidence, Facts
from detections.fields import EVIDENCE_FIELDS, bounded, kept
from detections.match import SAMPLED

_ROW: Final = ", ".join(f"{name} := e.{name}" for name in EVIDENCE_FIELDS)
_SAMPLES: Final = ", ".join(f"list_sort(list(DISTINCT e.{name}))[1:10] AS all_{name}" for name in SAMPLED)


def select(cap: int) -> str:
    """Return the select list of an episode that keeps `cap` events as evidence, for a query that groups."""
    return (
        "min(e.event_time) AS first, max(e.event_time) AS last, count(*) AS events, bool_and(e.late) AS late, "
        "histogram(e.operation) AS operations, "
        # The least structures, compared by time and id first. To put all of them in order took five times as long.
        f"min(struct_pack(time := e.event_time, id := e.event_id, {_ROW}), {cap}) AS sample, {_SAMPLES}"
    )


def gathered(row: Mapping[str, Any]) -> Episode:
    """Return the episode of one row of such a query."""
    sample = [(Evidence(item["time"].astimezone(UTC), item["id"].hex()), item) for item in row["sample"]]
    return Episode(
        row["first"],
        row["last"],
        row["events"],
        row["late"],
        tuple(evidence for evidence, _ in sample),
        tuple((evidence, kept(item)) for evidence, item in sample),
        Facts(
            totals={f"operation.{name}": number for name, number in row["operations"].items()},
            samples={name: [str(bounded(v)) for v in row[f"all_{name}"] if v is not None] for name in SAMPLED},
        ),
    )


def capped(episode: Episode, cap: int) -> Episode:
    """Return the episode with the earliest `cap` events as evidence: so it is the same, merged of whatever parts."""
    return replace(episode, evidence=episode.evidence[:cap], rows=episode.rows[:cap])
