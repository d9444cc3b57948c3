"""A process killed at any named step of the commit path, of a pass or of a delivery loses and doubles nothing."""

import re
import signal
from pathlib import Path

import pytest

from acrwatch.devhub import DevHub
from tests.service.outcome import Standing, assert_as_undisturbed, let_leases_end
from tests.service.process import HUB, PARTITIONS, ROOT, caught_up, feed_blocks, running, write_config
from tests.service.traffic import BLOCKS, Traffic

_REACH = re.compile(r'(?<![\w.])reach\("([^"]+)"\)')


def crash_points() -> list[str]:
    """Every point in the source, so that a new one is covered by being written."""
    sources = [
        file for folder in ("acrwatch", "ingest", "storage", "detections") for file in (ROOT / folder).rglob("*.py")
    ]
    texts = [file.read_text() for file in (*sources, ROOT / "scheduler.py")]
    return sorted({name for text in texts for name in _REACH.findall(text)})


def test_the_steps_that_matter_are_found() -> None:
    assert {"lake.before_commit", "ingest.rejects_stored", "pass.before_commit", "delivery.sent"} <= set(crash_points())


def test_the_undisturbed_run_finds_something_of_every_kind(undisturbed: list[Standing]) -> None:
    found = {(rule, historical) for rule, _, _, _, _, historical, _ in undisturbed}
    assert {rule for rule, _ in found} >= {"admin-user-login", "mass-delete", "pull-outside-allowed-ranges"}
    assert ("anomalous-source-ip", False) in found
    assert ("mass-delete", True) in found


@pytest.mark.parametrize("point", crash_points())
def test_killed_there_at_first_and_again_the_second_time(
    point: str, traffic: Traffic, undisturbed: list[Standing], tmp_path: Path
) -> None:
    half = BLOCKS // 2
    with DevHub(hubs={HUB: PARTITIONS}) as hub:
        config = write_config(tmp_path, hub.connection_string, allowed_ranges=traffic.allowed_ranges)
        for nth, blocks in ((1, traffic.blocks[:half]), (2, traffic.blocks[half:])):
            with running(config, f"{point}:{nth}") as child:
                feed_blocks(hub, traffic, blocks, child)
                assert child.wait() == -signal.SIGKILL
        let_leases_end(tmp_path)
        with running(config) as child:
            child.until(lambda: caught_up(tmp_path, hub), "all of it")
            assert child.terminate() == 0
    assert_as_undisturbed(tmp_path, traffic, undisturbed)
