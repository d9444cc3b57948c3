"""A whole company's registries with everyday trouble, from which attacks are to be told."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec

from acrwatch.simulate.everyday.colleagues import HOUSEKEEPER, PEOPLE, RECORDS_PER_DAY, Joiners, colleagues
from acrwatch.simulate.everyday.control_plane import AddressByHand, Templates
from acrwatch.simulate.everyday.delivery import Previews, Releases, UpdateBot
from acrwatch.simulate.everyday.operations import (
    Anybody,
    BusyCluster,
    ExpiredSecret,
    FastPurge,
    FullScan,
    Housekeeping,
    NightFix,
    RotatedToken,
)
from acrwatch.simulate.people import Person
from acrwatch.simulate.population import PEOPLE_SHARE, Actor, Population
from acrwatch.simulate.registry import Registry, make_registry

_PUBLIC: Final = 1
_FAST_PURGE: Final = 1


class Estate(Population):
    """The population, its people at one place at a time, and what is odd but benign.

    Of three or more registries the second is public and the last private. People make as many records as people do,
    whatever `events_per_day`: machines make up the rest.
    """

    def __init__(self, seed: int, names: Sequence[str], events_per_day: int) -> None:
        machines = max(0.0, events_per_day - RECORDS_PER_DAY * len(PEOPLE))
        super().__init__(seed, names, round(machines / (1 - PEOPLE_SHARE)))
        self.open_registries = tuple(one for one in self.registries if not one.private and not one.public)
        self.previews = Previews(seed, self.open_registries[-1])
        purged = self.open_registries[_FAST_PURGE % len(self.open_registries)]
        self.fast_purge = FastPurge(self.purges[purged.index].identity, seed, purged)
        self.on_call = self.people[0]
        self.bots = [UpdateBot(seed, registry) for registry in self.registries]
        self.actors += self._everyday(seed)

    @staticmethod
    def _registries(seed: int, names: Sequence[str]) -> tuple[Registry, ...]:
        made = [make_registry(seed, name, index) for index, name in enumerate(names)]
        if len(made) >= 3:
            made[_PUBLIC] = msgspec.structs.replace(made[_PUBLIC], public=True)
            made[-1] = msgspec.structs.replace(made[-1], private=True)
        return tuple(made)

    def _people(self, seed: int, _records_per_day: float) -> list[Person]:
        return colleagues(seed, tuple(one for one in self.registries if not one.private))

    def _everyday(self, seed: int) -> list[Actor]:
        housekeeper = self.people[HOUSEKEEPER]
        theirs = self.open_registries[HOUSEKEEPER % len(self.open_registries)]
        actors: list[Actor] = [
            Joiners(seed, self.open_registries), self.previews, self.fast_purge, *self.bots,
        ]  # fmt: skip
        actors += [Releases(seed, pipelines[0]) for pipelines in self.pipelines]
        actors += [BusyCluster(seed, cluster) for cluster in self.clusters]
        actors += [ExpiredSecret(seed, token) for tokens in self.tokens for token in tokens]
        actors += [RotatedToken(seed, tokens[0]) for tokens in self.tokens]
        actors += [FullScan(seed, scanner) for scanner in self.scanners]
        actors += [Anybody(seed, registry) for registry in self.registries if registry.public]
        actors += [
            Templates(seed, one, self.tokens[one.index][0].identity, self.clusters[one.index].identity)
            for one in self.registries
        ]
        actors += [AddressByHand(seed, self.on_call, self.open_registries[0])]
        actors += [Housekeeping(seed, housekeeper, theirs), NightFix(seed, self.on_call, self.open_registries[0])]
        return actors


@lru_cache(maxsize=8)
def estate(seed: int, names: tuple[str, ...], events_per_day: int) -> Estate:
    """Return the estate of these settings; actors hold no state, so one is as good as another."""
    return Estate(seed, names, events_per_day)
