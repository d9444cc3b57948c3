"""What runs in a child process: `acrwatch`, delivering and looking after the lake twice a second.

So a short life has all of it to die in. Only third-party modules are loaded before the fork (PRELOADED): our own are
imported afterwards, in the child, with its environment.
"""

import os
import sys
from pathlib import Path

PRELOADED = (
    "alembic.command",
    "apscheduler.schedulers.background",
    "azure.eventhub.aio",
    "deltalake",
    "duckdb",
    "httpx",
    "pyarrow.compute",
    "pyarrow.parquet",
    "sigma.collection",
    "sqlalchemy",
)


def main(config: str, log: str, crash_at: str | None) -> None:
    """Be `acrwatch --config CONFIG run`, with all output in `log`, dying at a crash point if one is given."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.chdir(Path(config).parent)
    from datetime import timedelta

    import scheduler
    from acrwatch.cli import run
    from acrwatch.core import crashpoint

    if crash_at is not None:
        crashpoint.arm(crash_at)  # the variable would come too late where another test made the fork server load it

    setattr(scheduler, "DELIVER_EVERY", timedelta(seconds=0.5))  # noqa: B010 - Final for everyone else
    setattr(scheduler, "MAINTAIN_EVERY", timedelta(seconds=0.5))  # noqa: B010
    sys.exit(run(["--config", config, "run"]))
