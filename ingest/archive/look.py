"""One look at a container: which blobs of some hours hold more than was read of them, and what that is."""

import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from acrwatch.core.errors import ConfigError, NotFoundError
from ingest.archive.blobs import Blobs
from ingest.archive.layout import HOUR, Listed, prefixes, registry_of
from ingest.archive.ledger import BlobLedger
from ingest.archive.reading import Reading

# A request takes some 20 ms however little it brings, and most blobs are small: a few are asked for ahead.
_AHEAD: Final = 4
# Registries are added seldom, and finding out costs a request for each segment of their paths.
_ROOTS_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Hours:
    """Which blobs to look at: filed under the hours from `since` (None: the first) until `until`, not included."""

    since: datetime | None
    until: datetime
    registries: Collection[str] = ()

    def hold(self, hour: datetime) -> bool:
        """Return whether this hour is one of them."""
        return (self.since is None or hour >= self.since) and hour < self.until


class Looker:
    """Looks at one container again and again. Belongs to one thread; `close` it."""

    def __init__(self, blobs: Blobs, ledger: BlobLedger, *, relist: timedelta) -> None:
        """A blob counts as final once its hour has been over for `relist`."""
        self._blobs = blobs
        self._ledger = ledger
        self._relist = relist
        self._pool = ThreadPoolExecutor(_AHEAD, thread_name_prefix="archive")
        self._roots: list[str] = []
        self._roots_until = 0.0

    def close(self) -> None:
        """Let go of the service."""
        self._pool.shutdown(cancel_futures=True)
        self._blobs.close()

    def listed(self, hours: Hours) -> list[Listed]:
        """Return the blobs of these hours, the oldest first. Raises as Blobs do, and NotFoundError, ConfigError where
        the container has none of the registries asked for."""
        found = [
            one
            for root in self._chosen(hours.registries)
            for prefix in prefixes(root, hours.since, hours.until)
            for one in self._blobs.listed(prefix)
            if hours.hold(one.hour)
        ]
        return sorted(found, key=lambda one: (one.hour, one.name))

    def due(self, listed: Sequence[Listed], now: datetime) -> list[Reading]:
        """Return those that hold something new, but for those of which something still has to be stored."""
        progress = self._ledger.of(listed)
        waiting = self._ledger.unstored()
        readings = [
            Reading(self._blobs, one, progress[one.name], final=one.hour + HOUR + self._relist <= now)
            for one in listed
            if progress[one.name].name not in waiting
        ]
        return [reading for reading in readings if reading.due]

    def begun(self, readings: Sequence[Reading]) -> Iterator[Reading]:
        """Yield readings in order, the next ones asked for already."""
        waiting: deque[Reading] = deque()
        for reading in readings:
            reading.begin(self._pool)
            waiting.append(reading)
            if len(waiting) >= _AHEAD:
                yield waiting.popleft()
        yield from waiting

    def _chosen(self, registries: Collection[str]) -> list[str]:
        if not self._roots or time.monotonic() >= self._roots_until:
            self._roots = self._blobs.roots()
            self._roots_until = time.monotonic() + _ROOTS_SECONDS
        if not registries:
            return self._roots
        named = {root: registry_of(root) for root in self._roots}
        if self._roots and not any(named.values()):
            raise ConfigError(
                "the paths of this container name no registry, so none can be chosen",
                remedy="Leave the registries out: exports of Log Analytics hold those of the whole workspace",
            )
        wanted = {name.casefold() for name in registries}
        if missing := wanted - set(named.values()):
            known = ", ".join(sorted({name for name in named.values() if name})) or "none"
            raise NotFoundError(
                f"the container holds nothing of {', '.join(sorted(missing))}", remedy=f"It holds: {known}"
            )
        return [root for root, name in named.items() if name in wanted]
