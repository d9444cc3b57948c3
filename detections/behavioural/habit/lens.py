"""What a detection looks at: from new events to sightings, and from dates that match to their events."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any, Final

import pyarrow as pa

from detections import gathering
from detections.episode import Episode
from detections.events import NewEvents
from detections.fields import VALUE_CHARACTERS, bounded_key
from detections.placeholders import in_values
from storage.state.habits import WHOLE, Slot

# Events kept of each date that matches.
_EVIDENCE_A_DAY: Final = 10
_ASKED: Final = "asked_slots"
_WORDS: Final = "translated_values"

_Register = Callable[[str, pa.Table], None]
# Runs `SELECT .. WHERE ..`, grouped by all that is no aggregate.
_Grouped = Callable[[str, str], list[dict[str, Any]]]

# What succeeded, by somebody: refused calls are no habit, and the nameless share none. Azure's services are not judged.
ORDINARY: Final = f"e.succeeded AND e.identity IS NOT NULL AND NOT ({in_values('e.identity', 'platform_identities')})"


@dataclass(frozen=True, slots=True)
class Lens:
    """SQL over `e`, a row of events with the derived fields: which events count (`where`), whose habit it is, and what
    of it (NULL: the event shows only that its subject was there). `names` are the group fields that subject and value
    stand for. `translate` makes the value of what SQL gives, where SQL cannot know it; None stands for NULL."""

    where: str
    subject: str
    value: str = "NULL"
    names: tuple[str, str] = ("actor", "value")
    translate: Callable[[str], str | None] | None = None

    @property
    def counted(self) -> str:
        """The condition of an event that counts, and has a subject."""
        return f"({self.where}) AND ({self.subject}) IS NOT NULL"

    def sightings(self, events: NewEvents) -> Mapping[Slot, int]:
        """Return how many new events there are of each subject, value and date."""
        select = f"{self.subject} AS subject, {self.value} AS value, e.event_date AS day, count(*) AS events"
        found: dict[Slot, int] = {}
        for row in events.grouped(select, self.counted, "ALL"):
            slot = Slot(bounded_key(row["subject"]), bounded_key(self._translated(row["value"]) or WHOLE), row["day"])
            found[slot] = found.get(slot, 0) + row["events"]
        return found

    def new_episodes(self, events: NewEvents, slots: Collection[Slot]) -> dict[Slot, Episode]:
        """Return what the new rows hold of these slots."""
        if not slots:
            return {}
        return self._episodes(slots, events.register, lambda select, where: events.grouped(select, where, "ALL"))

    def all_episodes(self, events: NewEvents, slots: Collection[Slot]) -> dict[Slot, Episode]:
        """Return what the lake holds of these slots, judged rows and new ones; reads the files of their dates."""
        if not slots:
            return {}
        days = sorted({slot.day for slot in slots})
        around = events.near([
            (datetime.combine(day, time.min, UTC), datetime.combine(day, time.max, UTC)) for day in days
        ])  # fmt: skip
        return self._episodes(
            slots, around.register, lambda select, where: around.rows(select, where, group_by="ALL")
        )  # fmt: skip

    def _translated(self, value: str | None) -> str | None:
        return value if value is None or self.translate is None else self.translate(value)

    def _episodes(self, slots: Collection[Slot], register: _Register, grouped: _Grouped) -> dict[Slot, Episode]:
        register(_ASKED, _table(slots))
        subject, value = _key(self.subject), _key(self.value)
        if all(slot.value == WHOLE for slot in slots):
            value = f"'{WHOLE}'"
        elif self.translate is not None:
            asked = f"({self.where}) AND ({subject}, e.event_date) IN (SELECT (subject, day) FROM {_ASKED})"
            register(_WORDS, self._words(row["value"] for row in grouped(f"{self.value} AS value", asked)))
            value = f"(SELECT w.translated FROM {_WORDS} w WHERE w.value = {self.value})"
        select = f"{subject} AS subject, {value} AS value, e.event_date AS day, {gathering.select(_EVIDENCE_A_DAY)}"
        asked = f"({subject}, {value}, e.event_date) IN (SELECT (subject, value, day) FROM {_ASKED})"
        rows = grouped(select, f"({self.where}) AND {asked}")
        return {Slot(row["subject"], row["value"], row["day"]): gathering.gathered(row) for row in rows}

    def _words(self, values: Iterable[str | None]) -> pa.Table:
        words = {value: self._translated(value) for value in values if value is not None}
        kind = pa.string()
        return pa.table({"value": pa.array(words.keys(), kind), "translated": pa.array(words.values(), kind)})


def merged(known: Episode, fresh: Episode) -> Episode:
    """Return one episode of both parts of a slot."""
    return gathering.capped(known.merge(fresh), _EVIDENCE_A_DAY)


def _key(sql: str) -> str:
    """Return SQL that bounds a text as `bounded_key` does."""
    start = f"left({sql}, {VALUE_CHARACTERS - 33}) || '#' || left(sha256({sql}), 32)"
    return f"CASE WHEN length({sql}) <= {VALUE_CHARACTERS} THEN {sql} ELSE {start} END"


def _table(slots: Iterable[Slot]) -> pa.Table:
    rows = sorted(slots)
    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True))
    kinds = (pa.string(), pa.string(), pa.date32())
    return pa.table({n: pa.array(c, k) for n, c, k in zip(Slot._fields, columns, kinds, strict=True)})
