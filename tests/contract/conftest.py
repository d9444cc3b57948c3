"""A detections' bench over either database, and child processes that stop themselves at a named moment."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from detections.notices import Publishing
from tests.contract.child import SLUG, admin_rule
from tests.delivery.conftest import receiver
from tests.detections.conftest import Bench
from tests.postgres import BACKENDS

__all__ = ["receiver"]

# Without a server at hand there is nothing to take away.
collect_ignore_glob = [] if "postgresql" in BACKENDS else ["*_on_postgresql.py"]

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Holder:
    """A child process that suspends itself while it holds something."""

    process: subprocess.Popen[bytes]

    def await_suspension(self) -> None:
        """Return once it has stopped itself; fails if it ends instead."""
        told = os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        assert told is not None
        assert told.si_code == os.CLD_STOPPED, f"it ended with {told.si_status}"

    def resume(self) -> int:
        """Let it go on; return its exit code."""
        self.process.send_signal(signal.SIGCONT)
        return self.process.wait(60)


Hold = Callable[..., Holder]


@pytest.fixture
def hold() -> Iterator[Hold]:
    """Start `tests.contract.child` with these arguments and return once it is suspended."""
    started: list[Holder] = []

    def start(*arguments: object) -> Holder:
        command = [sys.executable, "-m", "tests.contract.child", *map(str, arguments)]
        started.append(Holder(subprocess.Popen(command, cwd=ROOT)))
        started[-1].await_suspension()
        return started[-1]

    yield start
    for holder in started:
        holder.process.kill()
        holder.process.wait(60)


@pytest.fixture
def bench(database_url: str, tmp_path: Path) -> Iterator[Bench]:
    """Stores and an engine of one rule that notices every login as `contoso`, telling `siem`."""
    folder = tmp_path / "bench"
    folder.mkdir()
    made = Bench(folder, {SLUG: admin_rule()}, publishing=Publishing(("siem",)), url=database_url)
    yield made
    made.database.close()
