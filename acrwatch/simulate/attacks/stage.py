"""What a script is given to play on: where, when, chance, and victims with a past of their own.

A behaviour is only strange against a past. An attack that needs one brings its victim: an identity of nobody else's
that lives on the registry from the first day of the span, its records benign and unlabelled, until the attack begins.
So attacks of one world do not spoil each other's victims.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from acrwatch.simulate import addresses
from acrwatch.simulate.attacks.resident import Resident
from acrwatch.simulate.chance import guid, seeded
from acrwatch.simulate.images import REPOSITORIES, Image, image_at
from acrwatch.simulate.population import Population
from acrwatch.simulate.registry import Registry
from acrwatch.simulate.rhythm import FLAT, WORKDAY
from acrwatch.simulate.tape import Caller, Tape, seconds
from acrwatch.simulate.wire import OK, TICKS_PER_SECOND

MINUTE: Final = 60 * TICKS_PER_SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

DOCKER: Final = (
    "docker/27.3.1 go/go1.22.7 git-commit/41ca978 kernel/6.8.0-1018-azure os/linux arch/amd64 "
    "UpstreamClient(Docker-Client/27.3.1 \\(linux\\))"
)
CONTAINERD: Final = "containerd/1.7.23"
_FIRST_NAMES: Final = ("anna", "bruno", "clara", "dario", "emma", "felix", "gwen", "henrik", "ida", "jakub", "karin")
_LAST_NAMES: Final = ("arnold", "bauer", "conti", "dubois", "eriksen", "fischer", "garcia", "horvat", "ivers", "jansen")
_TOKEN_WORDS: Final = ("edge", "kiosk", "factory", "store", "depot", "lab", "gateway", "turbine")


@dataclass(slots=True)
class Stage:
    """One attack being written. `tape` is labelled with its id; `past` is not, and takes benign deeds from before.

    `opened` and `ticks` are when the span and the attack begin. `number` is the attack's own in its scenario. A script
    that sets `hushed_until` lets no benign record of the registry be logged from the attack's begin to that tick.
    """

    number: int
    tape: Tape
    past: Tape
    people: Population
    registry: Registry
    opened: int
    ticks: int
    residents: list[Resident] = field(default_factory=list)
    hushed_until: int | None = None

    @property
    def random(self) -> Random:
        """The attack's own chance."""
        return self.tape.random

    def person(self, *, pushes: bool = False) -> Caller:
        """Return someone who works from an office on weekdays, with the same three repositories."""
        who = f"{self.random.choice(_FIRST_NAMES)}.{self.random.choice(_LAST_NAMES)}{self._mark()}@example.com"
        office = addresses.host_in(self.random.choice(addresses.OFFICES), self.random.randrange(10, 240))
        return self._lives(Caller(self.registry, who, office, DOCKER), 4.0, WORKDAY, pushes=pushes)

    def service(self, *, pushes: bool = False, per_day: float = 4.0) -> Caller:
        """Return a managed identity that runs day and night from one address of the build network."""
        who = guid(f"{self.random.getrandbits(128):032x}")
        block = self.random.choice(addresses.CI_EGRESS)
        if self.registry.private:
            block = addresses.private_block(self.registry.index, 253)
        egress = addresses.host_in(block, self.random.randrange(4, 13))
        agent = self.random.choice(("buildkit/v0.17", CONTAINERD))
        return self._lives(Caller(self.registry, who, egress, agent), per_day, FLAT, pushes=pushes)

    def token(self, *, per_day: float = 4.0) -> Caller:
        """Return a repository-scoped token with which a site polls."""
        return self._lives(self._site(), per_day, FLAT)

    def sleeper(self, *, awake_days: float) -> Caller:
        """Return a token that was used in the first days of the span and then no more."""
        caller = self._site()
        self._lives(caller, 6.0, FLAT, until=min(self.ticks, self.opened + int(awake_days * DAY)))
        return caller

    def newcomer(self) -> Caller:
        """Return a token never seen before."""
        return self._site()

    def away(self, caller: Caller) -> Caller:
        """Return the caller in an allowed network that nobody uses."""
        network = addresses.nth_network(addresses.UNUSED_BUT_ALLOWED, self.random.randrange(32))
        return caller._replace(address=f"{network}.{self.random.randrange(2, 250)}")

    def outside(self, caller: Caller) -> Caller:
        """Return the caller outside every allowed range, one time in four over IPv6."""
        return caller._replace(address=addresses.outside(self.random))

    def image(self, place: int, *, back: int = 0) -> Image:
        """Return a build of a repository, current at the time of the attack or older."""
        return image_at(self.people.seed, self.registry.name, place, self.ticks, builds_back=back)

    def own_places(self, caller: Caller) -> Sequence[int]:
        """Return the repositories (their places) in which a victim of this stage works."""
        return next(one.places for one in self.residents if one.caller.identity == caller.identity)

    def places(self, count: int) -> list[int]:
        """Return the places of so many distinct repositories."""
        return self.random.sample(range(len(REPOSITORIES)), count)

    def status(self, documented: str) -> str:
        """Return the status a write succeeds with: the one of the OCI API, or 200, as the log may write throughout.

        Which of them the log repeats is not established, so three attacks in ten have 200.
        """
        return OK if seeded("status", self.number, self.ticks).random() < 0.3 else documented

    def moments(self, count: int, over: float, *, start: float = 0.0) -> list[int]:
        """Return so many ticks in order, spread unevenly over `over` seconds from `start` seconds into the attack."""
        drawn = sorted(self.random.random() for _ in range(count))
        return [self.ticks + seconds(start + over * place) for place in drawn]

    def _site(self) -> Caller:
        name = f"{self.random.choice(_TOKEN_WORDS)}-{self._mark()}"
        network = addresses.nth_network(addresses.PARTNER_SITES, self.random.randrange(16))
        return Caller(self.registry, name, f"{network}.{self.random.randrange(100, 250)}", DOCKER)

    def _mark(self) -> str:
        """Return digits no other victim of the scenario has."""
        return f"{self.number}{len(self.residents) or ''}{self.random.randrange(10)}"

    def _lives(
        self,
        caller: Caller,
        per_day: float,
        curve: tuple[float, ...],
        *,
        pushes: bool = False,
        until: int | None = None,
    ) -> Caller:
        end = self.ticks if until is None else until
        places = tuple(self.places(3))
        self.residents.append(Resident(caller, self.people.seed, per_day, curve, places, end, pushes))
        return caller
