"""What a configuration adds to a lake: the state database, what is known of registries, rules of one's own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from acrwatch.core.config import Config
from acrwatch.core.registry import EVERY, RegistryContext
from storage.state.database import Database

if TYPE_CHECKING:
    from detections.context import Context
    from detections.rule import RuleSet


@dataclass(frozen=True)
class Known:
    """What rules are judged with. Without a configuration: the shipped rules, and nothing of any registry."""

    database: str | None = field(default=None, repr=False)  # it may hold a password
    registries: Mapping[str, RegistryContext] = field(default_factory=dict)
    rule_paths: tuple[Path, ...] = ()
    geoip: Path | None = None
    lateness: timedelta = timedelta(hours=24)

    @classmethod
    def configured(cls, config: Config) -> "Known":
        """Return what a configuration says."""
        detections = config.detections
        return cls(
            config.store.database,
            {EVERY: config.every_registry, **config.registries},
            detections.rules,
            detections.geoip,
            detections.lateness,
        )

    @cached_property
    def rules(self) -> "RuleSet":
        """Every detection, and the rule files that are none. Raises ConfigError."""
        from detections.library import read_library

        return read_library(self.rule_paths, self.geoip)

    def context(self, database: Database | None, *, now: datetime) -> "Context":
        """Return what rules know of the registries at a moment: configured, imported and watched."""
        from detections.context_sources import ContextSources

        sources = ContextSources(self.registries)
        if database is None:
            return sources.without_state()
        with database.connect() as connection:
            return sources.current(connection, now=now)
