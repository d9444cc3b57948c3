"""When things run: passes after commits, deliveries after passes, maintenance in between; and an orderly end.

`Parts` opens what a configuration names. `Service` runs all of it in one process: every source in a thread of its own,
the rest as APScheduler jobs. All jobs coalesce (ten missed turns are one turn) and have no misfire limit (a late pass
still catches up: passes go by position, not by time). Each job runs once at a time; wakes that come while it runs
start it once more afterwards.
"""

import contextlib
import logging
import math
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from types import FrameType
from typing import Final, Self, TypeVar

from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler

from acrwatch.core.clock import Clock
from acrwatch.core.config import Config
from acrwatch.core.errors import AcrWatchError, ConfigError, ConflictError
from acrwatch.core.registry import EVERY
from acrwatch.delivery.sinks import Sink
from acrwatch.delivery.sinks.discover import open_sinks
from acrwatch.delivery.worker import Summary, deliver_due
from detections.blindness import Watch, Watched
from detections.context_sources import ContextSources
from detections.detection import Detection
from detections.engine import Engine
from detections.library import read_library
from detections.notices import Publishing
from detections.rulebook import Rulebook
from ingest.normalise import Normaliser
from ingest.opening import Opening
from ingest.pipeline import Pipeline
from ingest.sources import Source
from ingest.sources.discover import source_types
from storage.lake import Lake
from storage.lake.maintenance import Maintained, maintain
from storage.lake.retention import first_kept
from storage.state import forgetting, leases, runs
from storage.state.database import Database
from storage.state.job_reports import JobReports
from storage.state.purging import purge

__part_of__ = "acrwatch"

log = logging.getLogger(__name__)

S = TypeVar("S", bound=Source)

DELIVER_EVERY: Final = timedelta(seconds=5)
# Nobody waits for single events of an import or a backfill; few large commits make few large files.
BULK_COMMIT_INTERVAL: Final = timedelta(seconds=30)
MAINTAIN_EVERY: Final = timedelta(minutes=1)
WATCH_EVERY: Final = timedelta(minutes=5)
PURGE_EVERY: Final = timedelta(hours=1)  # with maintenance; it looks through all that is kept

_LOOK_AT_THE_CLOCK: Final = timedelta(seconds=30)

_JOBS: Final = ("detect", "deliver", "maintain", "watch")
# Of each job one runs, one waits because it was woken meanwhile, and one may have ended but not be counted off yet:
# with only two, a wake in that moment would be refused, and what it was for would wait for the next turn.
_INSTANCES: Final = 3

# Longer than any compaction of one round should take; a compactor that dies is replaced after this.
_MAINTENANCE_LEASE: Final = timedelta(minutes=10)


def load_detections() -> dict[str, Detection]:
    """Return every shipped detection by slug that loads; `read_library` says which do not, and why."""
    return dict(read_library().detections)


def context_sources(config: Config) -> ContextSources:
    """Return where rules get what they know of the registries: the configuration, and what the state database adds."""
    return ContextSources({EVERY: config.every_registry, **config.registries})


