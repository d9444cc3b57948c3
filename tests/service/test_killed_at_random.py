"""A process killed at any moment, again and again while messages keep coming, loses and doubles nothing.

With `ACRWATCH_SOAK_SECONDS=300` in the environment a second test goes on for that long; `pytest -s` shows its figures.
"""

import os
import random
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from acrwatch.devhub import DevHub
from tests.service.conftest import judge_undisturbed
from tests.service.outcome import Standing, assert_as_undisturbed, let_leases_end
from tests.service.process import HUB, PARTITIONS, WAIT, Child, caught_up, feed, running, write_config
from tests.service.traffic import Traffic, make_traffic

KILLS = 12
# Of a life: from the process's first breath, or from when it has found the hub, to its end.
_LIFE_SECONDS = 0.8
_STEP_SECONDS = 0.04
_SOAK_SECONDS = int(os.environ.get("ACRWATCH_SOAK_SECONDS", "0"))
# No life is shorter, on average: so the time ends the soak, not the messages.
_SOAK_SECONDS_A_KILL = 0.8


def test_killed_at_a_dozen_random_moments_under_load(
    traffic: Traffic, undisturbed: list[Standing], tmp_path: Path
) -> None:
    _ordeal(traffic, undisturbed, tmp_path, kills=KILLS, seed=11)


@pytest.mark.timeout(_SOAK_SECONDS * 3 + 300)
def _killed_for_as_long_as_asked(tmp_path_factory: pytest.TempPathFactory) -> None:
    traffic = make_traffic(events_per_day=max(60, 3 * _SOAK_SECONDS), seed=_SOAK_SECONDS)
    standing = judge_undisturbed(traffic, tmp_path_factory.mktemp("undisturbed"))
    began = time.monotonic()
    kills = _ordeal(
        traffic,
        standing,
        tmp_path_factory.mktemp("soak"),
        kills=int(_SOAK_SECONDS / _SOAK_SECONDS_A_KILL),
        seed=_SOAK_SECONDS,
        until=began + _SOAK_SECONDS,
    )
    sys.stdout.write(
        f"\n{kills} kills in {time.monotonic() - began:.0f} s: {len(traffic.messages)} messages, "
        f"{len(traffic.correlations)} rows, {sum(traffic.bad.values())} rejects, "
        f"{len(standing)} alerts, as if undisturbed\n"
    )


if _SOAK_SECONDS:  # by hand: ACRWATCH_SOAK_SECONDS says how long
    test_killed_for_as_long_as_asked = _killed_for_as_long_as_asked


def _ordeal(
    traffic: Traffic, standing: list[Standing], folder: Path, *, kills: int, seed: int, until: float = float("inf")
) -> int:
    """Live `kills` short lives, or as many as begin before `until`, and one to the end; return how many were killed."""
    chance = random.Random(seed)
    with DevHub(hubs={HUB: PARTITIONS}) as hub:
        config = write_config(folder, hub.connection_string, allowed_ranges=traffic.allowed_ranges)
        messages = iter(traffic.messages)
        a_life = len(traffic.messages) // kills
        killed = 0
        while killed < kills and time.monotonic() < until:
            with running(config) as child:
                _live(child, hub, traffic, [next(messages) for _ in range(a_life)], chance)
            killed += 1
        feed(hub, list(messages), traffic)
        let_leases_end(folder)
        with running(config) as child:
            child.until(lambda: caught_up(folder, hub), "all of it")
            assert child.terminate() == 0
    assert_as_undisturbed(folder, traffic, standing)
    return killed


def _live(child: Child, hub: DevHub, traffic: Traffic, bodies: list[bytes], chance: random.Random) -> None:
    """Send messages at an even pace for a random time; what is left over is sent as it dies."""
    if chance.random() < 0.8:  # else it may die before it has found the hub
        child.until(lambda: hub.connection_count > 0, "a connection")
    rest = iter(bodies)
    for _ in _steps(chance.uniform(0, _LIFE_SECONDS)):
        feed(hub, list(islice(rest, 2)), traffic)
        assert child.idle(_STEP_SECONDS), child.tail()
    child.process.kill()
    feed(hub, list(rest), traffic)
    child.wait(WAIT)


def _steps(seconds: float) -> Iterator[float]:
    end = time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        yield now
