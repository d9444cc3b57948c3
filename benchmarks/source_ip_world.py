"""Labelled registry use for the figures of anomalous-source-ip: 120 days of people, machines and intruders.

It knows nothing of the rule. Registry `contoso` is an office's: nearly all first come from one of its networks.
Registry `fabrikam` is a distributed team's: everyone comes with a network of their own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Final

DAYS: Final = 120
_HOUR: Final = 1 / 24


@dataclass(frozen=True, slots=True)
class Use:
    """One successful call: `day` in days since the start, `network` a number, `attack` the label or "" if benign."""

    day: float
    registry: str
    identity: str
    network: int
    attack: str = ""


@dataclass(slots=True)
class World:
    """What happened, and of which kind each identity is. Networks are numbered from 1, each /24 one number."""

    random: Random
    uses: list[Use] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def network(self) -> int:
        """Return a network that nobody has used."""
        return next(self.numbers)

    def person(self, name: str, kind: str, homes: Sequence[int], since: int = 0, registry: str = "contoso") -> None:
        """Someone who works five days in seven, mostly from the first of these networks."""
        self.kinds[name] = kind
        weights = [8, 4, 2, 1][: len(homes)]
        for day in range(since, DAYS):
            if day == since or (day % 7 < 5 and self.random.random() < 0.9):
                network = homes[0] if day == since else self.random.choices(homes, weights)[0]
                self.uses.append(Use(day + self.random.uniform(8, 17) * _HOUR, registry, name, network))

    def machine(self, name: str, kind: str, networks: Sequence[int], since: int = 0, registry: str = "contoso") -> None:
        """Something that runs every day, in any of these networks."""
        self.kinds[name] = kind
        for day in range(since, DAYS):
            network = self.random.choice(networks)
            self.uses.append(Use(day + self.random.random(), registry, name, network))

    def intrude(self, name: str, label: str, days: Sequence[float], network: int, registry: str = "contoso") -> None:
        """Someone else uses this identity from this network."""
        self.kinds.setdefault(name, "intruder's own identity")
        self.uses += [Use(day + 0.5, registry, name, network, label) for day in days]


def make_world(seed: int) -> World:
    """Return the world of a seed; equal seeds give equal worlds."""
    world = World(Random(seed))
    office, builds = world.network(), [world.network(), world.network()]
    _benign(world, office, builds)
    _home_workers(world)
    _plain_attacks(world, office, builds)
    _poisoning(world, office, builds)
    return world


def _benign(world: World, office: int, builds: list[int]) -> None:
    for n in range(12):
        world.machine(f"service{n}", "service", [builds[n % 2]])
    for n in range(20):
        own = [world.network() for _ in range(world.random.randint(1, 3))]
        world.person(f"person{n}@example.com", "person", [office, *own])
    for n in range(3):
        name = f"traveller{n}@example.com"
        world.person(name, "traveller", [office, world.network()])
        trips = world.random.sample(range(5, DAYS), DAYS // 4)
        world.uses += [Use(day + 0.4, "contoso", name, world.network()) for day in trips]
    for n in range(2):
        world.machine(f"kubelet{n}", "kubelet", [world.network() for _ in range(4)])
        world.machine(f"pool{n}", "NAT pool", [world.network() for _ in range(8)])
    for n in range(8):  # one in four works from home on the first day
        homes = [office, world.network()]
        homes = homes if n % 4 else homes[::-1]
        world.person(f"joiner{n}@example.com", "new joiner", homes, since=world.random.randrange(20, 105))
    moved = world.network()
    for n in range(6):
        name = f"mover{n}@example.com"
        world.person(name, "moved office", [office])
        world.uses = [
            Use(use.day, use.registry, name, moved) if use.identity == name and use.day > 70 else use
            for use in world.uses
        ]


def _home_workers(world: World) -> None:
    for n in range(12):
        own = [world.network() for _ in range(world.random.randint(1, 3))]
        since = 0 if n < 8 else world.random.randrange(20, 100)
        kind = "home worker" if n < 8 else "new home worker"
        world.person(f"remote{n}@example.com", kind, own, since=since, registry="fabrikam")


def _plain_attacks(world: World, office: int, builds: list[int]) -> None:
    for n in range(6):
        day = world.random.randrange(60, 110)
        world.machine(f"victim-service{n}", "service", [builds[n % 2]])
        world.intrude(f"victim-service{n}", "stolen service credential", [day], world.network())
        name = f"victim{n}@example.com"
        world.person(name, "person", [office, world.network(), world.network()][: world.random.randint(2, 3)])
        world.intrude(name, "stolen person credential", [day], world.network())
    for n in range(4):
        day = world.random.randrange(30, 60)
        world.intrude(f"made{n}", "new identity, office registry", [day], world.network())
        world.intrude(f"fab{n}", "new identity, registry of home workers", [day], world.network(), "fabrikam")


def _poisoning(world: World, office: int, builds: list[int]) -> None:
    for n in range(3):
        away = [world.network() for _ in range(3)]
        world.machine(f"patient{n}", "service", builds[:1])
        world.intrude(f"patient{n}", "waits: first visit", [40 + n], away[0])
        world.intrude(f"patient{n}", "waits: return after 16 days", [56 + n], away[0])
        world.machine(f"young{n}", "service", builds[:1], since=30)
        world.intrude(f"young{n}", "light use while learning", [33, 36, 40], away[1])
        world.intrude(f"young{n}", "return after light use while learning", [60], away[1])
        name = f"trickled{n}@example.com"
        world.person(name, "person", [office, world.network()])
        for step in range(15):
            world.intrude(name, "trickle: one of 15 networks", [50 + 3 * step + n], world.network())
        world.intrude(name, "trickle: the use it prepared", [97 + n], world.network())
    junk = [world.network() for _ in range(150)]
    for step, network in enumerate(junk):
        world.intrude("junk", "junk token: its first network" if not step else "", [62 + step // 5], network)
    for n in range(3):
        world.intrude(f"after-flood{n}", "new identity after a flood", [95 + n], world.network())
        world.intrude(f"flooded{n}", "new identity from a flooded network", [98 + n], junk[10 + n])
        world.intrude(f"joined{n}", "new identity from the junk token's first network", [101 + n], junk[0])
        world.intrude(f"service{n}", "stolen service credential after a flood", [104 + n], world.network())
