"""Benign callers that are programs: build pipelines, cluster nodes, a vulnerability scanner, remote sites' tokens."""

import math
from random import Random
from typing import Final

from acrwatch.simulate import addresses
from acrwatch.simulate.chance import guid, hex_text
from acrwatch.simulate.images import BASE_IMAGES, REPOSITORIES, image_at
from acrwatch.simulate.registry import Registry
from acrwatch.simulate.rhythm import FLAT, OFFICE, SERVICE, SLICES_PER_DAY, Slice, session_starts
from acrwatch.simulate.tape import Caller, Tape, seconds
from acrwatch.simulate.wire import CREATED, IMPORT

_BUILDKIT: Final = "buildkit/v0.17"
_CONTAINERD: Final = "containerd/1.7.25"
_DOCKER: Final = (
    "docker/27.4.1 go/go1.22.10 git-commit/c710b88 kernel/6.8.0-1021 os/linux arch/amd64 "
    "UpstreamClient(Docker-Client/27.4.1 \\(linux\\))"
)
_BASE_PLACES: Final = tuple(REPOSITORIES.index(name) for name in BASE_IMAGES)
_SITES: Final = ("berlin", "lyon", "malmo")

_WIDEST_BURST: Final = 12
_BURST_SKEW: Final = 2.5
"""How much rarer wide bursts are than narrow ones: half of all bursts have one or two nodes, one in thirty twelve."""
_RECORDS_PER_PULL: Final = 2.0
_LOGIN_PERIOD_SLICES: Final = 18
"""A node logs in every three hours: that long lives the refresh token an Entra identity is given."""


class Pipeline:
    """A build service principal, known by its object id, that always works from the same few egress addresses."""

    records_per_session: Final = 7.6

    def __init__(self, seed: int, registry: Registry, index: int, records_per_day: float) -> None:
        self.registry, self.seed = registry, seed
        self.identity = guid(hex_text(32, seed, registry.name, "pipeline", index))
        public = addresses.CI_EGRESS[index % len(addresses.CI_EGRESS)]
        self._egress = addresses.private_block(registry.index, 250) if registry.private else public
        self._first_repository = index
        self._per_day = records_per_day / self.records_per_session

    def caller(self, random: Random) -> Caller:
        """Return the pipeline on one of its three egress addresses."""
        return Caller(self.registry, self.identity, addresses.host_in(self._egress, random.randrange(3)), _BUILDKIT)

    def perform(self, tape: Tape, moment: Slice) -> None:
        """Run the builds that begin in this slice."""
        for start in session_starts(tape.random, moment, self._per_day, OFFICE):
            self._build(tape, start)

    def _build(self, tape: Tape, ticks: int) -> None:
        random, caller = tape.random, self.caller(tape.random)
        if random.random() < 0.02:  # the secret was rotated under a running job, which reads the new one and retries
            tape.login(ticks, caller, "401")
            ticks += seconds(20)
        tape.login(ticks, caller)
        base = image_at(self.seed, self.registry.name, random.choice(_BASE_PLACES), ticks)
        tape.pull(ticks + seconds(2), caller, base)
        pushed = ticks + seconds(60 + 400 * random.random())
        built = image_at(self.seed, self.registry.name, self._first_repository + 2 * random.randrange(8), pushed)
        tape.login(pushed - seconds(1), caller)
        tape.push(pushed, caller, built)
        if random.random() < 0.5:  # docker asks for a new token when it goes on to the next image
            tape.login(pushed + seconds(15), caller)
        if random.random() < 0.01:
            self._import_base(tape, pushed + seconds(30), caller)

    def _import_base(self, tape: Tape, ticks: int, caller: Caller) -> None:
        base = image_at(self.seed, self.registry.name, _BASE_PLACES[0], ticks)
        source = f"mcr.microsoft.com/{base.repository}"
        tape.act(
            ticks,
            caller,
            IMPORT,
            base.repository,
            tag=base.tag,
            digest=base.index_digest,
            media_type=source,
            status=CREATED,
        )


