"""When a delivery that failed is tried again: the times Standard Webhooks suggests, over about three days."""

import random
from datetime import datetime, timedelta
from typing import Final

# The wait before each attempt, the first included.
SCHEDULE: Final = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
# Spread, so that what failed together does not come back together.
JITTER: Final = 0.2


def next_attempt(made: int, *, now: datetime, retry_after: timedelta | None, rng: random.Random) -> datetime | None:
    """Return when to try again after `made` attempts, or None when the last has been made.

    Never before the receiver's `retry_after` has passed, and never before the schedule's own time.
    """
    if made >= len(SCHEDULE):
        return None
    wait = SCHEDULE[made] * rng.uniform(1 - JITTER, 1 + JITTER)
    return now + max(wait, retry_after or timedelta(0))
