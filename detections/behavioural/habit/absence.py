"""Was this subject in use, then away for long, and is it back?"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar

from detections.behavioural.habit.question import PAST, News, Reason, by_date, earliest
from storage.state.habits import WHOLE, Habits, Slot


@dataclass(frozen=True, slots=True)
class Absence:
    """The first date of use after `away` without any matches, where the subject was in use on `least_dates` dates of
    the PAST that ended with its last one. So a job that runs once a quarter is not away in between."""

    away: timedelta
    least_dates: int
    whole: ClassVar[bool] = True

    def remember(self, habits: Habits, sightings: Mapping[Slot, int], /) -> News:
        """See Question.remember: the dates of the subject."""
        dates = habits.note_dates({(slot.subject, slot.day) for slot in sightings})
        return News(earliest(dates), frozenset(Slot(subject, WHOLE, day) for subject, day in dates))

    def judged(self, habits: Habits, since: Mapping[str, date], /) -> dict[Slot, Reason]:
        """See Question.judged."""
        found: dict[Slot, Reason] = {}
        for start, subjects in by_date(since):
            for subject, day, last in habits.dates_since(subjects, start):
                if last is None or day - last < self.away:
                    continue
                seen = habits.measures_since([subject], last - PAST)[subject]
                used = sum(last - PAST < one <= last for one in seen)
                if used >= self.least_dates:
                    reason = {"last": last.isoformat(), "away": (day - last).days, "dates": used}
                    found[Slot(subject, WHOLE, day)] = reason
        return found
