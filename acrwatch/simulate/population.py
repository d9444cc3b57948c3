"""Everyone who uses the registries, in a fixed order, with each one's share of the daily records."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Final, Protocol

from acrwatch.simulate.chance import hex_text
from acrwatch.simulate.cleanup import PurgeTask, RetentionPolicy
from acrwatch.simulate.people import NAMES, TRAVELLERS, Person
from acrwatch.simulate.registry import Registry, make_registry
from acrwatch.simulate.rhythm import Slice
from acrwatch.simulate.services import Cluster, Pipeline, Scanner, SiteToken
from acrwatch.simulate.tape import Tape

PIPELINES: Final = 2
TOKENS: Final = 3

# Shares of all records. Clusters and pipelines make most of the traffic of a registry; the proportions are a guess.
PEOPLE_SHARE: Final = 0.14
_PIPELINES: Final = 0.30
_CLUSTER: Final = 0.36
_SCANNER: Final = 0.10
_TOKENS: Final = 0.08
_PURGE: Final = 0.02


class Actor(Protocol):
    """Anyone who makes records."""

    def perform(self, tape: Tape, moment: Slice) -> None:
        """Write what begins in this slice of time. Equal tapes and slices give equal records."""
        ...


class Population:
    """The actors of a scenario. Who they are depends on the seed and registries; how busy, on `events_per_day`."""

    def __init__(self, seed: int, names: Sequence[str], events_per_day: int) -> None:
        self.seed = seed
        self.registries = self._registries(seed, names)
        weights = [1 / (1 + 0.5 * registry.index) for registry in self.registries]
        daily = [events_per_day * weight / sum(weights) for weight in weights]
        self.pipelines = [
            [Pipeline(seed, registry, index, share * _PIPELINES / PIPELINES) for index in range(PIPELINES)]
            for registry, share in zip(self.registries, daily, strict=True)
        ]
        self.tokens = [
            [SiteToken(seed, registry, index, share * _TOKENS / TOKENS) for index in range(TOKENS)]
            for registry, share in zip(self.registries, daily, strict=True)
        ]
        self.clusters = [
            Cluster(seed, registry, share * _CLUSTER) for registry, share in zip(self.registries, daily, strict=True)
        ]
        self.scanners = [
            Scanner(seed, registry, share * _SCANNER) for registry, share in zip(self.registries, daily, strict=True)
        ]
        self.purges = [
            PurgeTask(seed, registry, share * _PURGE) for registry, share in zip(self.registries, daily, strict=True)
        ]
        self.people = self._people(seed, events_per_day * PEOPLE_SHARE)
        self.actors: list[Actor] = [*self.people, *chain(*self.pipelines), *chain(*self.tokens)]
        for registry in self.registries:
            self.actors += [
                self.clusters[registry.index],
                self.scanners[registry.index],
                self.purges[registry.index],
                RetentionPolicy(seed, registry),
            ]

    @property
    def bad_digests(self) -> tuple[str, ...]:
        """Digests that a list of known-bad images holds; no benign caller pulls them."""
        return tuple(f"sha256:{hex_text(64, self.seed, 'known-bad', n)}" for n in range(5))

    @property
    def watched_digest(self) -> str:
        """A digest on a watch list."""
        return f"sha256:{hex_text(64, self.seed, 'watched')}"

    @staticmethod
    def _registries(seed: int, names: Sequence[str]) -> tuple[Registry, ...]:
        return tuple(make_registry(seed, name, index) for index, name in enumerate(names))

    def _people(self, seed: int, records_per_day: float) -> list[Person]:
        """Make the people; travellers are twice as busy, or their many networks would not show."""
        unit = records_per_day / (len(NAMES) + TRAVELLERS)
        people = [Person(seed, self.registries, index, unit) for index in range(len(NAMES) - TRAVELLERS)]
        people += [Person(seed, self.registries, len(people) + extra, 2 * unit) for extra in range(TRAVELLERS)]
        return people


@lru_cache(maxsize=8)
def population(seed: int, names: tuple[str, ...], events_per_day: int) -> Population:
    """Return the population of these settings; actors hold no state, so one is as good as another."""
    return Population(seed, names, events_per_day)
