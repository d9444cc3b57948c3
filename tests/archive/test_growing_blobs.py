"""A blob is read from where we stopped, whatever happens to it between two looks or within one."""

import json
from collections.abc import Callable

import pytest

from acrwatch.core.errors import RemoteUnreachableError
from acrwatch.core.model import Message
from ingest.archive import reading
from ingest.archive.blobs import RefusedBlobError
from ingest.archive.look import Hours
from ingest.files import lines as lines_module
from ingest.sources.archive import ArchiveSource
from ingest.unreadable import Unreadable
from tests.archive.conftest import Bench, look
from tests.archive.container import EXPORT, hourly, line, lines, packed

NAME = hourly(12)


def numbers(messages: list[Message]) -> list[int]:
    """Return which records these are, in order."""
    records = [json.loads(text) for message in messages for text in message.body.splitlines()]
    return [int(record["correlationId"].strip("cx")) for record in records]


@pytest.fixture
def source(bench: Bench) -> ArchiveSource:
    made = bench.source()
    made.start()
    return made


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a blob of a few records need several requests."""
    monkeypatch.setattr(reading, "RANGE_BYTES", 1_000)
    monkeypatch.setattr(reading, "RUN_BYTES", 400)
    monkeypatch.setattr(lines_module, "RUN_BYTES", 400)
    monkeypatch.setattr(reading, "TAIL_BYTES", 100)
    monkeypatch.setattr(lines_module, "TAIL_BYTES", 100)


def test_what_was_appended_is_read_and_nothing_else(bench: Bench, source: ArchiveSource) -> None:
    bench.container.append(NAME, lines(*range(20)))
    assert numbers(look(source)) == list(range(20))
    assert look(source) == []
    bench.container.append(NAME, lines(20))
    bench.container.asked.clear()
    assert numbers(look(source)) == [20]
    ((_, start, _),) = bench.container.asked
    assert start == len(lines(*range(20))) - lines_module.TAIL_BYTES


def test_a_torn_last_line_waits_for_its_end(bench: Bench, source: ArchiveSource) -> None:
    whole = line(1)
    bench.container.append(NAME, lines(0) + whole[:50])
    assert numbers(look(source)) == [0]
    bench.container.asked.clear()
    assert look(source) == []
    assert bench.container.asked == []  # not read again before there is more of it
    bench.container.append(NAME, whole[50:] + lines(2))
    assert numbers(look(source)) == [1, 2]


def test_a_blob_that_begins_with_a_torn_line_waits_too(bench: Bench, source: ArchiveSource) -> None:
    bench.container.append(NAME, line(0)[:50])
    assert look(source) == []
    bench.container.append(NAME, line(0)[50:])
    assert numbers(look(source)) == [0]


@pytest.mark.parametrize("before", [b"", lines(7)])
def test_a_whole_record_without_a_line_end_does_not_wait(bench: Bench, source: ArchiveSource, before: bytes) -> None:
    bench.container.append(NAME, before + line(0).rstrip())
    assert numbers(look(source))[-1] == 0
    bench.container.append(NAME, b"\n" + lines(1))
    assert numbers(look(source)) == [1]


def test_half_a_record_that_nobody_completes_is_kept_as_a_reject(bench: Bench) -> None:
    bench.container.append(NAME, lines(0) + line(1)[:50])
    bench.store(bench.source())
    assert bench.rejects() == []
    bench.clock.forward(hours=4)
    bench.store(bench.source())
    assert bench.rejects() == ["truncated_record"]
    bench.store(bench.source())
    assert bench.rejects() == ["truncated_record"]
    bench.container.append(NAME, line(1)[50:])  # after all
    bench.store(bench.source(backfill=Hours(None, bench.clock.now())))
    assert bench.rows() == ["user0@example.com", "user1@example.com"]


@pytest.mark.parametrize(
    "other",
    [lines(5, 6), lines(5, 6, 7, 8), lines(5), line(0)[:-1] + b" " + lines(9)],
    ids=["same", "more", "less", ""],
)
def test_a_blob_written_anew_is_read_from_its_beginning(bench: Bench, source: ArchiveSource, other: bytes) -> None:
    bench.container.append(NAME, lines(0, 1))
    look(source)
    bench.container.replace(NAME, other)
    assert look(source)[0].body == other.strip()


def test_a_new_version_of_the_same_content_brings_nothing(bench: Bench, source: ArchiveSource) -> None:
    """As where somebody changes metadata or an access tier."""
    bench.container.append(NAME, lines(0, 1))
    look(source)
    bench.container.replace(NAME, lines(0, 1))
    assert look(source) == []


def later(bench: Bench, at: int, change: Callable[[], object]) -> None:
    """Let something happen right before the `at`-th request."""
    asked = iter(range(1, 1_000))
    bench.container.before_read = lambda _name: change() if next(asked) == at else None


@pytest.mark.usefixtures("small")
def test_a_long_blob_is_read_in_ranges_of_which_each_record_comes_once(bench: Bench, source: ArchiveSource) -> None:
    bench.container.append(NAME, lines(*range(50)))
    assert numbers(look(source)) == list(range(50))
    assert all(length <= 1_000 for _, _, length in bench.container.asked)


@pytest.mark.usefixtures("small")
def test_a_blob_may_grow_while_it_is_read(bench: Bench, source: ArchiveSource) -> None:
    bench.container.append(NAME, lines(*range(10)))
    later(bench, 3, lambda: bench.container.append(NAME, lines(*range(10, 20))))
    assert numbers(look(source)) == list(range(20))
    assert look(source) == []


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("count", [1, 30])
def test_a_blob_may_be_written_anew_while_it_is_read(bench: Bench, source: ArchiveSource, count: int) -> None:
    """It becomes shorter than what was read, or as long with another content."""
    bench.container.append(NAME, lines(*range(20)))
    new = list(range(100, 100 + count))
    later(bench, 4, lambda: bench.container.replace(NAME, lines(*new)))
    found = numbers(look(source))
    assert found[-count:] == new
    assert look(source) == []


@pytest.mark.usefixtures("small")
def test_a_blob_that_is_written_anew_all_the_time_is_told(bench: Bench, source: ArchiveSource) -> None:
    bench.container.append(NAME, lines(*range(20)))
    versions = iter(range(1_000, 100_000, 20))

    def change(_name: str) -> None:
        first = next(versions)
        bench.container.replace(NAME, lines(*range(first, first + 20)))

    bench.container.before_read = change
    with pytest.raises(RemoteUnreachableError, match="again and again"):
        look(source)


@pytest.mark.usefixtures("small")
def test_a_blob_deleted_before_it_was_read_to_its_end_is_a_gap(bench: Bench) -> None:
    bench.container.append(hourly(11), lines(*range(20)))
    bench.container.append(NAME, lines(50))
    later(bench, 7, lambda: bench.container.delete(hourly(11)))
    bench.store(bench.source())
    assert "user50@example.com" in bench.rows()
    assert 1 < len(bench.rows()) < 21
    assert bench.incidents() == ["gap"]


def test_a_blob_that_may_not_be_read_is_a_reject_and_costs_no_neighbour(bench: Bench, source: ArchiveSource) -> None:
    bench.container.append(hourly(11), lines(0))
    bench.container.append(NAME, lines(1))
    bench.container.refused[hourly(11)] = RefusedBlobError("BlobArchived: it lies in the archive tier")
    first, second = look(source)
    assert isinstance(first, Unreadable)
    assert (first.reason, "archive tier" in first.detail) == ("unreadable_blob", True)
    assert numbers([second]) == [1]
    assert look(source) == []  # nor is it tried each minute
    del bench.container.refused[hourly(11)]
    again = bench.source()
    again.start()
    assert numbers(look(again)) == [0]


@pytest.mark.parametrize("content", [packed(lines(0, 1)), b'{"records": [\n' + line(0) + b",\n" + line(1) + b"]}"])
def test_what_is_no_json_lines_is_read_once_its_hour_is_over(bench: Bench, content: bytes) -> None:
    bench.container.append(NAME, content)
    assert bench.store(bench.source()).messages == 0
    bench.clock.forward(hours=5)
    assert bench.store(bench.source()).events == 2
    assert bench.store(bench.source()).messages == 0
    assert bench.rejects() == []


@pytest.mark.usefixtures("small")
def test_a_compressed_blob_may_need_several_requests(bench: Bench) -> None:
    bench.container.append(hourly(1), packed(lines(*(number * 7919 for number in range(1_000)))))
    assert bench.store(bench.source()).events == 1_000
    assert len(bench.container.asked) > 5


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("before", [packed(lines(9)), packed(lines(9)) + bytes(990), packed(lines(*range(0, 99, 7)))])
def test_a_compressed_blob_that_became_larger_since_it_was_listed_is_read_whole(bench: Bench, before: bytes) -> None:
    larger = packed(lines(*(number * 7919 for number in range(1_000))))
    assert len(larger) > 5 * max(len(before), 1_000)
    bench.container.append(hourly(1), before)
    later(bench, 1, lambda: bench.container.replace(hourly(1), larger))
    assert bench.store(bench.source()).events == 1_000
    assert bench.rejects() == []
    assert bench.store(bench.source()).messages == 0


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("length", [999, 1_000, 1_001, 1_998, 1_999, 2_000, 2_001, 2_998])
def test_where_the_ranges_of_a_compressed_blob_end_makes_no_difference(bench: Bench, length: int) -> None:
    content = packed(lines(0, 1))
    bench.container.append(hourly(1), content + bytes(length - len(content)))
    assert bench.store(bench.source()).events == 2
    assert bench.rejects() == []


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("count", [1, 1_000])
def test_a_compressed_blob_written_anew_while_it_is_read_is_read_from_its_beginning(bench: Bench, count: int) -> None:
    bench.container.append(hourly(1), packed(lines(*(number * 7919 for number in range(1_000)))))
    new = packed(lines(*(number * 7919 + 1 for number in range(count))))
    later(bench, 4, lambda: bench.container.replace(hourly(1), new))
    bench.store(bench.source())
    assert {f"user{number * 7919 + 1}@example.com" for number in range(count)} <= set(bench.rows())
    assert bench.store(bench.source()).messages == 0


def test_a_line_that_is_too_long_costs_only_itself(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, limit in (("MAX_RECORD", 3_000), ("RUN_BYTES", 1_000)):
        monkeypatch.setattr(lines_module, name, limit)
    monkeypatch.setattr(reading, "RUN_BYTES", 1_000)
    bench.container.append(NAME, lines(0) + line(1, pad=5_000) + lines(2))
    assert bench.store(bench.source()).events == 2
    assert bench.rejects() == ["record_too_long"]
    bench.container.append(NAME, lines(3))
    assert bench.store(bench.source()).events == 1


def test_records_of_a_repeated_look_are_rejected_once_and_of_another_blob_again(bench: Bench) -> None:
    bench.container.append(hourly(11), b"no json\n" + lines(0))
    bench.container.append(NAME, b"no json\n" + lines(1))
    for _ in range(2):
        source = bench.source()
        source.start()
        look(source, store=False)
        source.stop()
        bench.store(bench.source())
    assert bench.rejects() == ["invalid_json", "invalid_json"]
    assert len(bench.rows()) == 2


def test_exports_of_log_analytics_are_read_with_their_overflow(bench: Bench) -> None:
    folder = f"{EXPORT}y=2026/m=11/d=22/h=11/m=55/"
    row = (
        b'{"TimeGenerated": "2026-11-22T11:56:00.000000Z", "Type": "ContainerRegistryLoginEvents", '
        b'"OperationName": "Login", "_ResourceId": "/subscriptions/0/resourcegroups/rg/providers/'
        b'microsoft.containerregistry/registries/contoso", "Identity": "%s", "ResultDescription": "200"}\n'
    )
    bench.container.append(f"{folder}PT05M.json", row % b"a")
    bench.container.append(f"{folder}PT05M_1.json", row % b"b")
    assert bench.store(bench.source()).events == 2
    assert bench.rows() == ["a", "b"]
