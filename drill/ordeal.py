"""The ordeal itself: processes under load, one step of the plan after the other, and the wait until all is done."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from acrwatch.core.errors import StoreError
from drill.fleet import Fleet
from drill.hub import RemoteHub
from drill.plan import HOW_TO_HALT, Step
from drill.postgres import Server
from drill.receiver import Receiver

log = logging.getLogger(__name__)

_LOOK: Final = 0.5


@dataclass
class Ordeal:
    """What can be hurt, and how often it was. `down` holds when the database was away: (from, to), monotonic."""

    fleet: Fleet
    hub: RemoteHub
    database: Server
    receiver: Receiver
    done: Counter[str] = field(default_factory=Counter)
    down: list[tuple[float, float]] = field(default_factory=list)
    _restarts: list[threading.Thread] = field(default_factory=list)
    _one_restart: threading.Lock = field(default_factory=threading.Lock)

    def run(self, steps: Sequence[Step], *, tell: Callable[[str], None]) -> None:
        """Do each step at its time, as near as the machine allows; returns after the last, when nothing lasts."""
        began = time.monotonic()
        for step in steps:
            wait = began + step.at - time.monotonic()
            if wait > 0:
                threading.Event().wait(wait)
            log.info("%.2f s: %s %s %.1f", time.monotonic() - began, step.kind, step.what, step.seconds)
            self._do(step)
            self.done[f"{step.kind}/{step.what}"] += 1
            if step.kind == "kill" and self.fleet.kills.total() % 20 == 0:
                tell(f"{time.monotonic() - began:4.0f} s: {self.fleet.kills.total()} kills")
        self.calm()

    def calm(self) -> None:
        """End all that lasts."""
        self.fleet.resume()
        self.receiver.calm()
        self.hub.calm()
        for restart in self._restarts:
            restart.join()

    def _do(self, step: Step) -> None:
        match step.kind:
            case "kill":
                self.fleet.kill(step.what)
            case "suspend":
                self.fleet.suspend(step.what, step.seconds)
            case "hub":
                self.hub.fault(step)
            case "receiver":
                self.receiver.be(step.what, step.seconds)
            case "postgresql":
                self._restarts.append(threading.Thread(target=self._restart, args=[step], daemon=True))
                self._restarts[-1].start()

    def _restart(self, step: Step) -> None:
        """Take the database away for as long as the step says, while everything else goes on."""
        with self._one_restart:
            left = time.monotonic()
            if step.what == "crash":
                self.database.crash()
                self.database.await_answer()
            else:
                self.database.halt(HOW_TO_HALT[step.what])
                threading.Event().wait(step.seconds)
                self.database.start()
            self.down.append((left, time.monotonic()))


def wait_for(met: Callable[[], str], seconds: float) -> str:
    """Wait until `met` returns "", at most so long; return what it said last."""
    deadline = time.monotonic() + seconds
    missing = "not looked at yet"
    while missing and time.monotonic() < deadline:
        try:
            missing = met()
        except StoreError as error:  # a file that a sweep took while we read: look again
            missing = str(error)
        if missing:
            threading.Event().wait(_LOOK)
    return missing
