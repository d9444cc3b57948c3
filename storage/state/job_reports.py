"""What jobs report of themselves: an incident from the turn that fails until one succeeds.

A failure that cannot be written down, because it is the database that is away, is kept and written when it is back: so
an outage is seen afterwards. Of each job the first such failure and the last are kept, however long it lasts.
"""

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from acrwatch.core.clock import Clock
from acrwatch.core.errors import AcrWatchError
from storage.state import incidents
from storage.state.database import Database

log: Final = logging.getLogger(__name__)

KIND: Final = "job_failed"


@dataclass(frozen=True, slots=True)
class _Failure:
    message: str
    remedy: str
    at: datetime


class JobReports:
    """The reports of one process. Safe to share between threads."""

    def __init__(self, database: Database, clock: Clock, jobs: Iterable[str]) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        # What an earlier process left open is taken for failing until a turn succeeds.
        self._failing = set(jobs)
        self._unwritten: dict[str, list[_Failure]] = {}

    @contextmanager
    def turn(self, job: str) -> Iterator[None]:
        """Make an AcrWatchError that the block raises an incident, and raise it again; else resolve the job's incident.

        Raises what the database raises when the incident cannot be resolved; that is a failure of the job, too.
        """
        try:
            yield
            self._succeeded(job)
        except AcrWatchError as error:
            self.failed(job, error.message, error.remedy)
            raise

    def failed(self, job: str, message: str, remedy: str) -> None:
        """Write down that a job failed, or keep that until it can be written down."""
        failure = _Failure(f"{job}: {message}", remedy, self._clock.now())
        with self._lock:
            self._failing.add(job)
            self._unwritten[job] = [*self._unwritten.get(job, [])[:1], failure]
            try:
                with self._database.begin() as connection:
                    self._write(connection, job)
            except AcrWatchError as error:
                log.error("%s: cannot record the incident yet: %s", job, error)
            else:
                del self._unwritten[job]

    def _succeeded(self, job: str) -> None:
        with self._lock:
            if job in self._failing:
                with self._database.begin() as connection:
                    self._write(connection, job)
                    incidents.resolve(connection, _key(job), now=self._clock.now())
                self._unwritten.pop(job, None)
                self._failing.discard(job)

    def _write(self, connection: Connection, job: str) -> None:
        for one in self._unwritten.get(job, []):
            incidents.open(connection, _key(job), kind=KIND, message=one.message, remedy=one.remedy, now=one.at)


def _key(job: str) -> str:
    return f"job/{job}"
