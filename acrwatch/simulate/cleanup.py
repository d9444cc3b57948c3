"""Benign deletions: a nightly purge task, and the registry's own retention policy.

A purge run at full speed looks exactly like an attack to a rule that counts deletions, so this one is paced: one step
each 50 seconds, at most 13 in any ten minutes, where the mass-delete rule wants 20. An operator whose purge is faster
must name its identity to the rule; the simulation does not model that.
"""

from typing import Final

from acrwatch.simulate import addresses
from acrwatch.simulate.chance import guid, hex_text
from acrwatch.simulate.images import REPOSITORIES, image_at
from acrwatch.simulate.registry import Registry
from acrwatch.simulate.rhythm import Slice
from acrwatch.simulate.tape import Caller, Tape, seconds
from acrwatch.simulate.wire import ACCEPTED, DELETE, PURGE_MANIFEST, UNTAG

_STEPS_PER_SLICE: Final = 12
_STEP_SECONDS: Final = 50
_JITTER_SECONDS: Final = 10
_NIGHT: Final = range(1, 4)
_STEPS_PER_NIGHT: Final = len(_NIGHT) * 6 * _STEPS_PER_SLICE


class PurgeTask:
    """A scheduled `acr purge` under a managed identity of its own, 01:00 to 04:00 UTC: untag, then delete by digest."""

    def __init__(self, seed: int, registry: Registry, records_per_day: float) -> None:
        self.registry, self.seed = registry, seed
        self.identity = guid(hex_text(32, seed, registry.name, "purge"))
        self._caller = Caller(registry, self.identity, addresses.CLEANUP_HOST, "acr-cli/0.15")
        self._share = min(1.0, records_per_day / _STEPS_PER_NIGHT)

    def perform(self, tape: Tape, moment: Slice) -> None:
        """Take this slice's steps, each with its own chance, so that nights differ."""
        if moment.hour not in _NIGHT:
            return
        for step in range(_STEPS_PER_SLICE):
            late = tape.random.random() * _JITTER_SECONDS
            if tape.random.random() < self._share:
                self._step(tape, moment.start + seconds(step * _STEP_SECONDS + late), step)

    def _step(self, tape: Tape, ticks: int, step: int) -> None:
        back = tape.random.randint(30, 400)
        image = image_at(
            self.seed, self.registry.name, tape.random.randrange(len(REPOSITORIES)), ticks, builds_back=back
        )
        if step % 2:
            tape.act(ticks, self._caller, DELETE, image.repository, digest=image.index_digest, status=ACCEPTED)
        else:
            tape.act(ticks, self._caller, UNTAG, image.repository, tag=image.tag, status=ACCEPTED)


class RetentionPolicy:
    """The registry purging untagged manifests on its own: no client, hence here no identity, address or user agent."""

    def __init__(self, seed: int, registry: Registry) -> None:
        self.registry, self.seed = registry, seed
        self._caller = Caller(registry, "", "", "")

    def perform(self, tape: Tape, moment: Slice) -> None:
        """Purge one manifest now and then, about two a day."""
        if tape.random.random() < 0.014:
            ticks = moment.start + seconds(600 * tape.random.random())
            image = image_at(self.seed, self.registry.name, moment.number, ticks, builds_back=500)
            tape.act(ticks, self._caller, PURGE_MANIFEST, image.repository, digest=image.arm64_digest, status=ACCEPTED)
