"""What every question has in common: it folds sightings into a profile, and answers from the profile alone."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, ClassVar, Final, Protocol

from storage.state.habits import Habits, Slot

# How long a subject is learned before it is judged: two of every weekday.
LEARNING: Final = timedelta(days=14)
# How far back a judgement looks. What lies before says nothing of today's habits, and need not be read.
PAST: Final = timedelta(days=60)

# Why a slot matches, as JSON values.
Reason = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class News:
    """What sightings changed in a profile: the subjects to be judged again, each from a date on, and the slots that
    began with them: none of their events was judged before."""

    since: Mapping[str, date] = field(default_factory=dict)
    begun: frozenset[Slot] = frozenset()


class Question(Protocol):
    """Pure but for the profile it is given. `whole` says that slots of its answers are about the subject alone."""

    whole: ClassVar[bool]

    def remember(self, habits: Habits, sightings: Mapping[Slot, int], /) -> News:
        """Fold sightings into the profile. The profile is the same in whatever parts and order they come."""
        ...

    def judged(self, habits: Habits, since: Mapping[str, date], /) -> dict[Slot, Reason]:
        """Return every slot that matches of these subjects, each from its date on. A function of the profile."""
        ...


def earliest(dates: Iterable[tuple[str, date]]) -> dict[str, date]:
    """Return the first of the dates given for each subject."""
    found: dict[str, date] = {}
    for subject, day in dates:
        found[subject] = min(day, found.get(subject, day))
    return found


def by_date(since: Mapping[str, date]) -> Iterator[tuple[date, list[str]]]:
    """Yield each date with the subjects that it is given for: they can be read together."""
    found: dict[date, list[str]] = {}
    for subject, day in sorted(since.items()):
        found.setdefault(day, []).append(subject)
    yield from sorted(found.items())
