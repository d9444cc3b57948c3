"""What stands is what a plain reading of all events finds, however these were split, ordered and repeated."""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

from detections.behavioural.habit import Absence, HabitDetection, Novelty, Rate, Travel
from detections.behavioural.habit.question import Question
from detections.behavioural.habit.travel import kilometres
from detections.places import CASE_PLACES, Place
from tests.detections.conftest import Bench, Happening

DAY = timedelta(days=1)
WRITES = {"push", "delete", "untag", "purge", "import"}
DELETES = {"delete", "untag", "purge"}
FAMILIES = {"docker/27": "docker", "oras/1.2": "oras", "curl/8": "curl", "strange": "other", None: None}
PLATFORM = "d2fa1650-4805-4a83-bcb9-cf41fe63539c"

Key = tuple[str, str, date]
Slots = Mapping[Key, Sequence[Happening]]


def _actor(h: Happening) -> str:
    name = h.identity or ""
    return name.lower() if "@" in name else f"{h.registry}/{name}"


def _path(h: Happening) -> str:
    return f"{h.registry}/{h.repository}"


@dataclass(frozen=True)
class Plain:
    """A lens, read plainly: subject and value of an event, which ones count, and the group of a match."""

    subject: Callable[[Happening], str]
    value: Callable[[Happening], str | None] = lambda _h: None
    counts: Callable[[Happening], bool] = lambda _h: True
    group: Callable[[str, str], tuple[str, ...]] = lambda s, _v: (s,)


def _both(subject: str, value: str) -> tuple[str, ...]:
    return subject, value


def _service_pushes(h: Happening) -> bool:
    return h.operation == "push" and "@" not in str(h.identity)


def _known_path(h: Happening) -> str | None:
    return _path(h) if h.registry == "contoso" and h.repository in ("app", "web") else None


def _deleter(h: Happening) -> str | None:
    named = h.registry == "contoso" and h.identity == "sweeper"
    return _actor(h) if h.operation in DELETES and not named else None


def _place(h: Happening) -> Place:
    found = CASE_PLACES.of(str(h.ip))
    assert found is not None
    return found


LENSES = {
    "first-seen-identity": Plain(lambda h: h.registry, _actor, group=_both),
    "role-drift": Plain(_actor, lambda h: "write" if h.operation in WRITES else None),
    "dormant-identity-awake": Plain(_actor),
    "delete-by-newcomer": Plain(lambda h: h.registry, _deleter, group=_both),
    "first-push-to-repository": Plain(_actor, _known_path, _service_pushes),
    "new-user-agent-family": Plain(_actor, lambda h: FAMILIES[h.user_agent], group=_both),
    "first-country": Plain(_actor, lambda h: _place(h).country, group=_both),
    "country-new-to-registry": Plain(lambda h: h.registry, lambda h: _place(h).country, group=_both),
    "impossible-travel": Plain(_actor, counts=lambda h: "@" in str(h.identity)),
    "pull-volume-spike": Plain(_actor, lambda h: h.ip, lambda h: h.operation == "pull"),
    "repository-spread": Plain(_actor, _path, lambda h: h.operation == "pull"),
}


def _days(h: Happening) -> date:
    return h.time.date()


def _slots(question: Question, lens: Plain, events: Sequence[Happening]) -> Slots:
    """Return the slots that match, with their events."""
    mine = [h for h in events if h.succeeded and h.identity and h.identity != PLATFORM and lens.counts(h)]
    found: dict[Key, Sequence[Happening]] = {}
    for subject in {lens.subject(h) for h in mine}:
        own = [h for h in mine if lens.subject(h) == subject]
        for value, day in _asked(question, lens, own):
            found[subject, value, day] = [
                h for h in own if _days(h) == day and (question.whole or lens.value(h) == value)
            ]
    return found


def _asked(question: Question, lens: Plain, own: Sequence[Happening]) -> Iterator[tuple[str, date]]:
    if isinstance(question, Novelty):
        return _new(question, lens, own)
    if isinstance(question, Absence):
        return _back(question, own)
    if isinstance(question, Travel):
        return _jumps(question, own)
    assert isinstance(question, Rate)
    return _high(question, lens, own)


