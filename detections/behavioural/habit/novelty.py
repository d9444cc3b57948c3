"""Has this subject never shown this value before, though it is known well enough and seldom shows new ones?"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from detections.behavioural.habit.question import LEARNING, PAST, News, Reason, by_date, earliest
from storage.state.habits import WHOLE, Habits, Slot


@dataclass(frozen=True, slots=True)
class Novelty:
    """The first date of a value matches where its subject was known for LEARNING, was seen on `least_dates` dates of
    the PAST before it, and showed new values on no more than `most_news` of them.

    `most_news` bounds what a restless subject can cost: it alerts on that many dates more than none in any such span,
    and is then expected to go on so. New values of the learning time count for nothing.
    """

    least_dates: int
    most_news: int
    whole: ClassVar[bool] = False

    def remember(self, habits: Habits, sightings: Mapping[Slot, int], /) -> News:
        """See Question.remember: first dates of values, and the dates of the subject."""
        firsts: dict[tuple[str, str], date] = {}
        for subject, value, day in sightings:
            if value != WHOLE:
                firsts[subject, value] = min(day, firsts.get((subject, value), day))
        begun = frozenset(Slot(*key, firsts[key]) for key in habits.note_firsts(firsts))
        dates = habits.note_dates({(slot.subject, slot.day) for slot in sightings})
        return News(earliest([*dates, *((slot.subject, slot.day) for slot in begun)]), begun)

    def judged(self, habits: Habits, since: Mapping[str, date], /) -> dict[Slot, Reason]:
        """See Question.judged."""
        found: dict[Slot, Reason] = {}
        for day, subjects in by_date(since):
            new = habits.firsts_since(subjects, day)
            began = habits.began(sorted({slot.subject for slot in new}))
            asked = [slot for slot in new if slot.day >= began[slot.subject] + LEARNING]
            names = sorted({slot.subject for slot in asked})
            seen, firsts = habits.measures_since(names, day - PAST), habits.firsts_since(names, day - PAST)
            news: dict[str, set[date]] = {name: set() for name in names}
            for slot in firsts:
                if slot.day >= began[slot.subject] + LEARNING:
                    news[slot.subject].add(slot.day)
            for slot in asked:
                reason = self._reason(slot.day, began[slot.subject], seen[slot.subject].keys(), news[slot.subject])
                if reason is not None:
                    found[slot] = reason
        return found

    def _reason(self, day: date, began: date, dates: Collection[date], news: Collection[date]) -> Reason | None:
        used = sum(day - PAST <= one < day for one in dates)
        brought = sum(day - PAST <= one < day for one in news)
        if used < self.least_dates or brought > self.most_news:
            return None
        return {"since": began.isoformat(), "dates": used, "news": brought}
