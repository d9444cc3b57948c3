"""Is this date beyond the subject's own measure, of all its dates and of those of the same weekday?"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from statistics import median
from typing import ClassVar, Final, Literal

from detections.behavioural.habit.question import LEARNING, PAST, News, Reason, by_date, earliest
from storage.state.habits import WHOLE, Habits, Slot

# A median absolute deviation times this estimates the standard deviation of a normal distribution.
_MAD_SCALE: Final = 1.4826
# Dates of one weekday from which on it has a measure of its own: as many as LEARNING has seen.
_LEAST_WEEKDAYS: Final = 2


@dataclass(frozen=True, slots=True)
class Rate:
    """A date matches whose measure reaches `floor`, `factor` times the median of the dates of use in the PAST before
    it, and lies `deviations` robust standard deviations (median absolute deviation) above it; and the same of the
    past dates of its weekday, where there are enough: a batch that runs each Sunday is no spike.

    The measure is the number of distinct values of the date, or the events of its `busiest` value. `least_dates` of
    use must lie in the PAST, and LEARNING since the first.
    """

    measure: Literal["distinct", "busiest"]
    floor: int
    factor: float
    deviations: float
    least_dates: int
    whole: ClassVar[bool] = True

    def remember(self, habits: Habits, sightings: Mapping[Slot, int], /) -> News:
        """See Question.remember: what each value did on each date, and the measure of the date."""
        valued = {slot: events for slot, events in sightings.items() if slot.value != WHOLE}
        measures: dict[Slot, int] = {}
        if self.measure == "distinct":
            for subject, _, day in habits.note_days(valued):
                measures[Slot(subject, WHOLE, day)] = measures.get(Slot(subject, WHOLE, day), 0) + 1
            changed = habits.add_amounts(measures)
        else:
            for (subject, _, day), amount in habits.add_amounts(valued).items():
                measures[Slot(subject, WHOLE, day)] = max(amount, measures.get(Slot(subject, WHOLE, day), 0))
            changed = habits.raise_amounts(measures)
        return News(earliest((slot.subject, slot.day) for slot in changed))

    def judged(self, habits: Habits, since: Mapping[str, date], /) -> dict[Slot, Reason]:
        """See Question.judged. Only dates that reach the floor ask for the past."""
        found: dict[Slot, Reason] = {}
        for start, subjects in by_date(since):
            high = {
                (subject, day): amount
                for subject, days in habits.measures_since(subjects, start, least=self.floor).items()
                for day, amount in days.items()
            }
            names = sorted({subject for subject, _ in high})
            past, began = habits.measures_since(names, start - PAST), habits.began(names)
            for (subject, day), amount in high.items():
                if day >= began[subject] + LEARNING:
                    before = {one: n for one, n in past[subject].items() if day - PAST <= one < day}
                    reason = self._reason(day, amount, before)
                    if reason is not None:
                        found[Slot(subject, WHOLE, day)] = reason
        return found

    def _reason(self, day: date, amount: int, before: Mapping[date, int]) -> Reason | None:
        if len(before) < self.least_dates:
            return None
        weekday = [n for one, n in before.items() if one.weekday() == day.weekday()]
        histories = [list(before.values()), *([weekday] if len(weekday) >= _LEAST_WEEKDAYS else [])]
        limit = max(self.limit(history) for history in histories)
        if amount < limit:
            return None
        return {"amount": amount, "limit": limit, "median": median(before.values()), "dates": len(before)}

    def limit(self, history: list[int]) -> int:
        """Return the least measure that is beyond these."""
        middle = median(history)
        spread = _MAD_SCALE * median(abs(n - middle) for n in history)
        return max(self.floor, round(self.factor * middle), round(middle + self.deviations * spread))