def _between(day: date, dates: Sequence[date] | set[date]) -> list[date]:
    return [one for one in dates if day - 60 * DAY <= one < day]


def _new(question: Novelty, lens: Plain, own: Sequence[Happening]) -> Iterator[tuple[str, date]]:
    dates = {_days(h) for h in own}
    values = {value for value in map(lens.value, own) if value is not None}
    first = {value: min(_days(h) for h in own if lens.value(h) == value) for value in values}
    learned = {day for day in first.values() if day >= min(dates) + 14 * DAY}
    for value, day in first.items():
        known = len(_between(day, dates)) >= question.least_dates
        if day in learned and known and len(_between(day, learned)) <= question.most_news:
            yield value, day


def _back(question: Absence, own: Sequence[Happening]) -> Iterator[tuple[str, date]]:
    dates = sorted({_days(h) for h in own})
    for last, day in pairwise(dates):
        used = [one for one in dates if last - 60 * DAY < one <= last]
        if day - last >= question.away and len(used) >= question.least_dates:
            yield "", day


def _jumps(question: Travel, own: Sequence[Happening]) -> Iterator[tuple[str, date]]:
    stays = sorted({(h.time.timestamp() // 600, _place(h)) for h in own})
    for (tick, place), (later, other) in pairwise(stays):
        hours = (later - tick + 1) / 6
        far = kilometres(place, other)
        if far >= question.kilometres and hours <= 24 and far / hours > question.speed:
            yield "", datetime.fromtimestamp(later * 600, UTC).date()


def _high(question: Rate, lens: Plain, own: Sequence[Happening]) -> Iterator[tuple[str, date]]:
    by_day: dict[date, list[str]] = {}
    for h in own:
        value = lens.value(h)
        if value is not None:
            by_day.setdefault(_days(h), []).append(value)
    measures = {
        day: len(set(values)) if question.measure == "distinct" else max(map(values.count, values))
        for day, values in by_day.items()
    }
    for day, amount in measures.items():
        past = _between(day, set(measures))
        same = [one for one in past if one.weekday() == day.weekday()]
        if day < min(measures) + 14 * DAY or len(past) < question.least_dates:
            continue
        limits = [
            _limit(question, [measures[one] for one in dates]) for dates in (past, same if len(same) > 1 else past)
        ]
        if amount >= max(limits):
            yield "", day


def _limit(question: Rate, past: Sequence[int]) -> int:
    middle = median(past)
    spread = 1.4826 * median(abs(n - middle) for n in past)
    return max(question.floor, round(question.factor * middle), round(middle + question.deviations * spread))


def _alerts(slug: str, lens: Plain, slots: Slots) -> Iterator[tuple[Any, ...]]:
    """Yield an alert for each chain of slots of a group that lie within a day of each other."""
    groups: dict[tuple[str, ...], list[list[Happening]]] = {}
    for (subject, value, _), events in slots.items():
        in_order = sorted(events, key=lambda h: (h.time, h.event_id.hex()))
        groups.setdefault(lens.group(subject, value), []).append(in_order)
    for group, found in groups.items():
        chains: list[list[list[Happening]]] = []
        for slot in sorted(found, key=lambda slot: (slot[0].time, slot[-1].time)):
            reach = max((other[-1].time for other in chains[-1]), default=slot[0].time) if chains else None
            if reach is None or slot[0].time - DAY > reach:
                chains.append([])
            chains[-1].append(slot)
        for chain in chains:
            events = [h for slot in chain for h in slot]
            kept = sorted((h.time, h.event_id.hex()) for slot in chain for h in slot[:10])[:100]
            times = [h.time for h in events]
            late = all(h.delay > DAY for h in events)
            yield slug, group, min(times), max(times), len(events), late, tuple(one for _, one in kept)


def _expected(detections: Mapping[str, HabitDetection], events: Sequence[Happening]) -> list[tuple[Any, ...]]:
    return sorted(
        alert
        for slug, detection in detections.items()
        for alert in _alerts(slug, LENSES[slug], _slots(detection.question, LENSES[slug], events))
    )


def _found(bench: Bench, detections: Mapping[str, HabitDetection]) -> list[tuple[Any, ...]]:
    return sorted(
        (
            a.rule,
            tuple(json.loads(a.group_key)[name] for name in detections[a.rule].metadata.group_by),
            a.first_seen,
            a.last_seen,
            a.count,
            a.historical,
            tuple(event_id for _, event_id in a.evidence),
        )
        for a in bench.standing()
        if a.rule in detections  # and not the risk that the engine makes of them
    )


def _world(rng: random.Random) -> list[Happening]:
    """Some 400 events of 75 days: who does what is chance, but each has habits, and breaks them now and then."""
    made: list[dict[str, Any]] = []
    for n, name in enumerate(("ci", "robot1", "sweeper", "Ana@example.com", "bo@example.com", "kubelet", PLATFORM)):
        away = rng.randrange(20, 45)
        gone = range(away, away + rng.choice((0, 22, 30)))
        usual = {"user_agent": rng.choice(("docker/27", "oras/1.2")), "ip": f"198.51.100.{10 + n}"}
        pushes = rng.choice((0.0, 0.4))
        for day in sorted(rng.sample(range(2 * n, 75), 45)):
            if day not in gone:
                deeds = [_usual(rng, pushes), *(_odd(rng) if rng.random() < 0.08 else [])]
                at = day * DAY + rng.randrange(1400) * timedelta(minutes=1)
                apart = rng.choice((3, 200)) * timedelta(minutes=1)
                made += [{"identity": name, "at": at + n * apart, **usual, **deed} for n, deed in enumerate(deeds)]
    for n in range(8):
        made.append({"at": rng.randrange(75) * DAY, "identity": f"new{n}", "operation": rng.choice(("pull", "delete"))})
    made.append({"at": 50 * DAY, "identity": "new8", "operation": "pull", "ip": "2001:db8::9", "registry": "fabrikam"})
    late = [DAY + timedelta(minutes=1) if rng.random() < 0.1 else timedelta() for _ in made]
    return [Happening(n, delay=delay, **given) for n, (given, delay) in enumerate(zip(made, late, strict=True))]


def _usual(rng: random.Random, pushes: float) -> dict[str, Any]:
    return {
        "operation": "push" if rng.random() < pushes else rng.choice(("pull", "login")),
        "repository": rng.choice(("app", "web")),
        "registry": rng.choice(("contoso", "contoso", "fabrikam")),
        "status": rng.choice((200, 200, 200, 403)),
    }


def _odd(rng: random.Random) -> list[dict[str, Any]]:
    """Return a day that breaks a habit: a sweep from one address, deletions, a push elsewhere, another client."""
    deed = {"operation": rng.choice(("pull", "pull", "delete", "push")), "user_agent": rng.choice(tuple(FAMILIES))}
    deed |= {"ip": "203.0.113.9"} if rng.random() < 0.5 else {}
    return [{**deed, "repository": f"team/{n}" if deed["operation"] == "pull" else "app"} for n in range(6)]


def _parts(rng: random.Random, happenings: Sequence[Happening]) -> list[list[Happening]]:
    """Mostly in order, some of it much later or earlier; repeated in part, cut anywhere."""
    turn = {h.number: h.at + (rng.choice((-30, 30)) * DAY if rng.random() < 0.2 else timedelta()) for h in happenings}
    mixed = sorted([*happenings, *rng.sample(happenings, 20)], key=lambda h: turn[h.number])
    cuts = sorted(rng.sample(range(1, len(mixed)), 3))
    return [mixed[a:b] for a, b in zip([0, *cuts], [*cuts, len(mixed)], strict=True)]


def test_what_stands_after_any_split_and_order_is_what_a_plain_reading_finds(
    make_bench: Callable[..., Bench], habits: Mapping[str, HabitDetection]
) -> None:
    rng = random.Random(2)
    happenings = _world(rng)
    whole, split = make_bench(habits), make_bench(habits)
    whole.judge(*happenings)
    for part in _parts(rng, happenings):
        split.store(part, source=f"hub/{rng.randrange(3)}")
        split.judge()
    expected = _expected(habits, happenings)
    assert _found(split, habits) == expected
    assert split.picture() == whole.picture()
    assert {alert[0] for alert in expected} == set(habits)
