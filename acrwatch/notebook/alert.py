"""One alert in a notebook: why, its events, what else there is about the same subjects, and what happened around it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from acrwatch.choosing import interval
from acrwatch.core.setting import duration
from acrwatch.core.wording import at_least
from acrwatch.notebook.alert_frame import alert_frame
from acrwatch.notebook.stored import LIMIT, Stored, spelled
from acrwatch.notebook.warning import TruncatedWarning, warn
from storage.alert_table import alert_table
from storage.selection import Selection
from storage.state import alerts as store

if TYPE_CHECKING:
    from altair import LayerChart

_TICK: Final = timedelta(microseconds=1)
_NEARBY: Final = "1h"
_RELATED: Final = "7d"
_SUBJECTS: Final = ("identity", "ip", "network", "digest", "tag", "user_agent")


class Alert:
    """An alert as it was stored when it was asked for. Times are aware UTC."""

    def __init__(self, lake: Stored, stored: store.Alert, history: Sequence[Mapping[str, Any]]) -> None:
        self._lake = lake
        self._stored = stored
        self._history = history

    def __repr__(self) -> str:
        one = self._stored
        events = f"{at_least(one.count, store.as_json(one))} events"
        return f"<alert {one.id}: {one.severity} {one.rule}, {one.status}, {events} from {one.first_seen}>"

    @property
    def id(self) -> str:
        """Its id."""
        return self._stored.id

    @property
    def rule(self) -> str:
        """The slug of the detection that raised it."""
        return self._stored.rule

    @property
    def title(self) -> str:
        """What the detection calls it."""
        return self._stored.title

    @property
    def severity(self) -> str:
        """informational, low, medium, high or critical."""
        return self._stored.severity

    @property
    def status(self) -> str:
        """new, active or closed; suppressed, staged or building-block where nobody was told."""
        return self._stored.status

    @property
    def why(self) -> str:
        """Why it was raised: one sentence with the real values, the threshold and what was seen."""
        return self._stored.reason

    @property
    def facts(self) -> Mapping[str, Any]:
        """The figures behind the sentence: totals, peaks, samples, notes."""
        return self._stored.facts

    @property
    def entities(self) -> Sequence[Mapping[str, str]]:
        """Whom and what it is about: type and value of each."""
        return self._stored.entities

    @property
    def count(self) -> int:
        """How many distinct events matched; at least so many where `count_is_minimum`."""
        return self._stored.count

    @property
    def count_is_minimum(self) -> bool:
        """Whether it may be more: of `entity-risk`, whose parts share events and do not keep all of theirs."""
        return self._stored.count_is_minimum

    @property
    def first_seen(self) -> datetime:
        """Time of its first event."""
        return self._stored.first_seen

    @property
    def last_seen(self) -> datetime:
        """Time of its last event."""
        return self._stored.last_seen

    def history(self) -> pd.DataFrame:
        """Return what was done to it, oldest first: at (UTC), actor, change, detail (a mapping)."""
        frame = pd.DataFrame([dict(line) for line in self._history], columns=["at", "actor", "change", "detail"])
        frame.attrs["query"] = {"relation": "alert_history", "alert": self.id}
        return frame

    def events(self, *, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the events it rests on, in order of time, as `Client.events` does.

        An alert keeps the ids of its earliest events, one of `entity-risk` what its parts keep. A TruncatedWarning says
        so where more matched, or where some are not stored any more.
        """
        kept = tuple(bytes.fromhex(event_id) for _, event_id in self._stored.evidence)
        chosen = Selection(self.first_seen, self.last_seen + _TICK, {"event_id": kept}, control_plane=True)
        found = self._lake.events(chosen, columns, {"alert": self.id}, limit=None)
        if self._stored.evidence_truncated:
            document = store.as_json(self._stored)
            earliest = "" if document["parts"] else "its earliest "
            warn(f"alert {self.id} keeps {earliest}{len(kept)} of {at_least(self.count, document)} events; "
                 "around() has the others", TruncatedWarning)  # fmt: skip
        if len(found) < len(kept):
            warn(f"{len(kept) - len(found)} of {len(kept)} events of alert {self.id} are no longer stored; "
                 "evidence() has what was kept of them", TruncatedWarning)  # fmt: skip
        return found

    def evidence(self) -> pd.DataFrame:
        """Return what the alert itself keeps of its earliest events, which outlives their retention."""
        rows = [{"event_time": pd.Timestamp(time), "event_id": event_id, **row}
                for (time, event_id), row in self._stored.evidence_rows]  # fmt: skip
        frame = pd.DataFrame(rows, columns=None if rows else ["event_time", "event_id"])
        frame.attrs["query"] = {"relation": "evidence", "alert": self.id}
        return frame

    def around(self, before: str = _NEARBY, after: str = _NEARBY, *, limit: int | None = LIMIT) -> pd.DataFrame:
        """Return what its identities and addresses did from so long before to so long after it, in order of time.

        In every registry, for an intruder may have gone on to another one; of an alert about neither, everything in its
        own. The column `in_alert` marks the events that it keeps. Where there are more than `limit` by its identities,
        or from its addresses, the newest, with a TruncatedWarning.
        """
        since, until = self.first_seen - duration(before), self.last_seen + duration(after) + _TICK
        query = {"alert": self.id, "around": [before, after]}
        parts = [self._lake.events(one, None, query, limit=limit) for one in self._selections(since, until)]
        frame = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
        if len(parts) > 1:
            frame = frame.drop_duplicates("event_id").sort_values("event_time", kind="stable", ignore_index=True)
        kept = {event_id for _, event_id in self._stored.evidence}
        frame.insert(0, "in_alert", frame["event_id"].isin(kept))
        frame.attrs["query"] = parts[0].attrs["query"]
        return frame

    def _selections(self, since: datetime, until: datetime) -> list[Selection]:
        found = []
        if identities := self._of("identity"):
            found.append(Selection(since, until, {"identity": identities}))
        if addresses := (*self._of("ip"), *self._of("network")):
            found.append(Selection(since, until, addresses=[interval(one) for one in addresses]))
        registries = {"registry": tuple(self._stored.registries)} if self._stored.registries else {}
        return found or [Selection(since, until, registries)]

    def _of(self, *types: str) -> tuple[str, ...]:
        return tuple(one["value"] for one in self._stored.entities if one["type"] in types)

    def related(self, within: str = _RELATED) -> pd.DataFrame:
        """Return other alerts, building blocks too, about a subject of this one, newest first, up to `within` before
        or after it.

        The column `shared` lists what both are about: an identity, address, network, digest, tag or user agent. A
        registry or repository alone is none: all its alerts would be related.
        """
        span = duration(within)
        since, until = self.first_seen - span, self.last_seen + span
        with self._lake.state() as connection:
            others = store.find(connection, blocks=True, since=since, until=until)
        mine = _subjects(self._stored)
        shared = {one.id: sorted(mine & _subjects(one)) for one in others if one.id != self.id}
        found = [one for one in others if shared.get(one.id)]
        query = {"relation": "alerts", **spelled(since, until), "related_to": self.id}
        frame = alert_frame(alert_table(found), query)
        frame.insert(0, "shared", pd.Series([shared[one.id] for one in found], dtype=object))
        return frame

    def timeline(self, before: str = _NEARBY, after: str = _NEARBY, *, by: str = "operation") -> "LayerChart":
        """Draw `around` over time, the alert's own time shaded. Needs the extra `charts`."""
        from acrwatch.notebook import charts

        around = self.around(before, after)
        return charts.timeline(around, by=by, marked=(self.first_seen, self.last_seen), title=self.why)


def _subjects(alert: store.Alert) -> set[str]:
    return {f"{one['type']} {one['value']}" for one in alert.entities if one["type"] in _SUBJECTS}
