"""Was this subject in two places that nobody gets between in the time?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from math import asin, cos, radians, sin, sqrt
from typing import ClassVar, Final, NamedTuple

from detections.behavioural.habit.question import News, Reason, by_date, earliest
from detections.places import Place, Places
from storage.state.habits import WHOLE, Habits, Slot

# Times are kept to ten minutes: precise enough for journeys, and a person has some dozens a day.
_TICK: Final = timedelta(minutes=10)
_EARTH_KM: Final = 6371.0

# A stay as SQL: which ten minutes since 1970, and the address.
STAY: Final = "lpad(CAST(epoch_us(e.event_time) // 600000000 AS VARCHAR), 10, '0') || ' ' || e.caller_ip"


class Stay(NamedTuple):
    """Ten minutes in a place. As text it sorts by time."""

    tick: int
    place: Place

    def time(self) -> datetime:
        """Return when it begins, aware UTC."""
        return datetime.fromtimestamp(0, UTC) + self.tick * _TICK


def stay_in(places: Places, text: str) -> str | None:
    """Return the text of a stay for a text of STAY; None where the place of its address is not known to a city."""
    tick, address = text.split(" ", 1)
    place = places.of(address)
    if place is None or place.latitude is None or place.longitude is None:
        return None
    return f"{tick} {place.country} {place.latitude:.1f} {place.longitude:.1f}"


def stay_from(text: str) -> Stay:
    """Return the stay of a text that `stay_in` gave."""
    tick, country, latitude, longitude = text.split(" ")
    return Stay(int(tick), Place(country, float(latitude), float(longitude)))


def kilometres(one: Place, other: Place) -> float:
    """Return the length of the great circle between two places whose coordinates are known (haversine formula)."""
    north, east, north2, east2 = (radians(n or 0.0) for n in (*one[1:], *other[1:]))
    half = sin((north2 - north) / 2) ** 2 + cos(north) * cos(north2) * sin((east2 - east) / 2) ** 2
    return 2 * _EARTH_KM * asin(min(1.0, sqrt(half)))


@dataclass(frozen=True, slots=True)
class Travel:
    """A date matches on which the subject was somewhere at least `kilometres` from where it was just before, at most a
    day earlier, and faster than `speed` km/h even if all of both ten minutes is counted as time to travel."""

    kilometres: float
    speed: float
    whole: ClassVar[bool] = True

    def remember(self, habits: Habits, sightings: Mapping[Slot, int], /) -> News:
        """See Question.remember: the stays, and the dates."""
        stays = habits.note_days(slot for slot in sightings if slot.value != WHOLE)
        habits.note_dates({(slot.subject, slot.day) for slot in stays})
        return News(earliest((slot.subject, slot.day) for slot in stays))

    def judged(self, habits: Habits, since: Mapping[str, date], /) -> dict[Slot, Reason]:
        """See Question.judged."""
        found: dict[Slot, Reason] = {}
        for start, subjects in by_date(since):
            texts = habits.values_from(subjects, f"{_tick_of(start - timedelta(days=1)):010}")
            for subject in subjects:
                for day, reason in self._jumps(map(stay_from, texts.get(subject, ()))):
                    if day >= start:
                        found.setdefault(Slot(subject, WHOLE, day), reason)
        return found

    def _jumps(self, stays: Iterable[Stay]) -> Iterable[tuple[date, Reason]]:
        for one, other in pairwise(stays):
            ticks = other.tick - one.tick + 1
            if one.place == other.place or ticks * _TICK > timedelta(days=1):
                continue
            far = kilometres(one.place, other.place)
            if far >= self.kilometres and far / (ticks * _TICK / timedelta(hours=1)) > self.speed:
                yield other.time().date(), _reason(one, other, far)


def _reason(one: Stay, other: Stay, far: float) -> Reason:
    return {
        "from": one.place.country,
        "to": other.place.country,
        "left": one.time().isoformat(),
        "came": other.time().isoformat(),
        "kilometres": round(far),
    }


def _tick_of(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) // int(_TICK.total_seconds())
