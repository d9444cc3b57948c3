"""Every shape of file becomes the same records, however it is laid out, packed or damaged."""

import gzip
import io
import json
import tracemalloc
from collections.abc import Callable

import pytest

from ingest.files import brackets, inflate, lines
from ingest.files.inflate import text_blocks
from ingest.files.piece import Piece
from ingest.files.split import pieces

RECORDS = [{"time": f"t{n}", "deep": {"list": [1, {"c": ']}\\"['}]}, "pad": "x" * 600} for n in range(5)]
LINES = "\n".join(map(json.dumps, RECORDS))
GOOD = json.dumps(RECORDS[0]).encode()

SHAPES: dict[str, bytes] = {
    "lines": LINES.encode(),
    "lines that end": f"{LINES}\n".encode(),
    "lines by carriage return too": LINES.replace("\n", "\r\n").encode(),
    "lines with blank ones between": LINES.replace("\n", "\n\n \n").encode(),
    "array": json.dumps(RECORDS).encode(),
    "array laid out": json.dumps(RECORDS, indent=2).encode(),
    "envelope": json.dumps({"records": RECORDS}).encode(),
    "envelope laid out": json.dumps({"records": RECORDS}, indent=2).encode(),
    "envelopes in a list": json.dumps(
        [{"a": {"b": [1]}, "records": RECORDS[:2], "id": 3, "z": [{}]}, {"records": RECORDS[2:]}]
    ).encode(),
    "one after the other": "".join(map(json.dumps, RECORDS)).encode(),
    "marked as UTF-8": b"\xef\xbb\xbf" + LINES.encode(),
    "UTF-16 by PowerShell": LINES.encode("utf-16"),
}


def cut(content: bytes) -> list[Piece]:
    """Return the records one by one, and what is none."""
    return [one for piece in pieces(text_blocks(io.BytesIO(content))) for one in single(piece)]


def single(piece: Piece) -> list[Piece]:
    whole = [line.strip() for line in piece.body.split(b"\n")]
    return [piece] if piece.reason else [Piece(line, len(line)) for line in whole if line]


def times(found: list[Piece]) -> list[str]:
    return [json.loads(piece.body)["time"] for piece in found]


def reasons(content: bytes) -> list[str]:
    return [piece.reason for piece in cut(content)]


