"""Benign callers that are people, with a home, an office and a phone; travellers have a new hotel every two days."""

from random import Random
from typing import Final

from acrwatch.simulate import addresses
from acrwatch.simulate.chance import hex_text
from acrwatch.simulate.images import REPOSITORIES, image_at
from acrwatch.simulate.registry import Registry
from acrwatch.simulate.rhythm import OFFICE, SLICES_PER_DAY, Slice, session_starts
from acrwatch.simulate.tape import Caller, Tape, seconds

NAMES: Final = (
    "alice.berg", "bob.klein", "chiara.russo", "david.novak", "elin.strand", "farid.haddad", "greta.wolf",
    "hugo.martin", "ines.costa", "jonas.lind",
)  # fmt: skip
TRAVELLERS: Final = 2
"""The last so many of NAMES; the eight or more networks a month they are seen on are their normal life."""

_HOTEL_STAY_SLICES: Final = 2 * SLICES_PER_DAY
_DOCKER_DESKTOP: Final = (
    "docker/27.4.1 go/go1.22.10 git-commit/c710b88 kernel/6.10.14-linuxkit os/linux arch/arm64 "
    "UpstreamClient(Docker-Client/27.4.1 \\(darwin\\))"
)
_CLIENTS: Final = (_DOCKER_DESKTOP, "python-requests/2.32.3", "crane/v0.20.2")


class Person:
    """Someone with a user principal name who mostly works with one registry. People never delete anything."""

    records_per_session: Final = 6.6

    def __init__(
        self, seed: int, registries: tuple[Registry, ...], index: int, records_per_day: float, name: str | None = None
    ) -> None:
        self.seed, self.index, self._registries = seed, index, registries
        self.identity = f"{NAMES[index] if name is None else name}@example.com"
        self.travels = index >= len(NAMES) - TRAVELLERS
        self._agent = _CLIENTS[index % len(_CLIENTS)]
        self._per_day = records_per_day / self.records_per_session

    def home_caller(self, registry: Registry, random: Random) -> Caller:
        """Return the person at home; every fourth home has IPv6."""
        if self.index % 4 == 3:
            address = addresses.home_v6(self.index, random)
        else:
            address = f"{addresses.nth_network(addresses.HOMES, 5 * self.index)}.77"
        return Caller(registry, self.identity, address, self._agent)

    def perform(self, tape: Tape, moment: Slice) -> None:
        """Run the sessions that begin in this slice."""
        for start in session_starts(tape.random, moment, self._per_day, OFFICE):
            self._work(tape, start, self._somewhere(tape.random, moment))

    def _somewhere(self, random: Random, moment: Slice) -> Caller:
        favourite = self._registries[self.index % len(self._registries)]
        registry = favourite if random.random() < 0.85 else random.choice(self._registries)
        draw = random.random()
        if self.travels and draw < 0.7:
            stay = moment.number // _HOTEL_STAY_SLICES + 32 * self.index
            return self._at(registry, addresses.nth_network(addresses.HOTELS, stay), random)
        if 0.4 < draw < 0.85 and 6 <= moment.hour < 18:
            return Caller(registry, self.identity, self._office_address(random), self._agent)
        if draw >= 0.85:
            return self._at(registry, addresses.nth_network(addresses.MOBILE_CARRIERS, self.index), random)
        return self.home_caller(registry, random)

    def _office_address(self, random: Random) -> str:
        return addresses.host_in(addresses.OFFICES[self.index % len(addresses.OFFICES)], random.randrange(4))

    def _at(self, registry: Registry, network: str, random: Random) -> Caller:
        return Caller(registry, self.identity, f"{network}.{random.randint(2, 250)}", self._agent)

    def _work(self, tape: Tape, ticks: int, caller: Caller) -> None:
        random, registry = tape.random, caller.registry.name
        if random.random() < 0.05:  # mistyped, or the session had expired
            tape.login(ticks, caller, "401")
            ticks += seconds(5 + 20 * random.random())
        for _ in range(2):  # `az acr login` exchanges a token, then does what `docker login` does
            tape.login(ticks, caller)
            ticks += seconds(1 + random.random())
        for _ in range(random.randint(1, 3)):
            ticks += seconds(5 + 200 * random.random())
            image = image_at(self.seed, registry, self._picked(random), ticks)
            if random.random() < 0.06:
                missing = f"sha256:{hex_text(64, ticks)}" if random.random() < 0.3 else f"{image.tag}-rc"
                tape.failed_pull(ticks, caller, image.repository, missing, "404")
            else:
                tape.pull(ticks, caller, image)
        if self._pushes(random, ticks):
            tape.push(ticks + seconds(120), caller, image)

    def _picked(self, random: Random) -> int:
        """Return the place of the repository that is looked at next."""
        return random.randrange(len(REPOSITORIES))

    def _pushes(self, random: Random, _ticks: int) -> bool:
        return random.random() < 0.2
