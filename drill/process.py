"""What runs in each process of the drill: the command line itself, with production's waits made short.

Five minutes of lease, a minute between two rounds of maintenance, hours between two attempts would hide most of what a
kill can do within a drill's ten minutes. Nothing but lengths of time is changed, and the least size of a date that is
put in order.

    python -m drill.process --config FILE COMMAND...
"""

import functools
import os
import sys
import threading
from datetime import timedelta
from typing import Any

import acrwatch.delivery.schedule
import acrwatch.delivery.sinks.webhook
import acrwatch.delivery.worker
import ingest.eventhub.reader
import scheduler
import storage.lake.clustering
import storage.lake.holding
import storage.lake.sweeping
import storage.state.outbox
from acrwatch.cli import run


def _shorten(module: Any, **lengths: object) -> None:
    for name, length in lengths.items():
        assert hasattr(module, name), f"{module.__name__} has no {name} any more"
        setattr(module, name, length)


def hurry() -> None:
    """Make the waits of this process short."""
    _shorten(
        scheduler,
        DELIVER_EVERY=timedelta(seconds=0.5),
        MAINTAIN_EVERY=timedelta(seconds=1),
        WATCH_EVERY=timedelta(seconds=2),
        _MAINTENANCE_LEASE=timedelta(seconds=5),
    )
    _shorten(acrwatch.delivery.schedule, SCHEDULE=tuple(timedelta(seconds=min(n, 3)) for n in range(1000)))
    _shorten(acrwatch.delivery.sinks.webhook, CONNECT_SECONDS=1.0, TOTAL_SECONDS=2.0)
    _shorten(acrwatch.delivery.worker, LEASE=timedelta(seconds=8), TURN=timedelta(seconds=3))
    _shorten(storage.state.outbox, UPDATE_INTERVAL=timedelta(seconds=2))
    _shorten(storage.lake.clustering, WORTH_ROWS=64)
    _shorten(storage.lake.holding, MIN_AGE=timedelta(seconds=60))
    _shorten(storage.lake.sweeping, _ORPHAN_AGE=timedelta(seconds=20))
    timing = functools.partial(
        ingest.eventhub.reader.Timing,
        look=2.0,
        outage=2.0,
        proof=1.0,
        heartbeat=0.3,
        first_retry=0.2,
        last_retry=1.0,
        tick=1.0,
        expiry=5.0,
        link_messages=300,
    )
    _shorten(ingest.eventhub.reader, Timing=timing)


def _end_with_parent() -> None:
    """End at once when the drill is gone: its end of our standard input closes."""
    while os.read(0, 1):  # not through sys.stdin, whose lock the interpreter's own end would wait for
        pass
    os._exit(3)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    hurry()
    sys.exit(run(sys.argv[1:]))
