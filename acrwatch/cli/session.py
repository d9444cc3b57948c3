"""What commands share: the configuration, the state database and the time, each made when first asked for."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from acrwatch.core.clock import Clock
from acrwatch.core.config import Config
from acrwatch.core.errors import NotFoundError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from detections.context import Context
    from detections.rule import RuleSet
    from scheduler import Parts
    from storage.state.database import Database


class Session:
    """One call of the command line. Heavy modules are imported by the members that need them."""

    def __init__(self, config_path: Path | None, *, clock: Clock, environ: Mapping[str, str] | None = None) -> None:
        self.clock = clock
        self._config_path = config_path
        self._environ = os.environ if environ is None else environ

    @cached_property
    def config(self) -> Config:
        """The configuration in force. Raises ConfigError with every mistake in it."""
        from acrwatch.configuration import configured

        return configured(self._config_path, self._environ)

    @cached_property
    def rules(self) -> "RuleSet":
        """The detections in use, by slug, and the rule files that are none. Raises ConfigError."""
        from detections.library import read_library

        return read_library(self.config.detections.rules, self.config.detections.geoip)

    @contextmanager
    def parts(self, config: Config | None = None) -> "Iterator[Parts]":
        """Yield what the configuration, or another one, names , opened when asked for."""
        import random

        from scheduler import Parts

        with Parts(config or self.config, clock=self.clock, rng=random.Random()) as parts:  # noqa: S311 - jitter, no secrets
            yield parts

    def context(self) -> "Context":
        """Return what rules know of the registries at present; where there is no state database, what is configured."""
        from scheduler import context_sources
        from storage.state.database import Database

        sources = context_sources(self.config)
        database = Database(self.config.store.database)
        if database.file and not database.file.exists():
            return sources.without_state()
        try:
            with database.connect() as connection:
                return sources.current(connection, now=self.clock.now())
        finally:
            database.close()

    def judging(self, connection: "Connection") -> set[str]:
        """Return the detections that passes run: those installed that are not retired. Raises StoreError."""
        from storage.state import stages

        files_say = {slug: one.metadata.stage for slug, one in self.rules.detections.items()}
        return files_say.keys() - stages.retired(connection, files_say, now=self.clock.now())

    @contextmanager
    def new_database(self) -> "Iterator[Database]":
        """Yield the state database, created or brought up to date first: for commands that bring data in."""
        from storage.state.database import Database

        database = Database(self.config.store.database)
        try:
            database.migrate()
            yield database
        finally:
            database.close()

    @contextmanager
    def database(self) -> "Iterator[Database]":
        """Yield the state database, which must exist.

        Raises NotFoundError if it does not: a list of no alerts, read in the wrong folder, would look like peace.
        """
        from storage.state.database import Database

        database = Database(self.config.store.database)
        if database.file and not database.file.exists():
            where = self.config.path or "no acrwatch.toml here"
            raise NotFoundError(
                f"there is no state database at {database.file} (configuration: {where})",
                remedy="Point --config at the right file, or bring data in with `acrwatch run` or `acrwatch import`",
            )
        try:
            yield database
        finally:
            database.close()


pass_session = click.make_pass_decorator(Session)
