"""The traffic of a test module, and what an undisturbed acrwatch makes of it."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from acrwatch.cli.session import Session
from acrwatch.core.clock import SystemClock
from acrwatch.devhub import DevHub
from scheduler import Parts
from tests.service.outcome import Standing, outcome
from tests.service.process import HUB, PARTITIONS, feed, write_config
from tests.service.receiver import Receiver, receiving
from tests.service.traffic import Traffic, make_traffic


@pytest.fixture(scope="session")
def traffic() -> Traffic:
    return make_traffic()


@pytest.fixture(scope="session")
def undisturbed(traffic: Traffic, tmp_path_factory: pytest.TempPathFactory) -> list[Standing]:
    """The standing alerts after one pass over all messages, read at once by a process that nothing happens to."""
    return judge_undisturbed(traffic, tmp_path_factory.mktemp("undisturbed"))


def judge_undisturbed(traffic: Traffic, folder: Path) -> list[Standing]:
    with DevHub(hubs={HUB: PARTITIONS}) as hub:
        feed(hub, traffic.messages, traffic)
        config = write_config(folder, hub.connection_string, allowed_ranges=traffic.allowed_ranges)
        session = Session(config, clock=SystemClock(), environ={})
        with Parts(session.config, clock=SystemClock(), rng=random.Random(1)) as parts:
            for pipeline in parts.pipelines(lambda: None):
                pipeline.run_once()
            parts.engine().run_until_done()
    return outcome(folder).standing


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found
