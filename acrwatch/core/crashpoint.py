"""Named moments at which a test may kill the process, to show that nothing is lost or doubled by dying there.

`ACRWATCH_CRASH_AT=lake.committed:3` kills the process with SIGKILL the third time it reaches `lake.committed`; `arm`
does the same for a process that has started already. Otherwise reaching a point costs one comparison.
"""

import os
import signal
from typing import Final

VARIABLE: Final = "ACRWATCH_CRASH_AT"


class _Trap:
    def __init__(self, armed: str) -> None:
        self.name, _, count = armed.partition(":")
        self.left = int(count or 1)

    def reach(self, name: str) -> None:
        if name == self.name:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


_trap = _Trap(os.environ[VARIABLE]) if VARIABLE in os.environ else None


def arm(crash_at: str) -> None:
    """Choose where to die: `name` or `name:count`, as the variable has it."""
    global _trap
    _trap = _Trap(crash_at)


def reach(name: str) -> None:
    """Die here if a test asked for it."""
    if _trap is not None:
        _trap.reach(name)
