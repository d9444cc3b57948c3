"""Episodes as JSON values, and back: how alerts and profiles keep them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from detections.episode import Episode, Evidence, Facts
from storage.state.alerts import Alert


def stored_evidence(evidence: Evidence) -> list[str]:
    """Return evidence as JSON values."""
    return [evidence.time.isoformat(), evidence.event_id]


def stored_facts(facts: Facts) -> dict[str, Any]:
    """Return facts as JSON values."""
    return {
        "totals": dict(facts.totals),
        "peaks": dict(facts.peaks),
        "samples": {name: list(values) for name, values in facts.samples.items()},
        "notes": dict(facts.notes),
    }


def stored_episode(episode: Episode) -> dict[str, Any]:
    """Return an episode as JSON values; `episode_from` reads them back."""
    return {
        "first": episode.first.isoformat(),
        "last": episode.last.isoformat(),
        "count": episode.count,
        "late": episode.late,
        "evidence": [stored_evidence(evidence) for evidence in episode.evidence],
        "rows": [[stored_evidence(evidence), dict(row)] for evidence, row in episode.rows],
        "facts": stored_facts(episode.facts),
    }


def _evidence(stored: Sequence[str]) -> Evidence:
    return Evidence(datetime.fromisoformat(stored[0]), stored[1])


def episode_from(stored: Mapping[str, Any]) -> Episode:
    """Return an episode from its JSON values."""
    return Episode(
        datetime.fromisoformat(stored["first"]),
        datetime.fromisoformat(stored["last"]),
        stored["count"],
        stored["late"],
        tuple(map(_evidence, stored["evidence"])),
        tuple((_evidence(evidence), row) for evidence, row in stored["rows"]),
        Facts(**stored["facts"]),
    )


def episode_of(alert: Alert) -> Episode:
    """Return what an alert holds."""
    return Episode(
        alert.first_seen,
        alert.last_seen,
        alert.count,
        alert.historical,
        tuple(map(_evidence, alert.evidence)),
        tuple((_evidence(evidence), row) for evidence, row in alert.evidence_rows),
        Facts(**alert.facts),
    )
