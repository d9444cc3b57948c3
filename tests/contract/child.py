"""What runs in a child process: takes hold of something, suspends itself, and goes on when it is resumed.

`python -m tests.contract.child WHAT ARGUMENT...`; WHAT is the name of a function in ROLES.
"""

import os
import random
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import scheduler
from acrwatch.cli.session import Session
from acrwatch.core.clock import SystemClock
from acrwatch.delivery.sinks import Outcome, Outgoing, Sink
from acrwatch.delivery.worker import deliver_due
from detections.context import Context
from detections.detection import Detection
from detections.engine import Engine
from detections.notices import Publishing
from detections.rule import load_rules
from storage.lake import Lake
from storage.lake.snapshot import Snapshot
from storage.state import engines
from storage.state.database import Database
from tests.delivery.receiver import MovableClock, open_webhook

SLUG: Final = "admin-user-login"


def suspend() -> None:
    """Stand still until somebody sends SIGCONT, as when a laptop is closed or a virtual machine moved."""
    os.kill(os.getpid(), signal.SIGSTOP)


def admin_rule() -> Detection:
    """The rule that notices logins as the registry's admin."""
    return load_rules()[SLUG]


class SuspendingSink:
    """Suspends the process when it has taken a delivery and not sent it yet."""

    def __init__(self, inner: Sink) -> None:
        self._inner = inner

    def send(self, outgoing: Outgoing) -> Outcome:
        suspend()
        return self._inner.send(outgoing)

    def close(self) -> None:
        self._inner.close()


class SuspendingDetection:
    """Suspends the process before its transaction (`observed`) or in the middle of it (`judged`)."""

    def __init__(self, inner: Detection, moment: str) -> None:
        self._inner = inner
        self._moment = moment
        self.metadata = inner.metadata
        self.has_profile = inner.has_profile
        self.asks = inner.asks
        self.nearby = inner.nearby

    def observe(self, events: Any) -> Any:
        found = self._inner.observe(events)
        if self._moment == "observed":
            suspend()
        return found

    def judge(self, observed: Any, connection: Any) -> Any:
        found = self._inner.judge(observed, connection)
        if self._moment == "judged":
            suspend()
        return found


class SuspendingLake(Lake):
    """Suspends the process the first time it has looked at what there is to compact."""

    suspended = False

    def snapshot(self) -> Snapshot:
        seen = super().snapshot()
        if not self.suspended:
            self.suspended = True
            suspend()
        return seen


def deliver(url: str, address: str) -> None:
    """Claim what is due for `siem` and send it to this address."""
    sinks = {"siem": SuspendingSink(open_webhook(address))}
    deliver_due(Database(url), sinks, clock=MovableClock(), rng=random.Random(1))


def detect(url: str, lake: str, moment: str, idle_seconds: str) -> None:
    """Judge what is new; the server ends transactions that are idle for so long."""
    setattr(engines, "IDLE_SECONDS", int(idle_seconds))  # noqa: B010 - Final for everyone else
    detections: Any = {SLUG: SuspendingDetection(admin_rule(), moment)}
    publishing = Publishing(("siem",))
    Engine(Lake.open(lake), Database(url), detections, Context(), SystemClock(), publishing=publishing).run_until_done()


def maintain(config: str, lease_seconds: str) -> None:
    """Look after the lake under a lease that ends this soon."""
    setattr(scheduler, "_MAINTENANCE_LEASE", timedelta(seconds=float(lease_seconds)))  # noqa: B010
    session = Session(Path(config), clock=SystemClock(), environ={})
    with scheduler.Parts(session.config, clock=session.clock, rng=random.Random(1)) as parts:
        parts.maintain(SuspendingLake(Path(session.config.store.path)))


ROLES: Final[dict[str, Callable[..., None]]] = {"deliver": deliver, "detect": detect, "maintain": maintain}

if __name__ == "__main__":
    ROLES[sys.argv[1]](*sys.argv[2:])
