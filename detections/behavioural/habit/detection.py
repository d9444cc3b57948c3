"""One pass of a detection by habits: remember, ask again what is concerned, state what stands."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar, Final

from sqlalchemy import Connection

from detections.alerting import group_key
from detections.behavioural.habit.lens import Lens, merged
from detections.behavioural.habit.question import News, Question, Reason
from detections.detection import Group, Judgement, Metadata
from detections.episode import Episode, cluster, merge_all
from detections.events import NewEvents
from detections.stored import episode_from, stored_episode
from storage.state import alerts
from storage.state.habits import WHOLE, Habits, Match, Slot

# Matches that the sentence of an alert tells of; the others are counted.
_TOLD: Final = 3


@dataclass(frozen=True, slots=True)
class Observed:
    """What a slice shows through a lens, and where the events of a slot are to be had."""

    events: NewEvents
    sightings: Mapping[Slot, int]

    def __bool__(self) -> bool:
        return bool(self.sightings)


@dataclass(frozen=True, slots=True)
class HabitDetection:
    """See the package. `sentence` tells why a slot matches; the template of `metadata.reason` has it as `{history}`."""

    metadata: Metadata
    lens: Lens
    question: Question
    sentence: Callable[[Slot, Reason], str]

    has_profile: ClassVar[bool] = True

    @property
    def asks(self) -> Collection[str]:
        """See Detection.asks."""
        return [self.lens.counted]

    def observe(self, events: NewEvents, /) -> Observed:
        """See Detection.observe."""
        return Observed(events, self.lens.sightings(events))

    def judge(self, observed: Observed, connection: Connection, /) -> Judgement:
        """See Detection.judge. Events are asked for here, of the few slots that match."""
        habits = Habits(connection, self.metadata.slug)
        news = self.question.remember(habits, observed.sightings)
        answer = self.question.judged(habits, news.since)
        seen = {self._slot(slot) for slot in observed.sightings}
        stood = habits.matching_since(min([*news.since.values(), *(slot.day for slot in seen)])) if seen else {}
        gone = {slot for slot in stood if slot not in answer and slot.day >= news.since.get(slot.subject, date.max)}
        changed = self._changed(habits, observed.events, news, answer, stood, seen - gone)
        withdrawn = habits.matches_at(gone)
        habits.drop_matches(withdrawn)
        habits.save_matches(changed)
        replaced = self._standing(habits, connection, [*changed, *withdrawn.values()])
        matching = {match.slot for match in changed}
        counted = observed.sightings.items() if matching else ()
        matched = sum(events for slot, events in counted if self._slot(slot) in matching)
        return Judgement(replaced=replaced, matched=matched)

    def nearby(
        self, _events: NewEvents, _group: Group, _episode: Episode, _known: Episode | None, /
    ) -> Mapping[str, Any]:
        """Nothing: the history is stated with each match."""
        return {}

    def _slot(self, slot: Slot) -> Slot:
        return Slot(slot.subject, WHOLE, slot.day) if self.question.whole else slot

    def _changed(
        self,
        habits: Habits,
        events: NewEvents,
        news: News,
        answer: Mapping[Slot, Reason],
        stood: Mapping[Slot, Reason],
        seen: Collection[Slot],
    ) -> list[Match]:
        """Return the matches that are new, have grown, or are explained otherwise now."""
        fresh = answer.keys() - stood.keys()
        grown = stood.keys() & seen
        parts = self.lens.new_episodes(events, (fresh & news.begun) | grown)
        whole = self.lens.all_episodes(events, fresh - news.begun)
        told = {slot for slot, reason in answer.items() if slot in stood and stood[slot] != reason}
        found = [
            self._match(slot, answer[slot], episode)
            for slot, episode in {**parts, **whole}.items()
            if slot in fresh
        ]  # fmt: skip
        for slot, match in habits.matches_at(grown | told).items():
            episode = episode_from(match.episode)
            episode = merged(episode, parts[slot]) if slot in parts else episode
            found.append(self._match(slot, answer.get(slot, match.judgement), episode))
        return found

    def _match(self, slot: Slot, reason: Reason, episode: Episode) -> Match:
        return Match(slot, group_key(self._group(slot)), reason, stored_episode(episode))

    def _group(self, slot: Slot) -> Group:
        values = dict(zip(self.lens.names, (slot.subject, slot.value), strict=True))
        return tuple((name, values[name]) for name in self.metadata.group_by)

    def _standing(
        self, habits: Habits, connection: Connection, concerned: Iterable[Match]
    ) -> dict[Group, list[Episode]]:
        """Return everything that stands of the groups of these matches."""
        groups = {match.group_key: self._group(match.slot) for match in concerned}
        matches: dict[str, list[Match]] = {key: [] for key in groups}
        for match in habits.matches_of(groups):
            matches[match.group_key].append(match)
        cuts: dict[str, list[datetime]] = {key: [] for key in groups}
        for alert in alerts.closed_by_people(connection, self.metadata.slug, list(groups)):
            cuts[alert.group_key] += [alert.closed_at] if alert.closed_at else []
        return {groups[key]: self._episodes(found, cuts[key]) for key, found in matches.items()}

    def _episodes(self, matches: Iterable[Match], cuts: Sequence[datetime]) -> list[Episode]:
        """Return one episode for each alert that these matches of one group, in order of date, make.

        `cuts` are times at which a person closed an alert of the group: what begins after one is none of its matter.
        """
        words = [(episode_from(match.episode), self.sentence(match.slot, match.judgement)) for match in matches]
        parts: dict[int, list[Episode]] = {}
        for episode, _ in words:
            parts.setdefault(sum(cut < episode.first for cut in cuts), []).append(episode)
        found = []
        for chain in (chain for part in parts.values() for chain in cluster(part, self.metadata.group_for)):
            told = [sentence for episode, sentence in words if any(episode is link for link in chain)]
            more = f" And {len(told) - _TOLD} more." if len(told) > _TOLD else ""
            found.append(merge_all(chain).with_notes({"history": " ".join(told[:_TOLD]) + more}))
        return found
