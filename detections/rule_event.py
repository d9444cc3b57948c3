"""Detections that judge one event at a time: a Sigma rule without correlation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from detections.compile import quoted
from detections.detection import Group, Judgement, Metadata
from detections.episode import Episode
from detections.events import NewEvents
from detections.match import episodes_by_group, group_of, select


@dataclass(frozen=True, slots=True)
class EventRule:
    """Each event that meets `where` is a match.

    `unjudged` selects events the rule ought to judge and cannot. `nearby_where` selects events that are no matches but
    belong to the picture (the failures around a success); they are counted within `group_for` of an alert.
    """

    metadata: Metadata
    where: str
    unjudged: str | None = None
    nearby_where: str | None = None

    def observe(self, events: NewEvents, /) -> Judgement:
        """See Detection.observe."""
        group_by = self.metadata.group_by
        rows = events.new(select(group_by), self.where)
        beside = events.new(select(group_by), self.nearby_where) if self.nearby_where else []
        blind = events.new("count(*) AS n", self.unjudged)[0]["n"] if self.unjudged else 0
        return Judgement(
            matches=episodes_by_group(rows, group_by),
            touched=frozenset((group_of(row, group_by), row["event_time"]) for row in beside),
            matched=len(rows),
            unjudged=blind,
        )

    def judge(self, observed: Judgement, _connection: Connection, /) -> Judgement:
        """See Detection.judge; nothing is remembered."""
        return observed

    def nearby(self, events: NewEvents, group: Group, episode: Episode, /) -> Mapping[str, Any]:
        """See Detection.nearby."""
        if self.nearby_where is None:
            return {}
        span = self.metadata.group_for
        same = " AND ".join(f"e.{field} IS NOT DISTINCT FROM {_literal(value)}" for field, value in group)
        rows = events.around(
            episode.first - span, episode.last + span, "count(*) AS n", f"({self.nearby_where}) AND {same}"
        )
        return {"nearby": rows[0]["n"]}


def _literal(value: str | None) -> str:
    return "NULL" if value is None else quoted(value)