@pytest.mark.parametrize("content", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_every_shape_gives_every_record_as_one_line(content: bytes, pack: Callable[[bytes], bytes]) -> None:
    assert times(cut(pack(content))) == ["t0", "t1", "t2", "t3", "t4"]


@pytest.mark.parametrize("content", SHAPES.values(), ids=SHAPES)
def test_where_blocks_end_makes_no_difference(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = cut(content)
    monkeypatch.setattr(inflate, "BLOCK", 7)
    assert cut(content) == whole


def test_an_empty_file_has_no_records() -> None:
    assert cut(b"") == []
    assert cut(gzip.compress(b"")) == []


def test_a_single_record_over_several_lines_is_one() -> None:
    assert times(cut(json.dumps(RECORDS[0], indent=2).encode())) == ["t0"]


def test_a_damaged_first_line_does_not_swallow_the_file() -> None:
    assert reasons(b'{"time": "t0", "identi\n' + GOOD + b"\n" + GOOD) == ["", "", ""]


def test_gzip_members_one_after_the_other_are_one_file() -> None:
    packed = gzip.compress(SHAPES["lines that end"])
    assert len(cut(packed + packed)) == 10


@pytest.mark.parametrize("block", [2, 7, 256 * 1024])
def test_members_with_padding_between_are_one_file(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflate, "BLOCK", block)
    one, two, three = (gzip.compress(line.encode() + b"\n") for line in LINES.split("\n")[:3])
    assert times(cut(one + bytes(512) + two + bytes(1) + three + bytes(512))) == ["t0", "t1", "t2"]


@pytest.mark.parametrize("block", [2, 7, 256 * 1024])
@pytest.mark.parametrize("padding", [b"", bytes(512)])
@pytest.mark.parametrize("foreign", [SHAPES["lines"], b"\x1f", b"\x1fx" + SHAPES["lines"], b"\x1f\x00"])
def test_what_follows_gzip_and_is_none_is_told_and_kept(
    block: int, padding: bytes, foreign: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inflate, "BLOCK", block)
    good, told = cut(gzip.compress(GOOD + b"\n") + padding + foreign)
    assert (good.body, told.reason) == (GOOD, "not_gzip")
    assert (told.body, told.length) == (foreign, len(foreign))
    assert f"{len(foreign)} bytes that are no gzip" in told.detail
    assert repr(foreign[:20])[2:-1] in told.detail


def test_of_much_that_follows_gzip_the_beginning_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = (GOOD + b"\n") * 1_000
    *_, told = cut(gzip.compress(GOOD + b"\n") + foreign)
    assert (told.body, told.length) == (foreign[: 64 * 1024], len(foreign))
    monkeypatch.setattr(inflate, "BLOCK", 1_000)
    assert cut(gzip.compress(GOOD + b"\n") + foreign)[-1] == told


@pytest.mark.parametrize("block", [2, 7, 256 * 1024])
@pytest.mark.parametrize("shape", ["lines", "marked as UTF-8", "UTF-16 by PowerShell"])
def test_a_mark_is_found_behind_an_empty_member(shape: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflate, "BLOCK", block)
    packed = gzip.compress(b"") + gzip.compress(SHAPES[shape][:1]) + gzip.compress(SHAPES[shape][1:])
    assert times(cut(packed)) == ["t0", "t1", "t2", "t3", "t4"]


def test_a_break_right_behind_the_first_bytes_keeps_them() -> None:
    assert [(piece.body, piece.reason) for piece in cut(gzip.compress(b"{}")[:-1])] == [
        (b"{}", ""),
        (b"", "truncated_gzip"),
    ]


def test_half_a_character_at_the_end_is_seen() -> None:
    assert cut(f"{GOOD.decode()}\n".encode("utf-16") + b"{")[-1].body == "�".encode()


def test_truncated_gzip_keeps_the_records_before_the_break() -> None:
    content = b"\n".join(b'{"n": %d, "pad": "%d"}' % (n, n * 7919) for n in range(20_000))
    packed = gzip.compress(content)
    found = cut(packed[: len(packed) // 2])
    assert found[-1].reason == "truncated_gzip"
    assert len(found) > 5_000
    assert [json.loads(piece.body)["n"] for piece in found[:-1]] == list(range(len(found) - 1))


def test_gzip_cut_within_its_trailer_loses_no_record() -> None:
    packed = gzip.compress(SHAPES["lines"])
    assert reasons(packed[:-4]) == [""] * 5 + ["truncated_gzip"]


def test_damaged_gzip_is_told_from_truncated() -> None:
    packed = bytearray(gzip.compress(SHAPES["lines"]))
    packed[-8] ^= 0xFF
    assert reasons(bytes(packed)) == [""] * 5 + ["damaged_gzip"]


def test_damage_costs_no_record_that_stands_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"\n".join(b'{"n": %d, "pad": "%d"}' % (n, n * 7919) for n in range(2_000))
    packed = bytearray(gzip.compress(content))
    packed[len(packed) // 2] ^= 0xFF
    found = cut(bytes(packed))
    assert found[-1].reason == "damaged_gzip"
    assert [json.loads(piece.body)["n"] for piece in found[:500]] == list(range(500))
    monkeypatch.setattr(inflate, "BLOCK", 7)
    assert cut(bytes(packed)) == found


def test_damage_that_shows_after_the_last_byte_is_no_break(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the last block was as long as is taken at once; found by the fuzzer."""
    packed = (
        bytes.fromhex(
            "1f8b08000000000002ffed55c16e83300cbdf72b90af9b50026cb4fd15c2018d202175b4a254ea1445da67ecb60fd9619fb47dc2"
            "ec00215026d13b46b4b193d8387e7e5170aa8f275937a53cc3de4bd2470f04e088e120c17f100275541429b57c39d6f919f466a3"
            "e8ed0d9e5979296451d0daabb02bf79e6a1de274be650c34ce37e5ab6c4d0ca5dd21dc3da0ac26e8b34c402873593565f3464ef5"
            "4df8dfcf8f77be0b7ce6077e0cd33cd4385193163eb5a8aeab2c969fafef996a71be654f3bfe1cb098c711e7210ba320d23d6832"
            "dae2a207d55131b87c0819bbc58dc11f861495ad6b75391ca8d0e4a307082104520ddaa2d240a65fd6812c3533a4c8"
        )
        + b"x" * 52
        + b"\x00\x00\x00\x00\x00\x00\x00\x00{}\n"
    )
    monkeypatch.setattr(inflate, "BLOCK", 17)
    assert reasons(packed)[-1] == "damaged_gzip"


LIMIT = 1024 * 1024


@pytest.mark.parametrize(
    ("before", "between", "after"), [(b"", b"\n", b""), (b"[", b",", b"]"), (b'{"records":[', b",", b"]}")]
)
@pytest.mark.parametrize("times_limit", [1, 3])
@pytest.mark.parametrize(("start", "part", "end"), [(b'{"a":"', b'\\"x', b'"}'), (b'{"a":[', b'{"k":1},', b"1]}")])
def test_a_record_beyond_the_limit_costs_only_itself(
    before: bytes,
    between: bytes,
    after: bytes,
    times_limit: int,
    start: bytes,
    part: bytes,
    end: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (lines, brackets):
        monkeypatch.setattr(module, "MAX_RECORD", LIMIT)
    huge = start + part * (LIMIT * times_limit // len(part)) + end
    found = cut(before + between.join([GOOD, huge, GOOD]) + after)
    assert [piece.reason for piece in found] == ["", "record_too_long", ""]
    assert found[1].length == len(huge)
    assert found[1].body == huge[: 64 * 1024]


def test_memory_is_bounded_by_a_record_not_by_the_file() -> None:
    packed = gzip.compress(b"[" + b",".join([b'{"pad":"' + b"x" * 900 + b'"}'] * 10_000) + b"]")
    tracemalloc.start()
    try:
        count = sum(piece.records for piece in pieces(text_blocks(io.BytesIO(packed))))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 10_000
    assert peak < 6 * 1024 * 1024


def test_of_tiny_records_so_many_come_together_as_fit_into_memory() -> None:
    found = [piece.records for piece in pieces(text_blocks(io.BytesIO(b"[" + b"{}," * 20_000 + b"]")))]
    assert found == [8_192, 8_192, 20_000 - 2 * 8_192]


def test_a_long_file_comes_in_pieces_of_about_a_megabyte() -> None:
    for content in (b"\n".join([GOOD] * 5_000), b"[" + b",".join([GOOD] * 5_000) + b"]"):
        found = list(pieces(text_blocks(io.BytesIO(content))))
        assert sum(piece.records for piece in found) == 5_000
        assert all(len(piece.body) <= lines.RUN_BYTES + inflate.BLOCK for piece in found)
        assert len(found) <= len(content) / lines.RUN_BYTES + 2  # the last lines, and one without an end


def test_runs_of_lines_tell_where_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "RUN_BYTES", 10)
    runs = lines.LineRuns(at=100)
    assert [piece.body for piece in runs.feed(b"1234567\nabc\nto")] == [b"1234567\nabc"]
    assert (runs.end, runs.rest()) == (112, b"to")
    assert [piece.body for piece in runs.feed(b"rn\n")] == []
    assert [piece.body for piece in runs.flush()] == [b"torn"]
    assert (runs.end, runs.rest()) == (117, b"")


def test_a_key_that_ends_like_records_is_a_member_like_any_other() -> None:
    record = b'{"x\\"records": [{"a": 1}], "time": "t0"}'
    assert [piece.body for piece in cut(b"[" + record + b"]")] == [record]


def test_what_is_no_record_is_a_piece_of_its_own() -> None:
    assert [piece.body for piece in cut(b'[1, "a", {"t": 1}, } ,{"t": 2}]')] == [
        b"1",
        b'"a"',
        b'{"t": 1}',
        b"}",
        b'{"t": 2}',
    ]
