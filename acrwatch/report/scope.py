"""What a report is about: a span of time, and perhaps some registries or rules only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from acrwatch.core.errors import ConfigError
from storage.state.alerts import Alert

_STEPS: Final = tuple(
    timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080)
)
# More bars than this are thinner than a glance can tell apart, on a chart as wide as a page.
_BARS: Final = 64


@dataclass(frozen=True, slots=True)
class Scope:
    """`since` until before `until`, both aware UTC. `registries` (folded names) and `rules` (slugs) are all if empty.

    Raises ConfigError for a span that is empty or goes backwards.
    """

    since: datetime
    until: datetime
    registries: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.since >= self.until:
            raise ConfigError(
                f"a report from {self.since:%Y-%m-%dT%H:%M:%SZ} to {self.until:%Y-%m-%dT%H:%M:%SZ} has no time in it",
                remedy="Let --from be before --to",
            )

    @property
    def length(self) -> timedelta:
        """How long the span is."""
        return self.until - self.since

    @property
    def step(self) -> timedelta:
        """How much time one bar of a chart stands for: a round step, at most some sixty of them."""
        return next((step for step in _STEPS if self.length <= step * _BARS), self.length / _BARS)

    def within(self, alerts: Sequence[Alert]) -> list[Alert]:
        """Return those of these alerts that are of its rules and registries. One that names no registry is about
        acrwatch itself, and so about all of them."""
        return [
            alert
            for alert in alerts
            if (not self.rules or alert.rule in self.rules)
            and (not self.registries or not alert.registries or set(self.registries) & set(alert.registries))
        ]
