"""What an ordeal takes place in, and what it must have left there in the end."""

import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from acrwatch.core.clock import SystemClock
from acrwatch.core.errors import AcrWatchError
from drill.load import Load
from drill.ordeal import Ordeal, wait_for
from drill.outcome import Outcome, behind, left_lying, lines, outcome, rows
from drill.receiver import Receiver
from drill.undisturbed import acrwatch
from drill.verdict import Check, arrived, judge
from scheduler import load_detections
from storage.lake import Lake
from storage.lake.maintenance import sweep
from storage.state.database import Database

# All must be done so long after the last fault; a quiet machine takes a tenth of it.
DRAIN_SECONDS: Final = 240.0
# A process that ends by itself so soon after its database was away did so because of that.
_AFTER_OUTAGE: Final = 5.0
# Whatever was left lying is older than any mercy by then.
_MUCH_LATER: Final = timedelta(days=2)
# How acrwatch says that it is itself at fault.
_DEFECT: Final = ("eport it", "eport this", "Traceback (most recent")
FILE: Final = "archive"


@dataclass(frozen=True, slots=True)
class Scene:
    """All that an ordeal takes place in."""

    ordeal: Ordeal
    lake: Lake
    database: Database
    config: Path

    def drain(self) -> tuple[Check, float]:
        """Wait until all is done, at most DRAIN_SECONDS; return whether it is, and how long that took."""
        began = time.monotonic()
        ends, slugs = self.ordeal.hub.ends(), set(load_detections())
        missing = wait_for(lambda: behind(self.lake, self.database, ends, slugs), DRAIN_SECONDS)
        took = time.monotonic() - began
        breaches = (missing,) if missing else ()
        return Check("all is stored, judged, sent and well in the end", f"after {took:.0f} s", breaches), took


def examine(scene: Scene, load: Load, wanted: Outcome) -> list[Check]:
    """End the processes, and hold what they left against what must stand."""
    ordeal = scene.ordeal
    unclean = ordeal.fleet.stop()
    found = outcome(scene.lake, scene.database)
    return [
        *judge(load, found, wanted),
        arrived(found, "webhook", ordeal.receiver.created()),
        arrived(found, "file", lines(scene.config.parent / f"{FILE}.jsonl")),
        _same(ordeal.receiver),
        _verified(scene.config),
        _swept(scene.lake),
        _exits(ordeal),
        _defects(ordeal),
        Check("SIGTERM ends every process in order", f"{len(unclean)} did not", tuple(unclean)),
    ]


def _exits(ordeal: Ordeal) -> Check:
    """A process may end by itself while it starts without its database; a supervisor then starts it again."""
    excused = [one for one in ordeal.fleet.exits if _away(ordeal, one.at)]
    others = tuple(
        f"{one.member} ended with {one.code}: {one.said}" for one in ordeal.fleet.exits if one not in excused
    )
    return Check("no process ends by itself", f"{len(excused)} without their database, {len(others)} others", others)


def _defects(ordeal: Ordeal) -> Check:
    """What must never happen is said with these words, and may be over by the end: no incident shows it then."""
    found = tuple(line for words in _DEFECT for line in ordeal.fleet.said(words))
    return Check("no process finds a defect of acrwatch", f"{len(found)} lines of the logs", found[:10])


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
