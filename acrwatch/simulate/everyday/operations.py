"""A cluster's and a platform team's bad and busy days."""

from typing import Final

from acrwatch.simulate import addresses
from acrwatch.simulate.everyday.spell import Recurring, Spell
from acrwatch.simulate.images import REPOSITORIES, image_at, made_image
from acrwatch.simulate.people import Person
from acrwatch.simulate.registry import Registry
from acrwatch.simulate.rhythm import SLICES_PER_DAY, Slice
from acrwatch.simulate.services import Cluster, Scanner, SiteToken
from acrwatch.simulate.tape import Caller, Tape, seconds
from acrwatch.simulate.wire import ACCEPTED, DELETE, UNTAG

_ROTATION_SLICES: Final = 120 * SLICES_PER_DAY


class BusyCluster:
    """A cluster replaces all its nodes, or runs a deployment whose image name is misspelt."""

    def __init__(self, seed: int, cluster: Cluster) -> None:
        key = f"{seed}/{cluster.registry.name}"
        self._seed, self._cluster = seed, cluster
        self._upgrades = Recurring(f"{key}/upgrade", 5, 1, 1)
        self._misspelt = Recurring(f"{key}/misspelt", 9, 6, 48, hours=(8, 17), weekdays=True)

    def perform(self, tape: Tape, moment: Slice) -> None:
        """Go on with what is under way in this slice."""
        if self._upgrades.now(moment):
            self._replace_nodes(tape, moment)
        if spell := self._misspelt.now(moment):
            self._ask_in_vain(tape, moment, spell)

    def _replace_nodes(self, tape: Tape, moment: Slice) -> None:
        """Every node logs in and pulls six to twelve images; one pull in twenty-five is refused as one too many."""
        images = tape.random.sample(range(len(REPOSITORIES)), tape.random.randint(6, 12))
        for node in range(self._cluster.nodes):
            caller, start = self._cluster.caller(node), moment.start + seconds(400 * tape.random.random())
            tape.login(start, caller)
            for step, place in enumerate(images):
                ticks = start + seconds(2 + 6 * step)
                image = image_at(self._seed, self._cluster.registry.name, place, ticks)
                if tape.random.random() < 0.04:
                    tape.failed_pull(ticks, caller, image.repository, image.tag, "429")
                    ticks += seconds(3)
                tape.pull(ticks, caller, image)

    def _ask_in_vain(self, tape: Tape, moment: Slice, spell: Spell) -> None:
        """One to six nodes ask each five minutes for what is not there."""
        place = int(spell.chance * len(REPOSITORIES))
        image = image_at(self._seed, self._cluster.registry.name, place, spell.start)
        for node in range(1 + int(6 * spell.chance)):
            for step in range(2):
                ticks = moment.start + seconds(300 * step + 60 * tape.random.random())
                tape.failed_pull(ticks, self._cluster.caller(node), f"{image.repository}e", image.tag, "404")


class ExpiredSecret:
    """A site's secret runs out: its pods are refused, ever less often up to each five minutes, until it is renewed."""

    def __init__(self, seed: int, token: SiteToken) -> None:
        self._token = token
        key = f"{seed}/{token.registry.name}/{token.identity}/expired"
        self._spells = Recurring(key, 45, 6, 30, hours=(0, 24))

    def perform(self, tape: Tape, moment: Slice) -> None:
        """Be refused; in the last slice, be let in."""
        spell = self._spells.now(moment)
        if spell is None:
            return
        waits = (0, 10, 30, 70, 150, 310) if moment.number == spell.first else (20, 320)
        for pod in range(1 + int(2 * spell.chance)):
            for wait in waits:
                tape.login(moment.start + seconds(wait + 7 * pod), self._token.caller, "401")
        if moment.number == spell.end - 1:
            tape.login(moment.start + seconds(500), self._token.caller)


class RotatedToken:
    """A site's token that is replaced by one of another name each 120 days, registry by registry."""

    def __init__(self, seed: int, token: SiteToken) -> None:
        self._seed, self._token = seed, token
        self._offset = 15 * SLICES_PER_DAY * token.registry.index

    def perform(self, tape: Tape, moment: Slice) -> None:
        """Poll once in six slices or so."""
        if tape.random.random() >= 1 / 6:
            return
        turn = (moment.number + self._offset) // _ROTATION_SLICES
        caller = self._token.caller._replace(identity=f"{self._token.identity}-r{turn}")
        ticks = moment.start + seconds(500 * tape.random.random())
        tape.login(ticks, caller)
        image = image_at(self._seed, self._token.registry.name, self._token.repository, ticks)
        tape.pull(ticks + seconds(1), caller, image)


