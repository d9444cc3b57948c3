"""What to simulate: registries, span, volume, attacks. All values; nothing is generated here."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Final

from acrwatch.core.errors import ConfigError
from acrwatch.simulate import addresses
from acrwatch.simulate.attacks.catalogue import KINDS, MISSION, drawn_times
from acrwatch.simulate.attacks.kind import Kind
from acrwatch.simulate.chance import seeded
from acrwatch.simulate.everyday.estate import estate
from acrwatch.simulate.population import Population, population

DEFAULT_REGISTRIES: Final = ("contoso", "fabrikam")


@dataclass(frozen=True, slots=True)
class PlannedAttack:
    """An attack to stage: which kind, from when, on which registry (None: they take turns in the order planned)."""

    rule: str
    at: datetime
    registry: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Settings of one simulation; equal settings give byte-identical records.

    `start` (inclusive) and `end` (exclusive) are aware times. `events_per_day` is the mean over a whole week, all
    registries together, duplicates and attacks not counted; from 1,000 up the travellers reach eight networks a month.
    Adjoining spans with otherwise equal settings continue each other: together they give the records of the joint span.
    `duplicates` is the share of records that Azure sends twice, 0 to 1. `everyday` adds what is benign and looks odd:
    scale-outs, misspelt images, expired secrets, moved tags, fast purges, newcomers, rotated tokens; and a public and a
    private registry, from three on.

    Raises ConfigError for a naive or empty span, a registry name Azure would refuse, a share out of range, or an attack
    that does not fit: of no known kind, on an unknown registry, or not wholly (its kind's span) inside the span.
    """

    start: datetime
    end: datetime
    seed: int = 1
    registries: tuple[str, ...] = DEFAULT_REGISTRIES
    events_per_day: int = 2_500
    attacks: tuple[PlannedAttack, ...] = ()
    duplicates: float = 0.0
    everyday: bool = False

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None or self.start >= self.end:
            raise ConfigError(
                f"cannot simulate from {self.start} to {self.end}", remedy="Give aware times, the start before the end"
            )
        if not 0.0 <= self.duplicates <= 1.0 or self.events_per_day < 1:
            raise ConfigError(
                f"cannot simulate {self.events_per_day} events a day with a share of {self.duplicates} duplicates",
                remedy="Ask for at least 1 event a day and a share between 0 and 1",
            )
        self._check_registries()
        for attack in self.attacks:
            self._check_attack(attack)

    def _check_registries(self) -> None:
        for name in self.registries:
            if not (name.isascii() and name.isalnum() and 5 <= len(name) <= 50):
                raise ConfigError(
                    f"{name!r} cannot be a registry name", remedy="Azure wants 5 to 50 ASCII letters and digits"
                )
        if not 1 <= len({name.casefold() for name in self.registries}) == len(self.registries) <= 100:
            raise ConfigError(
                f"cannot simulate {len(self.registries)} registries", remedy="Give 1 to 100 distinct names"
            )

    def _check_attack(self, attack: PlannedAttack) -> None:
        if attack.rule not in KINDS:
            near = get_close_matches(attack.rule, KINDS, n=1, cutoff=0.0)[0]
            raise ConfigError(
                f"no attack is named {attack.rule!r}",
                remedy=f"{near} is nearest; `acrwatch simulate --kinds` lists them",
            )
        if attack.registry is not None and attack.registry not in self.registries:
            raise ConfigError(
                f"attack {attack.rule} is on registry {attack.registry!r}", remedy=f"Choose from {self.registries}"
            )
        span = KINDS[attack.rule].span
        if attack.at.tzinfo is None or attack.at < self.start or attack.at + span > self.end:
            raise ConfigError(
                f"attack {attack.rule} at {attack.at} does not fit between {self.start} and {self.end}",
                remedy=f"Give an aware time at or after the start and at least {span} before the end",
            )

    def allowed_ranges(self) -> dict[str, list[str]]:
        """Return per registry the CIDRs that cover all benign callers, for `[registries.X] allowed_ranges`."""
        return {name: addresses.allowed_ranges(index) for index, name in enumerate(self.registries)}


def _kind(name: str) -> Kind:
    if name not in KINDS:
        near = get_close_matches(name, KINDS, n=1, cutoff=0.0)[0]
        raise ConfigError(
            f"no attack is named {name!r}", remedy=f"{near} is nearest; `acrwatch simulate --kinds` lists them all"
        )
    return KINDS[name]


def live_attacks(at: datetime) -> tuple[PlannedAttack, ...]:
    """Return one attack of each kind, beginning 1 to 7 minutes after an aware time and over within 20."""
    return tuple(PlannedAttack(rule, at + timedelta(minutes=1 + 2 * turn)) for turn, rule in enumerate(MISSION))


def spread_attacks(
    start: datetime, end: datetime, *, count: int, seed: int, kinds: Collection[str] = tuple(KINDS)
) -> tuple[PlannedAttack, ...]:
    """Return `count` attacks of each kind between two aware UTC times, in order, at times of day that suit the kind.

    A kind for whose past and length the span is too short is left out. Raises ConfigError for an unknown kind.
    """
    planned = [
        PlannedAttack(name, at)
        for name in kinds
        for at in drawn_times(_kind(name), start, end, count, seeded(seed, "planned", name))
    ]
    return tuple(sorted(planned, key=lambda plan: (plan.at, plan.rule)))


def actors_of(scenario: Scenario) -> Population:
    """Return who uses the registries of a scenario; who they are does not depend on its span."""
    people = estate if scenario.everyday else population
    return people(scenario.seed, scenario.registries, scenario.events_per_day)


def history(
    until: datetime,
    *,
    days: int = 60,
    events_per_day: int = 2_500,
    seed: int = 1,
    registries: tuple[str, ...] = DEFAULT_REGISTRIES,
) -> Scenario:
    """Return a scenario of back-dated, attack-free traffic, as a baseline needs before it can judge. `until` is aware.

    Live traffic that is to continue it must have the same volume, seed and registries.
    """
    start = until - timedelta(days=days)
    return Scenario(start=start, end=until, events_per_day=events_per_day, seed=seed, registries=registries)