class Parts:
    """What a configuration names, opened when first asked for. Close it; it is a context manager."""

    def __init__(self, config: Config, *, clock: Clock, rng: random.Random) -> None:
        self.config = config
        self.clock = clock
        self.rng = rng
        self._purged: datetime | None = None
        self.owner = f"{socket.gethostname()[:40]}:{os.getpid()}:{rng.getrandbits(32):08x}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what was opened. Safe to call twice."""
        for sink in self.__dict__.get("sinks", {}).values():
            sink.close()
        if "database" in self.__dict__:
            self.database.close()

    @cached_property
    def database(self) -> Database:
        """The state database, brought up to date."""
        database = Database(self.config.store.database)
        database.migrate()
        return database

    @cached_property
    def sinks(self) -> Mapping[str, Sink]:
        """The configured destinations."""
        return open_sinks(self.config.destinations)

    def lake(self) -> Lake:
        """Return a lake of one's own: one per thread that commits."""
        return Lake.open(self.config.store.path)

    def normaliser(self) -> Normaliser:
        """Return a normaliser that knows the configured admin names and the retention."""
        registries = {EVERY: self.config.every_registry, **self.config.registries}
        return Normaliser(
            admin_usernames={name: one.lists.get("admin_usernames", ()) for name, one in registries.items()},
            retention=self.config.store.retention,
        )

    def pipelines(self, on_commit: Callable[[], None]) -> list[Pipeline]:
        """Return a pipeline per configured source; `on_commit` is called after each commit that brought rows."""
        kinds = source_types()
        found = []
        for source in self.config.sources:
            kind, values = kinds[source.type], source.values
            try:
                _, pipeline = self.reading(partial(kind.open, values), _interval(values), on_commit)
            except ConfigError as error:
                raise ConfigError(f"{source.where}: {error.message}", remedy=error.remedy) from error
            found.append(pipeline)
        return found

    def reading(
        self, make: Callable[[Opening], S], commit_interval: timedelta, on_commit: Callable[[], None] = lambda: None
    ) -> tuple[S, Pipeline]:
        """Return a source, and the pipeline that stores what it brings. Raises what `make` raises."""
        lake = self.lake()
        self._forget_what_is_lost(lake)
        source = make(Opening(lake=lake, database=self.database, clock=self.clock))
        pipeline = Pipeline(
            source=source,
            normaliser=self.normaliser(),
            lake=lake,
            database=self.database,
            clock=self.clock,
            commit_interval=commit_interval,
            on_commit=on_commit,
        )
        return source, pipeline

    def _forget_what_is_lost(self, lake: Lake) -> None:
        """Let all be read again where the lake is empty, as after its loss: what ledgers remember is not there."""
        if lake.snapshot().files:
            return
        with self.database.begin() as connection:
            forgotten = forgetting.forget_imports(connection)
        if forgotten:
            log.warning("the lake at %s is empty: %d files or blobs can be read again", lake.root, forgotten)

    @cached_property
    def rulebook(self) -> Rulebook:
        """The detections in use: those that come along, and those of the configured folders."""
        return Rulebook(self.config.detections.rules, self.config.detections.geoip)

    def refresh_rules(self) -> None:
        """Take up rule files that changed, and make known those that are broken. Call it between passes."""
        if self.rulebook.refresh(self.database, self._publishing(), now=self.clock.now()):
            mistakes = "; ".join(map(str, self.rulebook.latest.mistakes))
            if self.rulebook.refused:
                log.error("the rules changed, but those in use stay, for the change has mistakes: %s", mistakes)
            else:
                log.info("the rules changed: %d detections are in use", len(self.rulebook))

    def engine(self, on_alerts: Callable[[], object] = lambda: None) -> Engine:
        """Return the engine over the detections in use; `on_alerts` is called whenever a run changed alerts."""
        return Engine(
            self.lake(),
            self.database,
            self.rulebook,
            self.contexts,
            self.clock,
            lateness=self.config.detections.lateness,
            publishing=self._publishing(),
            on_alerts=on_alerts,
        )

    @property
    def contexts(self) -> ContextSources:
        """What rules know of the registries; each pass asks anew, so that an import counts from the next one on."""
        return context_sources(self.config)

    def watch(self) -> Watch:
        """Return a watch for what blinds us: one per thread, kept, for it remembers what it has read."""
        return Watch(self.lake(), self.database, self.config.registries.keys(), self._publishing())

    def _publishing(self) -> Publishing:
        return Publishing(tuple(destination.name for destination in self.config.destinations))

    def look_around(self, watch: Watch) -> Watched | None:
        """Look for what blinds us, unless another process did so within the last turn."""
        with self.database.begin() as connection:
            if not leases.acquire(connection, "watch", self.owner, 2 * WATCH_EVERY):
                return None
        return watch.look(now=self.clock.now())

    def reports(self, jobs: Iterable[str]) -> JobReports:
        """Return where this process reports what becomes of these jobs."""
        return JobReports(self.database, self.clock, jobs)

    def deliver(self) -> Summary:
        """Send what is due."""
        return deliver_due(self.database, self.sinks, clock=self.clock, rng=self.rng)

    def maintain(self, lake: Lake) -> Maintained | None:
        """Look after the lake, unless another process holds the lease to. Raises StoreError, perhaps of one date."""
        with self.database.begin() as connection:
            if not leases.acquire(connection, "maintenance", self.owner, _MAINTENANCE_LEASE):
                return None
        try:
            return self._maintain(lake)
        finally:
            with self.database.begin() as connection:
                leases.release(connection, "maintenance", self.owner)

    def _maintain(self, lake: Lake) -> Maintained:
        now, store = self.clock.now(), self.config.store
        retention = store.retention
        done = maintain(lake, now=now, retention=retention, hints=self.hints(), closed_after=store.closed_after)
        if retention is not None and done.retired.dates:
            with self.database.begin() as connection:
                forgetting.forget_network_days(connection, before=first_kept(retention, now))
                forgetting.forget_habits(connection, before=first_kept(retention, now))
        if self._purged is None or abs(now - self._purged) >= PURGE_EVERY:  # the clock may go back
            self._purge(now)
        if done.failed is not None:
            raise done.failed
        return done

    def _purge(self, now: datetime) -> None:
        store = self.config.store
        events_from = None if store.retention is None else first_kept(store.retention, now)
        gone = purge(self.database, now=now, keep=store.state_retention, events_from=events_from)
        self._purged = now
        if gone.deliveries or gone.runs or gone.rejects:
            said = "forgot %d finished deliveries, %d runs and %d rejects"
            log.info(said, gone.deliveries, gone.runs, gone.rejects)

    def hints(self) -> list[int]:
        """Return the versions of the lake that the detections' cursors point to."""
        with self.database.connect() as connection:
            cursors = runs.load(connection).values()
        return [cursor.hint.version for cursor in cursors if cursor.hint is not None]


def _interval(values: Mapping[str, object]) -> timedelta:
    """Return a source's `commit_interval`; kinds without that setting commit as fast as they read."""
    interval = values.get("commit_interval")
    return interval if isinstance(interval, timedelta) else timedelta(milliseconds=500)


