"""What a kind of attack is: its name, the detection it should raise, and the script that plays it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias

from acrwatch.simulate.attacks.stage import Stage
from acrwatch.simulate.tape import Caller

Script: TypeAlias = Callable[[Stage], Caller]
"""Writes an attack and returns who did it; of several, the one that the alert should be about."""

Hours = Literal["any", "office", "night"]
Place = Literal["any", "private", "public", "admin-disabled"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of attack.

    `rule` must fire. `also` are detections that may rightly fire on the same records: they are no false alarms. An
    `evasive` kind is made to stay below `rule`: what it raises is reported, nothing is expected.

    `span` bounds the time from first to last record, `hours` says when it is staged, `place` on which registries, and
    `history` how much of the simulated span must lie before it, or there is no past that it could stand out from.
    `most` is how often one world bears it, where each spoils the past of the next.
    """

    name: str
    rule: str
    script: Script
    also: frozenset[str] = frozenset()
    span: timedelta = timedelta(minutes=20)
    evasive: bool = False
    hours: Hours = "office"
    place: Place = "any"
    history: timedelta = timedelta(days=45)
    most: int | None = None

    @property
    def summary(self) -> str:
        """The first paragraph of the script's docstring, on one line."""
        return " ".join((self.script.__doc__ or "").partition("\n\n")[0].split())
