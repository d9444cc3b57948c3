"""Builds and releases as they are: retries, tags that move, previews that go, a bot that looks for updates."""

from random import Random
from typing import Final

from acrwatch.simulate import addresses
from acrwatch.simulate.chance import guid, hex_text
from acrwatch.simulate.everyday.spell import Recurring
from acrwatch.simulate.images import REPOSITORIES, image_at, made_image
from acrwatch.simulate.registry import Registry
from acrwatch.simulate.rhythm import OFFICE, SLICE_TICKS, Slice, session_starts
from acrwatch.simulate.services import Pipeline
from acrwatch.simulate.tape import Caller, Tape, seconds
from acrwatch.simulate.wire import ACCEPTED, DELETE_REPOSITORY, PUSH

_MINUTE: Final = 60


class Releases:
    """What a pipeline does beside plain builds: retried pushes, moved tags, releases, new repositories."""

    def __init__(self, seed: int, pipeline: Pipeline) -> None:
        self._pipeline, self._seed, self._name = pipeline, seed, pipeline.registry.name

    def perform(self, tape: Tape, moment: Slice) -> None:
        """Run what begins in this slice."""
        for per_day, deed in ((0.7, self._retried), (3.0, self._moved), (1 / 7, self._released), (1 / 60, self._new)):
            for start in session_starts(tape.random, moment, per_day, OFFICE):
                caller = self._pipeline.caller(tape.random)
                tape.login(start, caller)
                deed(tape, start + seconds(5), caller)

    def _retried(self, tape: Tape, ticks: int, caller: Caller) -> None:
        """The registry answers 500 or 429 once to three times before the push goes through."""
        image = image_at(self._seed, self._name, tape.random.randrange(len(REPOSITORIES)), ticks)
        for _ in range(tape.random.randint(1, 3)):
            status = tape.random.choice(("500", "503", "429"))
            tape.act(ticks, caller, PUSH, image.repository, tag=image.tag, status=status)
            ticks += seconds(tape.random.uniform(4, 40))
        tape.push(ticks, caller, image)

    def _moved(self, tape: Tape, ticks: int, caller: Caller) -> None:
        """`main`, `latest`, `blue` or `green` moves to a new build."""
        self._push(
            tape, ticks, caller, self._repository(tape.random), tape.random.choice(("main", "latest", "blue", "green"))
        )

    def _released(self, tape: Tape, ticks: int, caller: Caller) -> None:
        """A release: one new tag, and three that move, all within a minute or so."""
        repository = self._repository(tape.random)
        version = f"{ticks // (24 * 3600 * 10_000_000)}.{tape.random.randrange(100)}"
        for step, tag in enumerate((f"release-{version}", f"5.{version}", "5", "latest")):
            self._push(tape, ticks + seconds(15 * step), caller, repository, tag)

    def _new(self, tape: Tape, ticks: int, caller: Caller) -> None:
        """A new service gets a repository."""
        group = tape.random.choice(REPOSITORIES).partition("/")[0]
        name = tape.random.choice(("refunds", "notifier", "reports", "scheduler", "webhooks", "exporter", "audit"))
        self._push(tape, ticks, caller, f"{group}/{name}", "0.1.0")

    def _repository(self, random: Random) -> str:
        return REPOSITORIES[random.randrange(8)]

    def _push(self, tape: Tape, ticks: int, caller: Caller, repository: str, tag: str) -> None:
        tape.push(ticks, caller, made_image(repository, tag, self._seed, self._name, ticks))


class Previews:
    """A service that publishes a preview for each proposed change, in a repository of its own, and deletes it whole."""

    def __init__(self, seed: int, registry: Registry) -> None:
        identity = guid(hex_text(32, seed, registry.name, "previews"))
        address = addresses.host_in(addresses.CI_EGRESS[0], 5)
        self.caller = Caller(registry, identity, address, "buildkit/v0.17")
        self._seed = seed

    def perform(self, tape: Tape, moment: Slice) -> None:
        """Publish about five a week; each goes a week later."""
        for start in session_starts(tape.random, moment, 0.7, OFFICE):
            repository = f"preview/change-{start // SLICE_TICKS % 10_000}"
            tape.login(start, self.caller)
            tape.push(start + seconds(30), self.caller, made_image(repository, "preview", self._seed, start))
            gone = f"preview/change-{(start // SLICE_TICKS - 1008) % 10_000}"
            tape.act(start + seconds(200), self.caller, DELETE_REPOSITORY, gone, status=ACCEPTED)


class UpdateBot:
    """A bot that looks each working day at five and at one for new versions of everything."""

    def __init__(self, seed: int, registry: Registry) -> None:
        self.identity = guid(hex_text(32, seed, registry.name, "updates"))
        block = addresses.private_block(registry.index, 250) if registry.private else addresses.CI_EGRESS[1]
        self._caller = Caller(registry, self.identity, addresses.host_in(block, 6), "renovate/39.18.2")
        self._seed = seed
        self._runs = [
            Recurring(f"{seed}/{registry.name}/updates/{hour}", 1.0, 1, 1, hours=(hour, hour + 1), weekdays=True)
            for hour in (5, 13)
        ]

    def perform(self, tape: Tape, moment: Slice) -> None:
        """Pull every repository's current manifest; one in twenty is asked for a tag that is not there."""
        if not any(run.now(moment) for run in self._runs):
            return
        tape.login(moment.start, self._caller)
        for place in range(len(REPOSITORIES)):
            ticks = moment.start + seconds(5 + 8 * place + 3 * tape.random.random())
            image = image_at(self._seed, self._caller.registry.name, place, ticks)
            if tape.random.random() < 0.05:
                tape.failed_pull(ticks, self._caller, image.repository, f"{image.tag}-alpine", "404")
            else:
                tape.pull(ticks, self._caller, image)
