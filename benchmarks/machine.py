"""The machine by its size, which is all that a figure should name."""

import os
import platform
from pathlib import Path


def described() -> str:
    """Return cores, memory and Python version."""
    cores = len(os.sched_getaffinity(0))
    kilobytes = int(Path("/proc/meminfo").read_text(encoding="ascii").split("MemTotal:")[1].split()[0])
    return f"{cores} cores, {kilobytes / 1024 / 1024:.0f} GiB, Python {platform.python_version()}"
