"""How long to wait before trying again."""

import random


class Backoff:
    """Doubles from `first` to `last` seconds; a wait is drawn from its upper half, so that many do not retry as one."""

    def __init__(self, first: float, last: float, chance: random.Random | None = None) -> None:
        self._first = first
        self._last = last
        self._next = first
        self._chance = chance or random.Random()  # noqa: S311 - spreads retries, protects nothing

    def wait(self) -> float:
        """Return the seconds to wait now; the next answer is about twice as long."""
        bound, self._next = self._next, min(self._next * 2, self._last)
        return self._chance.uniform(bound / 2, bound)

    def reset(self) -> None:
        """Begin again at `first`; called when something worked."""
        self._next = self._first