class FastPurge:
    """A weekly `acr purge` at full speed: 60 to 150 deletions, one a second, Sunday at two."""

    def __init__(self, identity: str, seed: int, registry: Registry) -> None:
        self.caller = Caller(registry, identity, addresses.CLEANUP_HOST, "acr-cli/0.15")
        self._seed = seed

    def perform(self, tape: Tape, moment: Slice) -> None:
        """Purge, if it is time."""
        if moment.hour_of_week != 6 * 24 + 2 or moment.number % 6:
            return
        for step in range(tape.random.randint(60, 150)):
            ticks = moment.start + seconds(step * tape.random.uniform(0.9, 1.1))
            place, back = step % len(REPOSITORIES), 60 + step // len(REPOSITORIES)
            image = image_at(self._seed, self.caller.registry.name, place, ticks, builds_back=back)
            if step % 2:
                tape.act(ticks, self.caller, DELETE, image.repository, digest=image.index_digest, status=ACCEPTED)
            else:
                tape.act(ticks, self.caller, UNTAG, image.repository, tag=image.tag, status=ACCEPTED)


class Housekeeping:
    """Someone entrusted with it untags three to ten old tags in twenty minutes, about once a month."""

    def __init__(self, seed: int, person: Person, registry: Registry) -> None:
        self._seed, self._person, self._registry = seed, person, registry
        self._spells = Recurring(f"{seed}/housekeeping", 30, 2, 2, hours=(13, 15), weekdays=True)

    def perform(self, tape: Tape, moment: Slice) -> None:
        """Tidy up."""
        spell = self._spells.now(moment)
        if spell is None:
            return
        caller = self._person.home_caller(self._registry, tape.random)
        if moment.number == spell.first:
            tape.login(moment.start, caller)
        for step in range(2 + int(4 * spell.chance)):
            ticks = moment.start + seconds(20 + 90 * step)
            image = image_at(self._seed, self._registry.name, step, ticks, builds_back=40 + step)
            tape.act(ticks, caller, UNTAG, image.repository, tag=image.tag, status=ACCEPTED)


class NightFix:
    """The engineer on call pushes one image at night, about once a month."""

    def __init__(self, seed: int, person: Person, registry: Registry) -> None:
        self._seed, self._person, self._registry = seed, person, registry
        self._spells = Recurring(f"{seed}/night fix", 30, 1, 1, hours=(0, 4))

    def perform(self, tape: Tape, moment: Slice) -> None:
        """Mend what is broken."""
        if self._spells.now(moment) is None:
            return
        caller = self._person.home_caller(self._registry, tape.random)
        tape.login(moment.start, caller)
        current = image_at(self._seed, self._registry.name, 3 * self._person.index, moment.start)
        fixed = made_image(current.repository, f"{current.tag}-fix", self._seed, moment.number)
        tape.push(moment.start + seconds(240), caller, fixed)


class FullScan:
    """Once a week the scanner goes through everything of the last month, by digest, within twenty minutes."""

    def __init__(self, seed: int, scanner: Scanner) -> None:
        self._seed, self._scanner = seed, scanner
        self._spells = Recurring(f"{seed}/{scanner.registry.name}/full scan", 7, 2, 2)

    def perform(self, tape: Tape, moment: Slice) -> None:
        """Scan one half of the repositories in each of two slices."""
        spell = self._spells.now(moment)
        if spell is None:
            return
        tape.login(moment.start, self._scanner.caller)
        for place in range(moment.number - spell.first, len(REPOSITORIES), 2):
            for back in range(3):
                ticks = moment.start + seconds(10 + 30 * place + 8 * back)
                image = image_at(self._seed, self._scanner.registry.name, place, ticks, builds_back=back)
                tape.pull(ticks, self._scanner.caller, image, by_digest=True)


class Anybody:
    """The public of a public registry: pulls without identity, from anywhere, with whatever client."""

    _CLIENTS: Final = ("docker/27.3.1", "containerd/1.7.22", "containerd/2.0.0", "podman/5.2.3", "skopeo/1.16.1")

    def __init__(self, seed: int, registry: Registry) -> None:
        self._seed, self._registry = seed, registry

    def perform(self, tape: Tape, moment: Slice) -> None:
        """Pull base images, about a hundred times a day."""
        for _ in range(2):
            if tape.random.random() < 0.35:
                client = "curl/8.9.1" if tape.random.random() < 0.01 else tape.random.choice(self._CLIENTS)
                caller = Caller(self._registry, "", addresses.outside(tape.random), client)
                ticks = moment.start + seconds(590 * tape.random.random())
                place = REPOSITORIES.index("base/python") + tape.random.randrange(3)
                tape.pull(ticks, caller, image_at(self._seed, self._registry.name, place, ticks))
