"""Files in, messages out; what was imported once is skipped."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from acrwatch.core.errors import NotFoundError
from acrwatch.core.model import Message
from ingest.files.listing import content_hash
from ingest.opening import Opening
from ingest.sources import files
from ingest.sources.files import FilesSource
from ingest.unreadable import Unreadable


def lines(*names: str) -> bytes:
    return b"".join(b'{"name": "%s"}\n' % name.encode() for name in names)


def names(messages: list[Message]) -> list[str]:
    return [json.loads(line)["name"] for message in messages for line in message.body.splitlines()]


def read(source: FilesSource) -> list[Message]:
    source.start()
    taken: list[Message] = []
    while not source.caught_up():
        taken += source.poll(0)
    source.stop()
    return taken


def imported(source: FilesSource) -> list[Message]:
    source.start()
    taken: list[Message] = []
    while not source.caught_up():
        messages = source.poll(0)
        taken += messages
        if messages:
            source.stored(messages)
    source.stop()
    return taken


def test_an_archive_is_read_in_the_order_of_its_paths(tmp_path: Path, opening: Opening) -> None:
    for hour in ("02", "00", "01"):
        folder = tmp_path / "y=2026" / f"h={hour}" / "m=00"
        folder.mkdir(parents=True)
        (folder / "PT1H.json").write_bytes(lines(hour))
    (tmp_path / "notes.txt").write_text("not read")
    assert names(read(FilesSource([tmp_path], opening))) == ["00", "01", "02"]


def test_a_named_file_is_read_whatever_it_is_called(tmp_path: Path, opening: Opening) -> None:
    path = tmp_path / "dump"
    path.write_bytes(gzip.compress(lines("a")))
    assert names(read(FilesSource([path], opening))) == ["a"]


def test_numbers_run_through_all_files_in_a_stream_of_the_job(tmp_path: Path, opening: Opening) -> None:
    for name in "abc":
        (tmp_path / f"{name}.json").write_bytes(lines(name))
    taken = read(FilesSource([tmp_path], opening, job="j1"))
    assert [(m.stream, m.sequence_number) for m in taken] == [("files/j1", 0), ("files/j1", 1), ("files/j1", 2)]


def test_each_run_is_a_stream_of_its_own(tmp_path: Path, opening: Opening) -> None:
    (tmp_path / "a.json").write_bytes(lines("a"))
    first, second = (read(FilesSource([tmp_path], opening)) for _ in range(2))
    assert first[0].stream != second[0].stream


def test_a_source_is_called_the_same_in_every_process(opening: Opening) -> None:
    """Or an incident of one process would never end."""
    several = ["/var/log/a", "/var/log/b"]
    assert FilesSource(["/var/log/a"], opening).name == "files//var/log/a"
    assert FilesSource(several, opening).name == FilesSource(several, opening).name
    assert FilesSource(several, opening).name != FilesSource(["/var/log/a", "/var/log/c"], opening).name
    assert len(FilesSource(["x" * 999, "y" * 999], opening).name) < 200


def test_a_large_file_becomes_messages_of_about_a_megabyte(tmp_path: Path, opening: Opening) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(*["x" * 1000] * 3000))
    taken = read(FilesSource([path], opening))
    assert [len(m.body) // 100_000 for m in taken] == [10, 10, 9]
    assert len(names(taken)) == 3000


def test_a_missing_path_is_told_at_the_start(tmp_path: Path, opening: Opening) -> None:
    with pytest.raises(NotFoundError, match=r"nothing\.json"):
        FilesSource([tmp_path / "nothing.json"], opening).start()


def test_a_file_that_cannot_be_read_is_named_and_costs_no_neighbour(tmp_path: Path, opening: Opening) -> None:
    (tmp_path / "a.json").write_bytes(lines("a"))
    (tmp_path / "c.json").write_bytes(lines("c"))
    source = FilesSource([tmp_path], opening)
    (tmp_path / "b.json").write_bytes(lines("b"))
    source.start()
    (tmp_path / "b.json").unlink()
    taken = [*source.poll(0), *source.poll(0), *source.poll(0)]
    assert isinstance(taken[1], Unreadable)
    assert taken[1].reason == "unreadable_file"
    assert str(tmp_path / "b.json") in taken[1].detail
    assert names([taken[0], taken[2]]) == ["a", "c"]
    source.stop()


def test_a_break_in_a_file_is_handed_out_as_unreadable_with_its_path(tmp_path: Path, opening: Opening) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(lines("a"))[:-4])
    first, second = sorted(read(FilesSource([path], opening)), key=lambda m: isinstance(m, Unreadable))
    assert names([first]) == ["a"]
    assert isinstance(second, Unreadable)
    assert (second.reason, str(path) in second.detail) == ("truncated_gzip", True)


def test_a_file_whose_name_is_no_utf_8_is_imported_once_like_any_other(tmp_path: Path, opening: Opening) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    folder.mkdir()
    (folder / "a.json").write_bytes(lines("a"))
    assert names(imported(FilesSource([folder], opening))) == ["a"]
    source = FilesSource([folder], opening)
    assert imported(source) == []
    source.name.encode()


def test_a_file_that_was_stored_is_skipped_the_next_time(tmp_path: Path, opening: Opening) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(lines("a"))
    imported(FilesSource([path], opening))
    path.rename(tmp_path / "renamed.json")
    again = FilesSource([tmp_path], opening)
    assert imported(again) == []
    assert again.progress.files_skipped == 1


def test_a_file_that_was_read_but_not_stored_is_read_again(tmp_path: Path, opening: Opening) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(lines("a"))
    read(FilesSource([path], opening))
    assert names(imported(FilesSource([path], opening))) == ["a"]


def test_a_file_half_stored_is_read_again(tmp_path: Path, opening: Opening) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(*["x" * 1000] * 3000))
    source = FilesSource([path], opening)
    source.start()
    source.stored(source.poll(0))
    source.poll(0)
    source.stop()
    assert len(names(imported(FilesSource([path], opening)))) == 3000


def test_the_same_content_twice_in_one_run_is_read_once(tmp_path: Path, opening: Opening) -> None:
    for name in "ab":
        (tmp_path / f"{name}.json").write_bytes(lines("same"))
    assert names(read(FilesSource([tmp_path], opening))) == ["same"]


def test_a_file_without_records_is_finished_too(tmp_path: Path, opening: Opening) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"")
    imported(FilesSource([path], opening))
    again = FilesSource([path], opening)
    imported(again)
    assert again.progress.files_skipped == 1


def test_a_grown_file_is_read_again(tmp_path: Path, opening: Opening) -> None:
    path = tmp_path / "PT1H.json"
    path.write_bytes(lines("a"))
    imported(FilesSource([path], opening))
    path.write_bytes(lines("a", "b"))
    assert names(imported(FilesSource([path], opening))) == ["a", "b"]


def _rotate(path: Path) -> None:
    path.rename(path.with_suffix(".1"))
    path.write_bytes(lines("c"))


def _copy_and_truncate(path: Path) -> None:
    path.with_suffix(".1").write_bytes(path.read_bytes())
    path.write_bytes(lines("c"))


@pytest.mark.parametrize("change", [_rotate, _copy_and_truncate])
def test_a_file_that_gives_way_to_another_while_it_is_read_is_not_taken_for_imported(
    tmp_path: Path, opening: Opening, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(lines("a", "b"))

    def hashed(path: Path) -> str:
        found = content_hash(path)
        change(path)
        return found

    monkeypatch.setattr(files, "content_hash", hashed)
    assert names(imported(FilesSource([path], opening))) == ["c"]
    monkeypatch.undo()

    assert names(imported(FilesSource([path, path.with_suffix(".1")], opening))) == ["c", "a", "b"]
    assert imported(FilesSource([path, path.with_suffix(".1")], opening)) == []


def test_progress_counts_bytes_as_they_lie_on_disk(tmp_path: Path, opening: Opening) -> None:
    for name in "ab":
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(lines(name * 1000)))
    source = FilesSource([tmp_path], opening)
    source.start()
    assert (source.progress.bytes_done, source.progress.files_total) == (0, 2)
    total = sum(path.stat().st_size for path in tmp_path.glob("*.gz"))
    assert source.progress.bytes_total == total
    read(source)
    assert (source.progress.bytes_done, source.progress.files_done) == (total, 2)


def test_a_repeated_import_would_keep_its_rejects_under_the_same_positions(tmp_path: Path, opening: Opening) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(*["x" * 1000] * 3000))
    (tmp_path / "b.gz").write_bytes(gzip.compress(lines("b"))[:-4])
    first, second = (read(FilesSource([tmp_path], opening)) for _ in range(2))
    assert first[0].stream != second[0].stream
    assert [message.reject_position for message in first] == [message.reject_position for message in second]
    assert len({message.reject_position for message in first}) == len(first)
