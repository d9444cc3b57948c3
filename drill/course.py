"""One drill from beginning to end: prepare, load and hurt, let it drain, compare."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from acrwatch.core.errors import StoreError
from drill.aftermath import DRAIN_SECONDS, FILE, Scene, examine
from drill.fleet import MEMBERS, Fleet
from drill.hub import HUB, RemoteHub, send_all
from drill.load import Load, make_load
from drill.ordeal import Ordeal
from drill.plan import make_plan
from drill.postgres import Server
from drill.receiver import SECRET, Receiver
from drill.undisturbed import registries, undisturbed
from drill.verdict import Check
from storage.lake import Lake
from storage.state.database import Database

log = logging.getLogger(__name__)

# What maintenance logs when it has done something.
_UPKEEP: Final = {
    "compactions": 'message": "compacted ',
    "orderings": "in order for look-ups",
    "sweeps": "that no commit names",
}
WEBHOOK: Final = "siem"


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
    """What was done and what came of it. `seconds` is all of it, `drained` from the last fault until all was done."""

    wish: Wish
    load: Load
    ordeal: Ordeal
    upkeep: Counter[str]
    versions: int
    drained: float
    seconds: float
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
        drained, took = scene.drain()
        checks = [drained, *examine(scene, load, wanted)]
        return Result(
            wish=wish,
            load=load,
            ordeal=scene.ordeal,
            upkeep=Counter({name: len(scene.ordeal.fleet.said(words)) for name, words in _UPKEEP.items()}),
            versions=scene.lake.snapshot().version,
            drained=took,
            seconds=time.monotonic() - began,
            checks=checks,
        )


@contextmanager
def _scene(wish: Wish, folder: Path, load: Load) -> Iterator[Scene]:
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
        yield Scene(Ordeal(fleet, hub, server, receiver), lake, database, config)


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
