"""A development hub in a process of its own, filled with simulated traffic, for the benchmarks that read from one."""

import itertools
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from typing import Final

from acrwatch.devhub import DevHub
from acrwatch.simulate import Scenario, encode_messages, simulate

HUB: Final = "bench"
PARTITIONS: Final = 4
PER_MESSAGE: Final = 200
END: Final = datetime(2026, 11, 22, tzinfo=UTC)


def bodies(records: int) -> Iterator[bytes]:
    """Yield message bodies with this many simulated records of two recent days in them; the same ones every time."""
    scenario = Scenario(start=END - timedelta(days=2), end=END, events_per_day=records)
    taken = itertools.islice((item.record for item in simulate(scenario)), records)
    return encode_messages(taken, per_message=PER_MESSAGE)


def _serve(records: int, pipe: Connection) -> None:
    with DevHub(hubs={HUB: PARTITIONS}) as hub:
        for number, body in enumerate(bodies(records)):
            hub.append(HUB, body, partition=number % PARTITIONS)
        pipe.send(hub.connection_string)
        with suppress(EOFError):
            pipe.recv()


@contextmanager
def loaded_hub(records: int) -> Iterator[str]:
    """Run a hub that holds `bodies(records)`; yield its connection string once it does."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(records, theirs))
    process.start()
    theirs.close()
    try:
        yield str(ours.recv())
    finally:
        ours.close()  # the hub ends at the end of the pipe
        process.join(30)
