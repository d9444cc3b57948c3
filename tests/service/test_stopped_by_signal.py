"""SIGTERM under load: the commit under way finishes, the process ends with 0, and the next one goes on from there."""

import signal
from collections.abc import Sequence
from pathlib import Path

from acrwatch.devhub import DevHub
from storage.lake import Lake
from tests.service.outcome import Standing, assert_as_undisturbed
from tests.service.process import (
    HUB,
    PARTITIONS,
    Child,
    caught_up,
    feed,
    feed_blocks,
    running,
    versions,
    write_config,
)
from tests.service.traffic import Traffic


def test_stopped_under_load_and_started_again_nothing_is_lost_or_doubled(
    traffic: Traffic, undisturbed: list[Standing], tmp_path: Path
) -> None:
    with DevHub(hubs={HUB: PARTITIONS}) as hub:
        config = write_config(tmp_path, hub.connection_string, allowed_ranges=traffic.allowed_ranges)
        for blocks in (traffic.blocks[:4], traffic.blocks[4:8]):
            with running(config) as child:
                feed_blocks(hub, traffic, blocks[:2], child)
                _terminate_while(child, hub, traffic, blocks[2:])
            assert _uncommitted(tmp_path) == []
        feed(hub, [body for block in traffic.blocks[8:] for body in block], traffic)
        with running(config) as child:
            child.until(lambda: caught_up(tmp_path, hub), "all of it")
            assert child.terminate() == 0
    assert_as_undisturbed(tmp_path, traffic, undisturbed)


def test_a_second_sigterm_does_no_harm(traffic: Traffic, tmp_path: Path) -> None:
    with DevHub(hubs={HUB: PARTITIONS}) as hub:
        config = write_config(tmp_path, hub.connection_string, allowed_ranges=traffic.allowed_ranges)
        with running(config) as child:
            feed(hub, traffic.blocks[0], traffic)
            child.until(lambda: versions(tmp_path) > 1, "a commit")
            feed(hub, traffic.blocks[1], traffic)
            child.signal(signal.SIGTERM)
            child.signal(signal.SIGTERM)
            assert child.wait() == 0
    assert _uncommitted(tmp_path) == []


def _terminate_while(child: Child, hub: DevHub, traffic: Traffic, blocks: Sequence[Sequence[bytes]]) -> None:
    feed(hub, blocks[0], traffic)
    child.signal(signal.SIGTERM)
    feed(hub, blocks[1], traffic)
    assert child.wait() == 0
    assert "the commit and the pass under way finish first" in child.tail()
    assert '"level": "ERROR"' not in child.log.read_text()


def _uncommitted(folder: Path) -> list[str]:
    """Return the data files that no version names and that no compaction has replaced: halves of a commit."""
    lake = Lake(folder / "lake")
    log = "".join(entry.read_text() for entry in (lake.root / "_delta_log").glob("*.json"))
    return [
        str(file) for file in lake.root.rglob("*.parquet") if "_delta_log" not in file.parts and file.name not in log
    ]
