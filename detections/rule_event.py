"""Detections that judge one event at a time: a Sigma rule without correlation."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Final

from sqlalchemy import Connection

from detections.beside import Beside
from detections.detection import Group, Judgement, Metadata
from detections.episode import Episode
from detections.events import NewEvents
from detections.match import episodes_by_group, group_of, select
from detections.needs import NOTHING, Needs

_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class EventRule:
    """Each event that meets `where` is a match.

    `unjudged` selects events the rule ought to judge and cannot. `nearby_where` selects events that are no matches but
    belong to the picture (the failures around a success); they are counted within `group_for` of an alert. `needs` is
    what the context must have, lists and flags by name, before any event can match.
    """

    has_profile: ClassVar[bool] = False

    metadata: Metadata
    where: str
    unjudged: str | None = None
    nearby_where: str | None = None
    needs: Needs = NOTHING

    @property
    def asks(self) -> Collection[str]:
        """See Detection.asks."""
        return [where for where in (self.where, self.unjudged, self.nearby_where) if where]

    def observe(self, events: NewEvents, /) -> Judgement:
        """See Detection.observe."""
        group_by = self.metadata.group_by
        rows = events.new(select(group_by), self.where)
        place = ", ".join(["e.event_time", *(f"e.{name} AS group_{name}" for name in group_by)])
        beside = events.new(f"DISTINCT {place}", self.nearby_where) if self.nearby_where else []
        blind = events.count(self.unjudged) if self.unjudged else 0
        return Judgement(
            matches=episodes_by_group(rows, group_by),
            touched=frozenset((group_of(row, group_by), row["event_time"]) for row in beside),
            matched=len(rows),
            unjudged=blind,
        )

    def judge(self, observed: Judgement, _connection: Connection, /) -> Judgement:
        """See Detection.judge; nothing is remembered."""
        return observed

    def nearby(self, events: NewEvents, group: Group, episode: Episode, known: Episode | None, /) -> Mapping[str, Any]:
        """See Detection.nearby. What was counted before is not counted again: an alert may last for months."""
        if self.nearby_where is None:
            return {}
        span = self.metadata.group_for
        first, last = episode.first - span, episode.last + span
        beside = events.kept(
            self.metadata.version, lambda: Beside(events, str(self.nearby_where), self.metadata.group_by)
        )
        if known is None or "nearby" not in known.facts.notes:
            return {"nearby": beside.count(group, first, last)}
        low, high = known.first - span, known.last + span
        number = known.facts.notes["nearby"] + beside.count_new(group, low, high)
        number += beside.count(group, first, low - _TICK) + beside.count(group, high + _TICK, last)
        return {"nearby": number}
