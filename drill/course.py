"""One drill from beginning to end: prepare, load and hurt, let it drain, compare."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from acrwatch.core.clock import SystemClock
from acrwatch.core.errors import AcrWatchError, StoreError
from drill.fleet import MEMBERS, Exit, Fleet
from drill.hub import HUB, RemoteHub, send_all
from drill.load import Load, make_load
from drill.ordeal import Ordeal, wait_for
from drill.outcome import behind, left_lying, lines, outcome, rows
from drill.plan import make_plan
from drill.postgres import Server
from drill.receiver import SECRET, Receiver
from drill.undisturbed import acrwatch, registries, undisturbed
from drill.verdict import Check, arrived, judge
from scheduler import load_detections
from storage.lake import Lake
from storage.lake.maintenance import sweep
from storage.state.database import Database

log = logging.getLogger(__name__)

# All must be done so long after the last fault; a quiet machine takes a tenth of it.
DRAIN_SECONDS: Final = 240.0
# A process that ends by itself so soon after its database was away did so because of that.
_AFTER_OUTAGE: Final = 5.0
# Whatever was left lying is older than any mercy by then.
_MUCH_LATER: Final = timedelta(days=2)
# What maintenance logs when it has done something.
_UPKEEP: Final = {
    "compactions": 'message": "compacted ',
    "orderings": "in order for look-ups",
    "sweeps": "that no commit names",
}
WEBHOOK: Final = "siem"
FILE: Final = "archive"


@dataclass(frozen=True, slots=True)
class Wish:
    """What to do. `end` is the newest time of the traffic, aware; `seconds` is how long load and faults last."""

    seed: int
    kills: int
    seconds: float
    events_per_day: int
    end: datetime
    members: Mapping[str, Sequence[str]] = field(default_factory=lambda: MEMBERS)


@dataclass(frozen=True, slots=True)
class Result:
    """What was done and what came of it."""

    wish: Wish
    load: Load
    done: Counter[str]
    kills: Counter[str]
    ages: Sequence[float]
    suspensions: int
    exits: Sequence[Exit]
    repeated: int
    answers: Counter[str]
    seconds: float
    drained: float
    versions: int
    upkeep: Counter[str]
    checks: Sequence[Check]

    @property
    def held(self) -> bool:
        """Whether every promise was kept."""
        return all(check.held for check in self.checks)


def drill(wish: Wish, folder: Path, *, tell: Callable[[str], None]) -> Result:
    """Do what is wished in `folder`, and say how it goes. No process is left, whatever happens.

    Raises AcrWatchError where the drill itself cannot go on; broken promises are in the result.
    """
    began = time.monotonic()
    load = make_load(seed=wish.seed, end=wish.end, events_per_day=wish.events_per_day)
    tell(f"{len(load.records):,} records in {len(load.messages):,} messages; first a run that nothing happens to")
    wanted = undisturbed(folder / "undisturbed", load)
    tell(f"{wanted.standing.total()} alerts stand undisturbed; now {wish.kills} kills in {wish.seconds:.0f} s")
    steps = make_plan(seed=wish.seed, kills=wish.kills, seconds=wish.seconds, members=sorted(wish.members))
    with _scene(wish, folder, load) as scene:
        _load_and_hurt(scene.ordeal, wish, load, lambda: scene.ordeal.run(steps, tell=tell))
        tell(f"{scene.ordeal.fleet.kills.total()} kills done; waiting until everything is stored, judged and sent")
        ended = time.monotonic()
        drained = scene.drain()
        took = time.monotonic() - ended
        unclean = scene.ordeal.fleet.stop()
        found = outcome(scene.lake, scene.database)
        checks = [*judge(load, found, wanted), _drained(drained, took), _ended(unclean), _exits(scene.ordeal)]
        checks += [
            arrived(found, "webhook", scene.ordeal.receiver.created()),
            arrived(found, "file", lines(folder / f"{FILE}.jsonl")),
            _same(scene.ordeal.receiver),
            _verified(scene.config),
        ]
        checks.append(_swept(scene.lake))
        ordeal = scene.ordeal
        return Result(
            wish=wish,
            load=load,
            done=ordeal.done,
            kills=ordeal.fleet.kills,
            ages=ordeal.fleet.ages,
            suspensions=ordeal.fleet.suspensions,
            exits=ordeal.fleet.exits,
            repeated=ordeal.receiver.repeated(),
            answers=ordeal.receiver.answers,
            seconds=time.monotonic() - began,
            drained=took,
            versions=scene.lake.snapshot().version,
            upkeep=Counter({name: ordeal.fleet.said(words) for name, words in _UPKEEP.items()}),
            checks=checks,
        )


@dataclass(frozen=True, slots=True)
class _Scene:
    ordeal: Ordeal
    lake: Lake
    database: Database
    config: Path

    def drain(self) -> str:
        """Wait until all is done; return what is not, "" if nothing."""
        ends, slugs = self.ordeal.hub.ends(), set(load_detections())
        return wait_for(lambda: behind(self.lake, self.database, ends, slugs), DRAIN_SECONDS)


@contextmanager
def _scene(wish: Wish, folder: Path, load: Load) -> Iterator[_Scene]:
    """Set everything up, and take it down in the opposite order."""
    with ExitStack() as stack:
        server = Server()
        stack.callback(server.stop)
        hub = RemoteHub()
        stack.callback(hub.close)
        receiver = Receiver()
        stack.callback(receiver.close)
        config = folder / "acrwatch.toml"
        url = server.url(server.create())
        config.write_text(_settings(hub, url, receiver, load), encoding="utf-8")
        database = Database(url)
        stack.callback(database.close)
        database.migrate()
        lake = Lake.open(folder / "lake")
        fleet = Fleet(config, wish.members)
        stack.callback(fleet.destroy)
        fleet.start()
        yield _Scene(Ordeal(fleet, hub, server, receiver), lake, database, config)


def _settings(hub: RemoteHub, url: str, receiver: Receiver, load: Load) -> str:
    return (
        f'[store]\npath = "lake"\ndatabase = "{url}"\nclosed_after = "5s"\n'
        f'[[sources]]\ntype = "eventhub"\nconnection_string = "{hub.connection_string}"\neventhub = "{HUB}"\n'
        'commit_interval = "300ms"\n[detections]\nevery = "1s"\n'
        f'[[destinations]]\nname = "{WEBHOOK}"\ntype = "webhook"\nurl = "{receiver.url}"\nsecret = "{SECRET}"\n'
        f'[[destinations]]\nname = "{FILE}"\ntype = "jsonl"\npath = "{FILE}.jsonl"\n'
        f"{registries(load.allowed_ranges)}"
    )


def _load_and_hurt(ordeal: Ordeal, wish: Wish, load: Load, hurt: Callable[[], None]) -> None:
    """Send while hurting; afterwards nothing lasts and everything is sent."""
    stop = threading.Event()
    sender = threading.Thread(
        target=send_all,
        args=(ordeal.hub, load.messages),
        kwargs={"seed": wish.seed, "seconds": wish.seconds, "stop": stop},
        daemon=True,
    )
    sender.start()
    try:
        hurt()
    finally:
        stop.set()
    sender.join(DRAIN_SECONDS)
    if sender.is_alive():
        raise StoreError("the hub did not take all messages", remedy="The drill itself is at fault")


def _drained(missing: str, took: float) -> Check:
    return Check(
        "all is stored, judged, sent and well in the end", f"after {took:.0f} s", (missing,) if missing else ()
    )


def _ended(unclean: Sequence[str]) -> Check:
    return Check("SIGTERM ends every process in order", f"{len(unclean)} did not", tuple(unclean))


def _exits(ordeal: Ordeal) -> Check:
    """A process may end by itself while it starts without its database; a supervisor then starts it again."""
    excused = [one for one in ordeal.fleet.exits if _away(ordeal, one.at)]
    others = tuple(
        f"{one.member} ended with {one.code}: {one.said}" for one in ordeal.fleet.exits if one not in excused
    )
    return Check("no process ends by itself", f"{len(excused)} without their database, {len(others)} others", others)


def _away(ordeal: Ordeal, at: float) -> bool:
    return any(left <= at <= back + _AFTER_OUTAGE for left, back in ordeal.down)


def _same(receiver: Receiver) -> Check:
    figures = f"{len(receiver.bodies):,} ids, {receiver.repeated()} repeats, {receiver.forged} bad signatures"
    breaches = [f"another body under {id_}" for id_ in receiver.altered()]
    breaches += [f"{receiver.forged} bad signatures"] if receiver.forged else []
    return Check("what is sent again is the same under the same id", figures, tuple(breaches))


def _verified(config: Path) -> Check:
    try:
        said = acrwatch(config, "db", "verify", "--full")
    except AcrWatchError as error:
        return Check("acrwatch db verify --full finds nothing", "", (error.message,))
    return Check("acrwatch db verify --full finds nothing", said.strip() or "nothing is wrong")


def _swept(lake: Lake) -> Check:
    """What interrupted work left goes with the next sweep once it is old enough, and no row with it."""
    later = SystemClock().now() + _MUCH_LATER
    before, left = rows(lake), left_lying(lake, now=later)
    swept = sweep(lake, now=later)
    remaining, _ = left_lying(lake, now=later)
    breaches = [f"{remaining} files stay that no version names"] if remaining else []
    breaches += [] if rows(lake) == before else ["the sweep changed what is stored"]
    figures = f"{left[0]} files of {left[1]:,} bytes that no version names; a sweep takes {swept}"
    return Check("nothing is left lying for good", figures, tuple(breaches))
