"""Message bodies and files hold exactly the records given."""

import gzip
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest

from acrwatch.core.errors import ConfigError
from acrwatch.simulate import Labelled, Layout, Scenario, encode_messages, in_arrival_order, simulate, write_files

START = datetime(2026, 2, 2, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def items() -> list[Labelled]:
    return list(simulate(Scenario(start=START, end=START + timedelta(hours=6), events_per_day=20_000)))


@pytest.fixture(scope="module")
def records(items: list[Labelled]) -> list[dict[str, Any]]:
    return [item.record for item in items]


def test_importing_the_simulation_does_not_load_the_azure_client() -> None:
    program = "import sys, acrwatch.simulate; sys.exit(any(name.startswith('azure') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


def test_a_full_message_does_not_wait_for_the_next_record(records: list[dict[str, Any]]) -> None:
    source = iter(records)
    assert next(encode_messages(source, per_message=5))
    assert next(source) == records[5]


def _bodies(bodies: Iterator[bytes]) -> list[list[dict[str, Any]]]:
    return [json.loads(body.decode("utf-8"))["records"] for body in bodies]


def test_messages_hold_all_records_in_order(records: list[dict[str, Any]]) -> None:
    assert list(chain(*_bodies(encode_messages(records)))) == records


def test_messages_mix_their_sizes(records: list[dict[str, Any]]) -> None:
    sizes = {len(body) for body in _bodies(encode_messages(records))}
    assert 1 in sizes
    assert max(sizes) == 250
    assert len(sizes) >= 5


def test_equal_seeds_cut_equal_messages(records: list[dict[str, Any]]) -> None:
    assert list(encode_messages(records, seed=3)) == list(encode_messages(records, seed=3))
    assert list(encode_messages(records, seed=3)) != list(encode_messages(records, seed=4))


def test_a_size_asked_for_is_kept_but_for_the_last(records: list[dict[str, Any]]) -> None:
    assert [len(body) for body in _bodies(encode_messages(records[:25], per_message=10))] == [10, 10, 5]


def test_no_message_exceeds_a_million_bytes(records: list[dict[str, Any]]) -> None:
    sizes = [len(body) for body in encode_messages(records * 2, per_message=1_000_000)]
    assert len(sizes) > 1
    assert max(sizes) <= 1_000_000
    assert min(sizes[:-1]) > 990_000


def test_no_records_make_no_message() -> None:
    assert list(encode_messages([])) == []


def test_a_record_that_fits_no_message_is_refused(records: list[dict[str, Any]]) -> None:
    with pytest.raises(ConfigError, match="fits no message"):
        list(encode_messages([records[0] | {"identity": "x" * 1_000_000}]))


def test_a_message_of_no_records_is_refused(records: list[dict[str, Any]]) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        list(encode_messages(records, per_message=0))


def test_text_beyond_ascii_survives(records: list[dict[str, Any]]) -> None:
    odd = records[0] | {"identity": "zoë@example.com"}
    assert _bodies(encode_messages([odd])) == [[odd]]


def _read(path: Path, layout: Layout) -> list[dict[str, Any]]:
    content = gzip.decompress(path.read_bytes()) if layout == "jsonl.gz" else path.read_bytes()
    if layout == "json":
        return list(json.loads(content)["records"])
    return [json.loads(line) for line in content.splitlines()]


@pytest.mark.parametrize("layout", ["jsonl", "json", "jsonl.gz"])
def test_plain_parts_read_back_in_order(
    layout: Layout, items: list[Labelled], records: list[dict[str, Any]], tmp_path: Path
) -> None:
    paths = write_files(items, tmp_path / "new", layout)
    assert list(chain(*(_read(path, layout) for path in paths))) == records
    assert all(path.name.endswith(f".{layout}") for path in paths)


def test_a_large_run_is_cut_into_parts(items: list[Labelled], tmp_path: Path) -> None:
    source = (item for _ in repeat(None, 3) for item in items[:8_000])
    sizes = [len(_read(path, "jsonl")) for path in write_files(source, tmp_path, "jsonl")]
    assert sizes == [10_000, 10_000, 3 * len(items[:8_000]) - 20_000]


def test_a_part_is_never_overwritten(items: list[Labelled], tmp_path: Path) -> None:
    write_files(items[:3], tmp_path, "json")
    with pytest.raises(ConfigError, match="exists already"):
        write_files(items[:3], tmp_path, "json")


def test_equal_records_make_equal_compressed_files(items: list[Labelled], tmp_path: Path) -> None:
    (first,) = write_files(items[:50], tmp_path / "a", "jsonl.gz")
    (second,) = write_files(items[:50], tmp_path / "b", "jsonl.gz")
    assert first.read_bytes() == second.read_bytes()


def test_the_archive_tree_is_azures(items: list[Labelled], tmp_path: Path) -> None:
    pattern = (
        r"insights-logs-containerregistry(login|repository)events/resourceId=/?SUBSCRIPTIONS/[0-9A-F-]{36}"
        r"/RESOURCEGROUPS/\w+/PROVIDERS/MICROSOFT\.CONTAINERREGISTRY/REGISTRIES/(CONTOSO|FABRIKAM)"
        r"/y=2026/m=02/d=02/h=(08|09|1[0-4])/m=00/PT1H\.json"
    )
    paths = write_files(items, tmp_path)
    assert len(paths) > 20
    assert all(re.fullmatch(pattern, path.relative_to(tmp_path).as_posix()) for path in paths)


def test_the_archive_files_records_by_the_hour_they_arrive(items: list[Labelled], tmp_path: Path) -> None:
    arrivals = {item.record["correlationId"]: item.arrival for item in items}
    seen = 0
    for path in write_files(in_arrival_order(items), tmp_path):
        for record in _read(path, "jsonl"):
            arrival = arrivals[record["correlationId"]]
            assert f"/h={arrival:%H}/" in path.as_posix()
            assert f"insights-logs-{record['category'].lower()}/" in path.as_posix()
            seen += 1
    assert seen == len(items)


def test_the_archive_grows_as_append_blobs_do(items: list[Labelled], tmp_path: Path) -> None:
    write_files(items[:100], tmp_path)
    paths = write_files(items[:200], tmp_path)
    assert sum(len(_read(path, "jsonl")) for path in paths) == 300


def test_an_unknown_layout_is_refused(items: list[Labelled], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="csv"):
        write_files(items, tmp_path, "csv")  # type: ignore[arg-type]