class Cluster:
    """Kubernetes nodes that share one kubelet identity. Even registries are reached privately, odd ones through NAT."""

    def __init__(self, seed: int, registry: Registry, records_per_day: float) -> None:
        self.registry, self.seed = registry, seed
        self.identity = guid(hex_text(32, seed, registry.name, "kubelet"))
        logins_per_node = SLICES_PER_DAY // _LOGIN_PERIOD_SLICES
        self.nodes = max(3, min(400, round(records_per_day * 0.15 / logins_per_node)))
        pulls = max(0.0, records_per_day - self.nodes * logins_per_node)
        self._bursts_per_day = pulls / (_RECORDS_PER_PULL * self._mean_width())

    def caller(self, node: int) -> Caller:
        """Return a node: its own private address, or one of two egress addresses."""
        private = f"10.{20 + self.registry.index}.{1 + node // 200}.{10 + node % 200}"
        egress = addresses.host_in(addresses.CLUSTER_EGRESS, 2 * self.registry.index + node % 2)
        nat = self.registry.index % 2 and not self.registry.private
        return Caller(self.registry, self.identity, egress if nat else private, _CONTAINERD)

    def perform(self, tape: Tape, moment: Slice) -> None:
        """Renew the tokens that are due and run the roll-outs and scale-outs that begin in this slice."""
        for node in range(moment.number % _LOGIN_PERIOD_SLICES, self.nodes, _LOGIN_PERIOD_SLICES):
            tape.login(moment.start + seconds(600 * tape.random.random()), self.caller(node))
        for start in session_starts(tape.random, moment, self._bursts_per_day, SERVICE):
            self._scale_out(tape, start)

    def _mean_width(self) -> float:
        """Return the mean number of nodes in a burst: the sum over k of the chance that more than k take part."""
        extra = range(1, min(self.nodes, _WIDEST_BURST))
        return 1.0 + sum(1.0 - math.pow(k / _WIDEST_BURST, 1 / _BURST_SKEW) for k in extra)

    def _scale_out(self, tape: Tape, start: int) -> None:
        random = tape.random
        width = min(self.nodes, 1 + int(_WIDEST_BURST * random.random() ** _BURST_SKEW))
        first, repository = random.randrange(self.nodes), random.randrange(len(REPOSITORIES))
        for node in range(first, first + width):
            ticks = start + seconds(90 * random.random())
            image = image_at(self.seed, self.registry.name, repository, start, builds_back=1)
            tape.pull(ticks, self.caller(node % self.nodes), image)


class Scanner:
    """A vulnerability scanner under an opaque id that is not quite a GUID, like the documentation's own example."""

    records_per_session: Final = 11.1

    def __init__(self, seed: int, registry: Registry, records_per_day: float) -> None:
        self.registry, self.seed = registry, seed
        opaque = guid(hex_text(32, seed, "scanner"))[:-2] + "g6"
        block = addresses.private_block(registry.index, 251) if registry.private else addresses.SCANNER_EGRESS
        address = addresses.host_in(block, registry.index)
        self.caller = Caller(registry, opaque, address, "Go-http-client/2.0")
        self._per_day = records_per_day / self.records_per_session

    def perform(self, tape: Tape, moment: Slice) -> None:
        """Scan some recent images by digest; privately reached registries refuse one in ten sessions outright."""
        for start in session_starts(tape.random, moment, self._per_day, FLAT):
            if self.registry.index % 2 == 0 and tape.random.random() < 0.1:
                tape.login(start, self.caller, "403")
                continue
            tape.login(start, self.caller)
            for place in tape.random.sample(range(len(REPOSITORIES)), tape.random.randint(3, 8)):
                start += seconds(1 + 5 * tape.random.random())
                tape.pull(start, self.caller, image_at(self.seed, self.registry.name, place, start), by_digest=True)


class SiteToken:
    """A repository-scoped token, known by its name, with which one remote site polls one repository.

    Names are unique in one registry only: every registry has a `site-berlin-pull`, each at another site's network.
    """

    records_per_session: Final = 3.0

    def __init__(self, seed: int, registry: Registry, index: int, records_per_day: float) -> None:
        self.registry, self.seed, self.repository = registry, seed, 3 * index
        self.identity = f"site-{_SITES[index % len(_SITES)]}-pull"
        network = addresses.nth_network(addresses.PARTNER_SITES, len(_SITES) * registry.index + index)
        inside = addresses.host_in(addresses.private_block(registry.index, 252), index)
        address = inside if registry.private else f"{network}.{20 + index}"
        self.caller = Caller(registry, self.identity, address, _DOCKER)
        self._per_day = records_per_day / self.records_per_session

    def perform(self, tape: Tape, moment: Slice) -> None:
        """Poll; one in a hundred polls goes to a repository outside the token's scope and is refused."""
        for start in session_starts(tape.random, moment, self._per_day, FLAT):
            tape.login(start, self.caller)
            image = image_at(self.seed, self.registry.name, self.repository, start)
            if tape.random.random() < 0.01:
                tape.failed_pull(start + seconds(1), self.caller, "payments/ledger", image.tag, "403")
            else:
                tape.pull(start + seconds(1), self.caller, image)
