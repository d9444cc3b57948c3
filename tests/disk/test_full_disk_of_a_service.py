"""`acrwatch run` whose only disk becomes full under load, lake, database and destinations together, and free again."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select, update

from acrwatch.devhub import DevHub
from storage.state.database import Database
from storage.state.tables import deliveries, incidents
from tests.disk.conftest import SmallDisk
from tests.service.conftest import judge_undisturbed
from tests.service.outcome import assert_as_undisturbed
from tests.service.process import HUB, PARTITIONS, caught_up, feed, feed_blocks, opened, running, write_config
from tests.service.traffic import make_traffic


def _failures(folder: Path) -> list[tuple[str, bool]]:
    """Return the kind of each incident recorded, and whether it is over."""
    with opened(Database(f"sqlite:///{folder / 'state.db'}")) as database, database.connect() as connection:
        rows = connection.execute(select(incidents.c.kind, incidents.c.resolved_at)).all()
    return [(kind, resolved is not None) for kind, resolved in rows]


def _all_sent(folder: Path) -> bool:
    with opened(Database(f"sqlite:///{folder / 'state.db'}")) as database, database.connect() as connection:
        return set(connection.execute(select(deliveries.c.status)).scalars()) == {"sent"}


def _let_retries_come(folder: Path) -> None:
    """Do what five minutes do: what a file refused twice is tried again after that long."""
    with opened(Database(f"sqlite:///{folder / 'state.db'}")) as database, database.begin() as connection:
        connection.execute(update(deliveries).values(not_before=datetime.now(UTC) - timedelta(seconds=1)))


def test_it_lives_through_a_full_disk_and_ends_as_if_undisturbed(small_disk: SmallDisk, tmp_path: Path) -> None:
    traffic = make_traffic()
    (calm := tmp_path / "calm").mkdir()
    standing = judge_undisturbed(traffic, calm)
    folder, log = small_disk.root, tmp_path / "elsewhere.txt"
    (folder / "log.txt").symlink_to(log)
    with DevHub(hubs={HUB: PARTITIONS}) as hub:
        config = write_config(folder, hub.connection_string, allowed_ranges=traffic.allowed_ranges, every="1s")
        with running(config) as child:
            feed_blocks(hub, traffic, traffic.blocks[:3], child)
            small_disk.fill()
            for block in traffic.blocks[3:]:
                feed(hub, block, traffic)
            child.until(lambda: "disk is full" in log.read_text(), "a word about the disk")
            assert child.idle(2), "it goes on trying"
            small_disk.empty()
            child.until(lambda: caught_up(folder, hub), "all of it")
            assert child.terminate() == 0
        if not _all_sent(folder):
            _let_retries_come(folder)
            with running(config) as child:
                child.until(lambda: _all_sent(folder), "every delivery")
                assert child.terminate() == 0
    said = log.read_text()
    assert "Free some space; work goes on by itself then" in said
    assert "unexpected error" not in said
    assert_as_undisturbed(folder, traffic, standing)
    assert ("store_failed", True) in _failures(folder)
