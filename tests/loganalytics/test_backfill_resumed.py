"""A backfill that ends anywhere goes on where it was, and is exact in the end; rows that came late are not missed."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from acrwatch.core.crashpoint import VARIABLE
from acrwatch.core.errors import ConflictError
from ingest import storing
from ingest.sources.loganalytics import History
from storage.lake import table as lake_table
from tests.loganalytics.conftest import HISTORY, Bench
from tests.loganalytics.peer import LOGINS, REPOSITORIES, Peer, refusal, throttled
from tests.loganalytics.scene import BEGIN, NOW, WORKSPACE, identities, login, logins, pull

# Cancelled while its connection is being opened, a question leaves a socket to the garbage collector (CPython 3.11).
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


class KilledError(BaseException):
    """Stands for a process that dies where it is raised: nothing catches it."""


def _dying(chance: random.Random, most: int) -> Callable[[str], None]:
    left = chance.randrange(1, most)

    def reach(_name: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise KilledError

    return reach


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_and_resumed_it_is_exact_in_the_end(
    bench: Bench, peer: Peer, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    moments = [BEGIN + timedelta(seconds=chance.randrange(2 * 86_400)) for _ in range(160)]
    peer.add(WORKSPACE, LOGINS, [login(n, at) for n, at in enumerate(moments[:100])])
    peer.add(WORKSPACE, REPOSITORIES, [pull(n, at) for n, at in enumerate(moments[100:], 100)])
    faults = (None, None, None, throttled("1"), refusal(504, "Slow", ""), refusal(500, "Oops", ""))
    peer.faults = [chance.choice(faults) for _ in range(40)]
    killed = 0
    for _ in range(40):
        # The first two early: how many steps a run takes depends on what its commits find waiting.
        dying = _dying(chance, 4 if killed < 2 else 25)
        for module in (storing, lake_table):
            monkeypatch.setattr(module, "reach", dying)
        try:
            bench.read(rows=chance.choice((15, 30, 50)))
        except KilledError:
            killed += 1
        else:
            break
    assert killed >= 2
    assert bench.events("identity") == identities(range(160))
    asked = len(peer.asked)
    bench.read()
    assert len(peer.asked) == asked, "what was read whole is asked for again"


def test_a_process_killed_in_the_middle_of_a_backfill_is_replaced_by_the_next(bench: Bench, peer: Peer) -> None:
    peer.add(WORKSPACE, LOGINS, logins(200))
    peer.add(WORKSPACE, REPOSITORIES, [])
    environment = {**os.environ, "PEER_TOKEN": peer.token()}
    arguments = [sys.executable, "-m", "tests.loganalytics.child", str(bench.folder), peer.endpoint]
    for crash_at, code in (("lake.committed:3", -signal.SIGKILL), ("", 0)):
        crashing = {**environment, VARIABLE: crash_at} if crash_at else environment
        ended = subprocess.run(arguments, env=crashing, timeout=60, check=False)
        assert ended.returncode == code
    assert bench.events("identity") == identities(range(200))


def _read_at(bench: Bench, moment: datetime, **history: Any) -> int:
    bench.clock.time = moment
    return bench.read(history=replace(HISTORY, **history)).events


def test_rows_that_came_late_are_found_by_when_they_came(bench: Bench, peer: Peer) -> None:
    """An old time, taken in after its window was read: no look at times alone would see it."""
    until = BEGIN + DAY
    peer.add(WORKSPACE, LOGINS, logins(20, HOUR))
    peer.add(WORKSPACE, REPOSITORIES, [])
    assert _read_at(bench, until + HOUR, until=until) == 20
    peer.add(WORKSPACE, LOGINS, [login(100, BEGIN + HOUR, until + 90 * MINUTE), login(101, BEGIN, until + 50 * MINUTE)])
    asked = len(peer.asked)
    assert _read_at(bench, until + 3 * HOUR, until=until) == 2
    assert all(query.taken is not None for _, query in peer.asked[asked:])
    assert bench.events("identity") == identities([*range(20), 100, 101])


def test_rows_that_come_while_it_reads_are_found_at_its_end(bench: Bench, peer: Peer) -> None:
    until = NOW - HOUR
    peer.add(WORKSPACE, LOGINS, logins(5, MINUTE, NOW - DAY))
    peer.add(WORKSPACE, REPOSITORIES, [])

    def another(_query: object) -> None:
        if len(peer.asked) == 2:
            peer.add(WORKSPACE, LOGINS, [login(50, NOW - DAY, NOW + MINUTE)])
            bench.clock.time = NOW + HOUR

    peer.on_asked = another
    assert bench.read(history=History(NOW - DAY, until)).events == 6


def test_what_can_bring_no_late_rows_any_more_is_not_asked_for(bench: Bench, peer: Peer) -> None:
    peer.add(WORKSPACE, LOGINS, logins(5))
    peer.add(WORKSPACE, REPOSITORIES, [])
    bench.read()
    asked = len(peer.asked)
    bench.clock.time += 30 * DAY
    assert bench.read().messages == 0
    assert len(peer.asked) == asked


def test_a_later_end_goes_on_where_the_earlier_was(bench: Bench, peer: Peer) -> None:
    peer.add(WORKSPACE, LOGINS, logins(72, HOUR))
    peer.add(WORKSPACE, REPOSITORIES, [])
    assert bench.read(history=History(BEGIN, BEGIN + DAY)).events == 24
    asked = len(peer.asked)
    counts = bench.read(history=History(BEGIN + HOUR, BEGIN + 3 * DAY))
    assert (counts.events, counts.duplicates) == (48, 0)
    assert min(query.times[0] for _, query in peer.asked[asked:]) == max(
        query.times[1] for _, query in peer.asked[:asked]
    )


def test_again_reads_everything_once_more_and_stores_nothing_twice(bench: Bench, peer: Peer) -> None:
    peer.add(WORKSPACE, LOGINS, logins(30))
    peer.add(WORKSPACE, REPOSITORIES, [])
    bench.read()
    counts = bench.read(history=replace(HISTORY, again=True))
    assert (counts.events, counts.duplicates) == (0, 30)


def test_two_that_read_the_same_at_once_do_not_add_up_what_neither_has_read(bench: Bench, peer: Peer) -> None:
    peer.add(WORKSPACE, LOGINS, logins(30))
    peer.add(WORKSPACE, REPOSITORIES, [])
    slow, quick = bench.source(rows=5), bench.source()
    slow.start()
    messages = slow.poll(20)
    bench.pipeline(quick).run_once()
    slow.stored(messages)
    with pytest.raises(ConflictError, match="another process reads backfill/"):
        slow.poll(0)
    assert bench.read().messages == 0
