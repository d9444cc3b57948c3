"""From matching rows to episodes: shared by the declarative detections."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from detections.detection import Group
from detections.episode import Episode, Facts, of_event
from detections.fields import CONTROL_EVIDENCE, EVIDENCE_FIELDS, bounded, kept

# The columns that a match is built of, beside the group's fields.
SELECT: Final = "e.event_id, e.event_time, e.late, " + ", ".join(f"e.{name}" for name in EVIDENCE_FIELDS)

# Values an alert keeps a few of, for its sentence and its entities; profiles keep them of every day.
SAMPLED: Final = ("caller_ip", "repository", "registry")
# Those that alerts of rules keep besides: a profile of every day would grow with them. The last ones are the control
# plane's alone.
_SAMPLED_OF_MATCHES: Final = (*SAMPLED, "identity", "tag", *CONTROL_EVIDENCE)


def select(group_by: Sequence[str], *more: str) -> str:
    """Return the select list for matches of this grouping; group fields come out as `group_<field>`."""
    return ", ".join([SELECT, *(f"e.{name} AS group_{name}" for name in group_by), *more])


def group_of(row: Mapping[str, Any], group_by: Sequence[str]) -> Group:
    """Return the group a row belongs to."""
    return tuple((name, row[f"group_{name}"]) for name in group_by)


def episodes_by_group(
    rows: Iterable[Mapping[str, Any]], group_by: Sequence[str], peaks: Mapping[bytes, int] | None = None
) -> dict[Group, list[Episode]]:
    """Return one episode per row, by group. `peaks` gives, per event id, the peak its window reached."""
    found: dict[Group, list[Episode]] = {}
    for row in rows:
        found.setdefault(group_of(row, group_by), []).append(_episode(row, (peaks or {}).get(row["event_id"])))
    return found


def _episode(row: Mapping[str, Any], peak: int | None) -> Episode:
    sampled = {name: row[name] for name in _SAMPLED_OF_MATCHES if row.get(name) is not None}
    facts = Facts(
        totals={f"operation.{row['operation']}": 1},
        peaks={} if peak is None else {"peak": peak},
        samples={name: (str(bounded(value)),) for name, value in sampled.items()},
    )
    return of_event(row["event_time"], row["event_id"].hex(), kept(row), late=row["late"], facts=facts)
