"""What goes wrong, and when: every step drawn from one seed before anything starts."""

import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["kill", "suspend", "postgresql", "hub", "receiver"]

# Mean seconds from one fault of a kind to the next. Kills are asked for by number.
SUSPEND_EVERY: Final = 40.0
DATABASE_EVERY: Final = 45.0
HUB_EVERY: Final = 8.0
RECEIVER_EVERY: Final = 20.0

# Longer than any claim or lease lasts here (drill.process); shorter than PostgreSQL waits for an idle transaction.
SUSPENDED: Final = (9.0, 14.0)

DATABASE_FAULTS: Final = ("immediate", "fast", "crash")
HUB_FAULTS: Final = ("reset", "end", "close", "detach", "steal", "freeze", "refuse", "stall")
RECEIVER_MOODS: Final = ("error", "busy", "hang", "drop")

# The last of the time without faults that last: what they break must have been repaired under load, too.
_CALM: Final = 0.9


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """One thing to do `at` so many seconds from the start; `seconds` is how long it lasts, 0 for a moment.

    `what` is the process to kill or suspend, or the name of a fault. `choice` is a number from 0 to 1 for whatever
    else must be chosen: a partition, for instance.
    """

    at: float
    kind: Kind
    what: str
    seconds: float = 0.0
    choice: float = 0.0


def make_plan(*, seed: int, kills: int, seconds: float, members: Sequence[str]) -> list[Step]:
    """Return the steps in order of time. Equal arguments give equal plans."""
    chance = random.Random(f"drill/{seed}")
    steps = [Step(chance.uniform(0, seconds), "kill", chance.choice(members)) for _ in range(kills)]
    steps += [
        Step(at, "suspend", chance.choice(members), chance.uniform(*SUSPENDED))
        for at in _moments(chance, seconds, SUSPEND_EVERY)
    ]
    steps += [
        Step(at, "postgresql", fault, 0.0 if fault == "crash" else chance.uniform(0.1, 5.0))
        for at, fault in zip(_moments(chance, seconds, DATABASE_EVERY), _dealt(chance, DATABASE_FAULTS), strict=False)
    ]
    steps += [
        Step(at, "hub", fault, _hub_seconds(chance, fault), chance.random())
        for at, fault in zip(_moments(chance, seconds, HUB_EVERY), _dealt(chance, HUB_FAULTS), strict=False)
    ]
    steps += [
        Step(at, "receiver", mood, chance.uniform(1.0, 8.0))
        for at, mood in zip(_moments(chance, seconds, RECEIVER_EVERY), _dealt(chance, RECEIVER_MOODS), strict=False)
    ]
    return sorted(steps)


def _hub_seconds(chance: random.Random, fault: str) -> float:
    return chance.uniform(0.5, 6.0) if fault in ("refuse", "stall") else 0.0


def _moments(chance: random.Random, seconds: float, every: float) -> list[float]:
    return [chance.uniform(0, _CALM * seconds) for _ in range(max(1, round(seconds / every)))]


def _dealt(chance: random.Random, faults: Sequence[str]) -> list[str]:
    """Return the faults in an order of chance, each about as often as any other, for any number of moments."""
    return [fault for _ in range(1000) for fault in chance.sample(faults, len(faults))]


def victims(steps: Sequence[Step]) -> int:
    """Return how many kills a plan holds."""
    return sum(step.kind == "kill" for step in steps)


HOW_TO_HALT: Final = {"immediate": signal.SIGQUIT, "fast": signal.SIGINT}
