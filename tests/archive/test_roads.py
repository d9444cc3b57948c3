"""The same records by event hub, storage archive and Log Analytics: stored once, in whichever order they come."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from acrwatch.core.setting import Secret
from acrwatch.devhub import DevHub
from ingest.eventhub.address import from_settings
from ingest.eventhub.reader import Timing
from ingest.opening import Opening
from ingest.pipeline import Counts
from ingest.sources import eventhub
from ingest.sources.files import FilesSource
from storage.lake import Lake
from storage.schema import COLUMNS
from tests.archive.conftest import Bench
from tests.archive.container import hourly, line

NUMBERS = range(200)
Road = Callable[[], Counts]


def row_of(record: dict[str, str]) -> dict[str, str]:
    """Return a record as Log Analytics hands it out: columns in Pascal case, ids folded, six digits of a second."""
    names = {column.wire: column.log_analytics for column in COLUMNS if column.wire and column.log_analytics}
    row: dict[str, str] = {names[member]: value for member, value in record.items() if member in names}
    row |= {"_ResourceId": row["_ResourceId"].lower(), "TimeGenerated": row["TimeGenerated"].replace("0Z", "Z")}
    return {**row, "Type": row.pop("Category"), "Tag": "", "JwtId": "null"}


@pytest.fixture
def roads(bench: Bench, tmp_path: Path) -> Iterator[dict[str, Road]]:
    """Each road as a call that stores what comes by it. The hub's messages hold some records twice, as Azure may send
    them; the archive files some under another hour."""
    records = [json.loads(line(number)) for number in NUMBERS]
    for first in range(0, len(records), 50):
        bench.container.append(hourly(first // 50), b"".join(map(line, range(first, first + 50))))
    bench.container.append(hourly(9), line(3))
    (tmp_path / "query.json").write_text(json.dumps([row_of(record) for record in records]))
    with DevHub(hubs={"acr-audit": 2}) as hub:
        for first in range(0, len(records), 40):
            hub.append("acr-audit", json.dumps({"records": records[first : first + 45]}).encode())
        yield {
            "event hub": lambda: bench.store(hub_source(bench, hub)),
            "archive": lambda: bench.store(bench.source()),
            "Log Analytics": lambda: bench.store(FilesSource([tmp_path / "query.json"], opening(bench))),
        }


def opening(bench: Bench) -> Opening:
    return Opening(Lake.open(bench.folder / "lake"), bench.database, bench.clock)


def hub_source(bench: Bench, hub: DevHub) -> eventhub.EventHubSource:
    values: dict[str, object] = {setting.name: setting.default for setting in eventhub.SETTINGS}
    values |= {"connection_string": Secret(hub.connection_string), "eventhub": "acr-audit"}
    return eventhub.EventHubSource(from_settings(values), opening(bench), timing=Timing(heartbeat=0.1))


EXPECTED = sorted(f"user{number}@example.com" for number in NUMBERS)


@pytest.mark.parametrize(
    "order",
    [
        ("event hub", "archive", "Log Analytics"),
        ("archive", "Log Analytics", "event hub"),
        ("Log Analytics", "event hub", "archive"),
    ],
    ids=", ".join,
)
def test_the_same_day_by_every_road_gives_the_rows_of_one(
    bench: Bench, roads: dict[str, Road], order: tuple[str, ...]
) -> None:
    counts = [roads[name]() for name in order]
    assert [one.events for one in counts] == [len(NUMBERS), 0, 0]
    assert bench.rows() == EXPECTED
    assert bench.rejects() == []


def test_all_roads_at_once_give_the_rows_of_one(bench: Bench, roads: dict[str, Road]) -> None:
    gate = threading.Barrier(len(roads), timeout=60)
    found: list[Counts] = []

    def take(road: Road) -> None:
        gate.wait()
        found.append(road())

    threads = [threading.Thread(target=take, args=(road,)) for road in roads.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert sum(one.events for one in found) == len(NUMBERS)
    assert sum(one.events + one.duplicates for one in found) > 3 * len(NUMBERS)
    assert bench.rows() == EXPECTED