class Service:
    """All of acrwatch in one process: `start`, then `stop`; or `run_until_signal`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(len(_JOBS) * _INSTANCES)},
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": _INSTANCES},
        )
        self._scheduler.add_listener(self._raised, EVENT_JOB_ERROR)
        self._reports = parts.reports(_JOBS)
        self._turns = {name: threading.Lock() for name in _JOBS}
        self._began = dict.fromkeys(_JOBS, -math.inf)

    def start(self) -> None:
        """Start reading, judging, delivering. Raises AcrWatchError for what a person must mend before anything runs."""
        parts = self._parts
        logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
        engine = parts.engine(lambda: self.wake("deliver"))
        lake, watch = parts.lake(), parts.watch()
        pipelines = parts.pipelines(lambda: self.wake("detect"))
        self._add("detect", parts.config.detections.every, lambda: self._detect(engine))
        self._add("deliver", DELIVER_EVERY, self._deliver)
        self._add("maintain", MAINTAIN_EVERY, lambda: self._maintain(lake))
        if pipelines:  # without a source nobody is expected to speak
            self._add("watch", WATCH_EVERY, lambda: self._watch(watch))
        self._scheduler.start()
        self.wake("detect")
        self.wake("deliver")  # what an earlier process left
        for number, pipeline in enumerate(pipelines):
            thread = threading.Thread(target=pipeline.run, args=(self._stopping,), name=f"ingest-{number}")
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End in order: the commits under way finish, then the jobs under way; nothing new starts."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def run_until_signal(self) -> None:
        """Start, and stop on SIGTERM or SIGINT. Call it from the main thread."""
        with _signals(self._stopping):
            self.start()
            while not self._stopping.wait(_LOOK_AT_THE_CLOCK.total_seconds()):
                self.bring_forward()
            log.info("stopping: the commit and the pass under way finish first")
            self.stop()

    def bring_forward(self) -> None:
        """Wake jobs whose next turn is further ahead than turns are apart, as after a clock that was set back: they
        would stand still until it has come that far again."""
        now = datetime.now(UTC)
        for job in self._scheduler.get_jobs():
            if job.next_run_time is not None and job.next_run_time - now > job.trigger.interval:
                log.warning("the clock went back: %s runs now, not at %s", job.id, job.next_run_time)
                self.wake(job.id)

    def wake(self, job: str) -> None:
        """Let a job run now rather than at its next turn."""
        if not self._stopping.is_set():
            with contextlib.suppress(JobLookupError):  # stopped since that question
                self._scheduler.modify_job(job, next_run_time=datetime.now(UTC))

    def _add(self, name: str, every: timedelta, work: Callable[[], None]) -> None:
        def turn() -> None:
            asked = time.monotonic()
            with self._turns[name]:
                if self._began[name] > asked or self._stopping.is_set():
                    return  # what we were asked for began after that, or is left to the next process
                self._began[name] = time.monotonic()
                with self._reported(name):
                    _once_more(work)

        self._scheduler.add_job(turn, "interval", seconds=every.total_seconds(), id=name, name=name)

    @contextmanager
    def _reported(self, job: str) -> Iterator[None]:
        """Turn an error that we foresee into an incident, resolved by the next good turn."""
        try:
            with self._reports.turn(job):
                yield
        except AcrWatchError as error:
            log.error("%s: %s", job, error)

    def _raised(self, event: JobExecutionEvent) -> None:
        """Record what we did not foresee. APScheduler has caught and logged it, and goes on with the next turn."""
        message = f"unexpected error: {event.exception!r}"
        self._reports.failed(event.job_id, message, "Report it, with the log; acrwatch tries again")

    def _detect(self, engine: Engine) -> None:
        self._parts.refresh_rules()
        for passed in engine.passes():
            if passed.new_events:
                log.info(
                    "judged %d events: %d alerts created, %d changed", passed.new_events, passed.created, passed.updated
                )
            if self._stopping.is_set():
                break
            self._parts.refresh_rules()

    def _deliver(self) -> None:
        summary = self._parts.deliver()
        if summary.sent or summary.retried or summary.dead:
            log.info("delivered %d, %d to be tried again, %d given up", summary.sent, summary.retried, summary.dead)

    def _watch(self, watch: Watch) -> None:
        looked = self._parts.look_around(watch)
        if looked is not None and (looked.created or looked.updated):
            self.wake("deliver")

    def _maintain(self, lake: Lake) -> None:
        done = self._parts.maintain(lake)
        if done is not None and done.dates:
            log.info("compacted %d dates: %d files into %d", len(done.dates), done.files_removed, done.files_added)
        if done is not None and done.clustered:
            log.info("put %s in order for look-ups", ", ".join(map(str, done.clustered)))


def _once_more(work: Callable[[], None]) -> None:
    """Do it; and again where another process, or a person, changed first what it wanted to change."""
    try:
        work()
    except ConflictError as error:
        log.info("%s; once more", error)
        work()


@contextmanager
def _signals(stopping: threading.Event) -> Iterator[None]:
    """Set `stopping` on SIGTERM or SIGINT within the block; restore what was there before."""

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
