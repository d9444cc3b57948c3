"""What behavioural detections remember: folds over events that come out the same in whatever order events arrive.

Three tables, each row owned by one detection: the first UTC date on which a subject showed a value (a minimum), the
dates on which it was seen and how much (sums, maxima), and the matches that stand. What reading costs follows the
subjects and dates asked for: every query here begins with an index, and none reads further back than it is told to.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, func, select

from storage.state.dialect import insert
from storage.state.tables import habit_days, habit_firsts, habit_matches

# SQLite takes at most 32,766 variables in one statement.
_KEYS_AT_ONCE: Final = 500
# The value under which a date's measure stands.
WHOLE: Final = ""


class Slot(NamedTuple):
    """One UTC date of a subject and a value; the value is WHOLE where a match is about the subject alone."""

    subject: str
    value: str
    day: date


@dataclass(frozen=True, slots=True)
class Match:
    """A slot that matches: the key of its alert's group, why it matches, and the events (as JSON values)."""

    slot: Slot
    group_key: str
    judgement: Mapping[str, Any]
    episode: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Habits:
    """The rows of one detection, by slug."""

    connection: Connection
    detection: str

    def note_firsts(self, firsts: Mapping[tuple[str, str], date]) -> set[tuple[str, str]]:
        """Keep the earlier of what is known and these first dates, by (subject, value); return those that are news."""
        rows = [
            self._row(subject=subject, value=value, first_date=day.isoformat())
            for (subject, value), day in firsts.items()
        ]
        fresh = insert(self.connection, habit_firsts)
        earlier = fresh.on_conflict_do_update(
            index_elements=["detection", "subject", "value"],
            set_={"first_date": fresh.excluded.first_date},
            where=fresh.excluded.first_date < habit_firsts.c.first_date,
        ).returning(habit_firsts.c.subject, habit_firsts.c.value)
        return {(subject, value) for subject, value in self._returned(earlier, rows)}

    def note_dates(self, dates: Iterable[tuple[str, date]]) -> set[tuple[str, date]]:
        """Keep that these subjects were seen on these dates; return what was not known."""
        return {(slot.subject, slot.day) for slot in self.note_days(Slot(name, WHOLE, day) for name, day in dates)}

    def note_days(self, slots: Iterable[Slot]) -> set[Slot]:
        """Keep that these slots were seen, with an amount of 1; return those that were not known."""
        rows = [self._day_row(slot, 1) for slot in slots]
        keys = ["detection", "subject", "value", "date"]
        added = insert(self.connection, habit_days).on_conflict_do_nothing(index_elements=keys).returning(*_SLOT)
        return {_slot(*row) for row in self._returned(added, rows)}

    def add_amounts(self, amounts: Mapping[Slot, int]) -> dict[Slot, int]:
        """Add these amounts to what the slots hold; return what each holds then."""
        fresh = insert(self.connection, habit_days)
        return self._put_amounts(amounts, fresh.excluded.amount + habit_days.c.amount, None)

    def raise_amounts(self, amounts: Mapping[Slot, int]) -> dict[Slot, int]:
        """Let each slot hold at least this amount; return those that hold more than before, with what they hold."""
        fresh = insert(self.connection, habit_days)
        return self._put_amounts(amounts, fresh.excluded.amount, fresh.excluded.amount > habit_days.c.amount)

    def _put_amounts(
        self, amounts: Mapping[Slot, int], value: ColumnElement[int], where: ColumnElement[bool] | None
    ) -> dict[Slot, int]:
        keys = ["detection", "subject", "value", "date"]
        statement = insert(self.connection, habit_days).on_conflict_do_update(
            index_elements=keys, set_={"amount": value}, where=where
        )
        rows = [self._day_row(slot, amount) for slot, amount in amounts.items()]
        found = self._returned(statement.returning(*_SLOT, habit_days.c.amount), rows)
        return {_slot(*key): amount for *key, amount in found}

    def firsts_since(self, subjects: Sequence[str], since: date) -> list[Slot]:
        """Return the first dates on or after a date of these subjects' values, in order of subject, date and value."""
        mine = (habit_firsts.c.detection == self.detection, habit_firsts.c.first_date >= since.isoformat())
        columns = (habit_firsts.c.subject, habit_firsts.c.first_date, habit_firsts.c.value)
        query = select(*columns).where(*mine)
        rows = [row for some in _portions(subjects) for row in self._execute(query, habit_firsts.c.subject.in_(some))]
        return [Slot(subject, value, date.fromisoformat(day)) for subject, day, value in sorted(rows)]

    def measures_since(self, subjects: Sequence[str], since: date, *, least: int = 0) -> dict[str, dict[date, int]]:
        """Return the measures of these subjects' dates on or after a date, of `least` and more, dates in order."""
        query = select(habit_days.c.subject, habit_days.c.date, habit_days.c.amount).where(
            *self._seen(), habit_days.c.date >= since.isoformat(), habit_days.c.amount >= least
        )
        found: dict[str, dict[date, int]] = {}
        for some in _portions(subjects):
            for subject, day, amount in sorted(self._execute(query, habit_days.c.subject.in_(some))):
                found.setdefault(subject, {})[date.fromisoformat(day)] = amount
        return found

    def dates_since(self, subjects: Sequence[str], since: date) -> list[tuple[str, date, date | None]]:
        """Return the dates on or after a date on which these subjects were seen, each with the last one before it."""
        earlier = habit_days.alias()
        same = (getattr(earlier.c, name) == getattr(habit_days.c, name) for name in ("detection", "subject", "value"))
        before = select(func.max(earlier.c.date)).where(*same, earlier.c.date < habit_days.c.date).scalar_subquery()
        query = select(habit_days.c.subject, habit_days.c.date, before).where(
            *self._seen(), habit_days.c.date >= since.isoformat()
        )
        rows = [row for some in _portions(subjects) for row in self._execute(query, habit_days.c.subject.in_(some))]
        return [(name, date.fromisoformat(day), last and date.fromisoformat(last)) for name, day, last in sorted(rows)]

    def values_from(self, subjects: Sequence[str], least: str) -> dict[str, list[str]]:
        """Return the values, from `least` on in order of text, that these subjects were seen with on any date."""
        query = select(habit_days.c.subject, habit_days.c.value).where(
            habit_days.c.detection == self.detection, habit_days.c.value >= least, habit_days.c.value != WHOLE
        )
        found: dict[str, list[str]] = {}
        for some in _portions(subjects):
            for subject, value in sorted(self._execute(query, habit_days.c.subject.in_(some))):
                found.setdefault(subject, []).append(value)
        return found

    def began(self, subjects: Sequence[str]) -> dict[str, date]:
        """Return the first date on which each of these subjects was seen."""
        first = func.min(habit_days.c.date)
        query = select(habit_days.c.subject, first).where(*self._seen()).group_by(habit_days.c.subject)
        rows = [row for some in _portions(subjects) for row in self._execute(query, habit_days.c.subject.in_(some))]
        return {subject: date.fromisoformat(day) for subject, day in rows}

    def _seen(self) -> tuple[ColumnElement[bool], ...]:
        return habit_days.c.detection == self.detection, habit_days.c.value == WHOLE

    def matching_since(self, since: date) -> dict[Slot, Mapping[str, Any]]:
        """Return the slots that match on or after a date, with why."""
        query = select(*_MATCH_SLOT, habit_matches.c.judgement).where(
            habit_matches.c.detection == self.detection, habit_matches.c.date >= since.isoformat()
        )
        return {_slot(*key): judgement for *key, judgement in self._execute(query)}

    def matches_at(self, slots: Iterable[Slot]) -> dict[Slot, Match]:
        """Return the matches of these slots."""
        wanted = set(slots)
        names, days = sorted({slot.subject for slot in wanted}), sorted({slot.day.isoformat() for slot in wanted})
        query = select(*_MATCH).where(habit_matches.c.detection == self.detection)
        rows = [
            row
            for some in _portions(names)
            for when in _portions(days)
            for row in self._execute(query, habit_matches.c.subject.in_(some), habit_matches.c.date.in_(when))
        ]
        return {found.slot: found for found in map(_match, rows) if found.slot in wanted}

    def matches_of(self, group_keys: Iterable[str]) -> list[Match]:
        """Return everything that matches of these groups, in order of date."""
        query = select(*_MATCH).where(habit_matches.c.detection == self.detection)
        keys = sorted(set(group_keys))
        rows = [row for some in _portions(keys) for row in self._execute(query, habit_matches.c.group_key.in_(some))]
        return sorted(map(_match, rows), key=lambda match: (match.slot.day, match.slot))

    def save_matches(self, matches: Iterable[Match]) -> None:
        """Insert or replace these matches."""
        rows = [
            {
                **self._row(subject=m.slot.subject, value=m.slot.value, date=m.slot.day.isoformat()),
                "group_key": m.group_key,
                "judgement": dict(m.judgement),
                "episode": dict(m.episode),
            }
            for m in matches
        ]
        statement = insert(self.connection, habit_matches)
        replaced = {name: statement.excluded[name] for name in ("group_key", "judgement", "episode")}
        keys = ["detection", "subject", "value", "date"]
        if rows:
            self.connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=replaced), rows)

    def drop_matches(self, slots: Iterable[Slot]) -> None:
        """Let these slots match no more."""
        for slot in slots:
            where = (column == text for column, text in zip(_MATCH_SLOT, _texts(slot), strict=True))
            self.connection.execute(delete(habit_matches).where(habit_matches.c.detection == self.detection, *where))

    def _row(self, **values: Any) -> dict[str, Any]:
        return {"detection": self.detection, **values}

    def _day_row(self, slot: Slot, amount: int) -> dict[str, Any]:
        return self._row(subject=slot.subject, value=slot.value, date=slot.day.isoformat(), amount=amount)

    def _returned(self, statement: Any, rows: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
        return self.connection.execute(statement, rows).all() if rows else ()

    def _execute(self, query: Any, *where: ColumnElement[bool]) -> list[Any]:
        return [tuple(row) for row in self.connection.execute(query.where(*where))]


_SLOT: Final = (habit_days.c.subject, habit_days.c.value, habit_days.c.date)
_MATCH_SLOT: Final = (habit_matches.c.subject, habit_matches.c.value, habit_matches.c.date)
_MATCH: Final = (*_MATCH_SLOT, habit_matches.c.group_key, habit_matches.c.judgement, habit_matches.c.episode)


def _slot(subject: str, value: str, day: str) -> Slot:
    return Slot(subject, value, date.fromisoformat(day))


def _texts(slot: Slot) -> tuple[str, str, str]:
    return slot.subject, slot.value, slot.day.isoformat()


def _match(row: Sequence[Any]) -> Match:
    subject, value, day, group_key, judgement, episode = row
    return Match(_slot(subject, value, day), group_key, judgement, episode)


def _portions(names: Sequence[str]) -> Iterable[Sequence[str]]:
    return (names[start : start + _KEYS_AT_ONCE] for start in range(0, len(names), _KEYS_AT_ONCE))
