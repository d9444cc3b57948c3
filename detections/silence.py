"""Conditions under which "no alerts" says nothing: who is silent, who never spoke, where reading is late."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from detections.presence import HABIT_SPAN, Presence, Reading, Spoken
from detections.reason import moment

SILENT: Final = "registry-silent"
UNCOVERED: Final = "registry-uncovered"
DELAYED: Final = "ingestion-delayed"
UNJUDGED: Final = "events-unjudged"

# A pause half as long again as the longest known one is a new habit, or trouble.
_BEYOND_HABIT: Final = 1.5
# Azure delivers 5 to 20 minutes late, and up to 90 minutes after a change of the diagnostic setting.
LEAST_SILENCE: Final = timedelta(hours=2)
# Before a week has been seen nobody knows what a weekend looks like; 72 hours outlast it.
_YOUNG: Final = timedelta(days=7)
_YOUNG_SILENCE: Final = timedelta(hours=72)
# Fewer events than this are no habit of speaking.
_HABIT_EVENTS: Final = 20
# Registries that nobody configured and that stay silent for so long are taken to be gone.
_GONE: Final = timedelta(days=30)
# The default commit interval is 5 s and a restart catches up within minutes; what is this far behind is stuck or slow.
DELAY: Final = timedelta(minutes=10)
# A stream that stored nothing for this long is idle: how late its last row came says nothing about now.
_IDLE: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that blinds us. `kind` is the slug of its alert, `subject` what it is about (a registry, a stream).

    `alert_after`: how long it must last before it is worth an alert. `incident` is false for what is shown as state
    elsewhere already, `reported_as` the key of the incident that says so, where it is one.
    """

    kind: str
    subject: str
    message: str
    remedy: str
    alert_after: timedelta = timedelta(0)
    incident: bool = True
    registries: tuple[str, ...] = field(default=())
    reported_as: str = ""

    @property
    def key(self) -> str:
        """The key of its incident."""
        return self.reported_as or f"{self.kind}/{self.subject}"


def silence_allowed(habit: Spoken) -> timedelta:
    """Return how long a registry with this habit may be silent before it counts."""
    least = LEAST_SILENCE if habit.last - habit.first >= _YOUNG else _YOUNG_SILENCE
    return max(least, _BEYOND_HABIT * habit.pause)


def silent(presence: Presence, configured: Collection[str], *, now: datetime) -> list[Condition]:
    """Return the registries that used to speak, and have been silent for longer than is their habit."""
    found = []
    for registry, habit in sorted(presence.habits.items()):
        silence = now - habit.last
        gone = registry not in configured and silence > _GONE
        if habit.events >= _HABIT_EVENTS and silence > silence_allowed(habit) and not gone:
            found.append(_silent(registry, habit))
    return found


def uncovered(presence: Presence, configured: Collection[str]) -> list[Condition]:
    """Return the registries that are configured, and of which no event was ever stored."""
    return [
        Condition(
            UNCOVERED,
            registry,
            f"Registry {registry} is configured, but no event of it was ever stored",
            "Auditing is off until a diagnostic setting sends its two audit categories to the event hub; the first "
            "records take up to 90 minutes. `acrwatch init` prints the command",
            alert_after=LEAST_SILENCE,
            registries=(registry,),
        )
        for registry in sorted(set(configured) - presence.habits.keys())
    ]


def delayed(presence: Presence, *, now: datetime) -> list[Condition]:
    """Return the event hub streams whose newest rows waited long in the hub before they were stored."""
    return [
        Condition(
            DELAYED,
            stream,
            f"Events of {stream} are stored late: the newest, stored at {moment(reading.stored)}, had arrived in the "
            f"hub at {moment(reading.enqueued)}",
            "Look at the load of the machine and its disk; after an outage it catches up by itself",
            alert_after=_IDLE,
        )
        for stream, reading in sorted(presence.readings.items())
        if now - reading.stored <= _IDLE and _delay(reading) > DELAY
    ]


def unjudged(counts: Mapping[str, int]) -> list[Condition]:
    """Return the detections that met events of the last day (by slug: how many) which they could not judge."""
    return [
        Condition(
            UNJUDGED,
            slug,
            f"Detection {slug} met events that it should have judged and could not, such as pulls without a usable "
            "address",
            "acrwatch check --live shows which members of the records are absent or unusable",
            incident=False,
        )
        for slug, count in sorted(counts.items())
        if count
    ]


def _delay(reading: Reading) -> timedelta:
    return reading.stored - reading.enqueued


def _silent(registry: str, habit: Spoken) -> Condition:
    return Condition(
        SILENT,
        registry,
        f"Registry {registry} has been silent since {moment(habit.last)}; in the {HABIT_SPAN.days} days before, its "
        f"longest pause was {_hours(habit.pause)}",
        "Look whether it is still used, whether its diagnostic setting still stands (az monitor diagnostic-settings "
        "list) and whether records arrive in the event hub",
        alert_after=_IDLE,
        registries=(registry,),
    )


def _hours(pause: timedelta) -> str:
    minutes = round(pause / timedelta(minutes=1))
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.0f} h"
