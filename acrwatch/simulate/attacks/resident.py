"""A victim's life before the attack: few, regular, benign records."""

from dataclasses import dataclass

from acrwatch.simulate.images import image_at
from acrwatch.simulate.rhythm import Slice, session_starts
from acrwatch.simulate.tape import Caller, Tape, seconds


@dataclass(frozen=True, slots=True)
class Resident:
    """Pulls (perhaps pushes) the same few repositories, `per_day` sessions on average, until a tick."""

    caller: Caller
    seed: int
    per_day: float
    curve: tuple[float, ...]
    places: tuple[int, ...]
    until: int
    pushes: bool = False

    def perform(self, tape: Tape, moment: Slice) -> None:
        """Run the sessions that begin in this slice."""
        if moment.start >= self.until:
            return
        for start in session_starts(tape.random, moment, self.per_day, self.curve):
            if start + seconds(60) < self.until:
                self._session(tape, start)

    def _session(self, tape: Tape, start: int) -> None:
        tape.login(start, self.caller)
        place = tape.random.choice(self.places)
        image = image_at(self.seed, self.caller.registry.name, place, start)
        tape.pull(start + seconds(2), self.caller, image)
        if self.pushes and tape.random.random() < 0.5:
            tape.push(start + seconds(20), self.caller, image)
