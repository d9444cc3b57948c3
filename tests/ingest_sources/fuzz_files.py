"""What must hold of files, however they are laid out, packed, cut and damaged: nothing of them is lost in silence.

Two oracles know nothing of `ingest/files/`: Python's gzip module says what is packed, and `json.loads` what its records
are.
"""

import codecs
import gzip
import io
import json
import tracemalloc
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any, ClassVar, Final

import pytest
from hypothesis import strategies as st

from ingest.files import inflate, lines, split
from ingest.files.inflate import BrokenContentError, text_blocks
from ingest.files.piece import KEPT, SPACE, Piece
from ingest.files.split import pieces
from tests.ingest_sources.fuzz_layouts import damaged, whole

_GZIP: Final = b"\x1f\x8b"
_REASONS: Final = frozenset({"damaged_gzip", "truncated_gzip", "not_gzip"})
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SWOLLEN_EVERY: Final = 5_000
_SWOLLEN_BYTES: Final = 8 * 1024 * 1024
_MOST_TIMES: Final = 20_000  # looking at every bracket while memory is traced takes long
_MOST_MEMORY: Final = 6 * 1024 * 1024


class FilesFuzz:
    """Judges files. `outcomes` counts them, their records and what is none. Raises AssertionError for a breach."""

    NAME: ClassVar = "files"
    INSTRUMENTED: ClassVar = ("ingest.files",)

    def __init__(self, seed: int = 0) -> None:
        self.outcomes: Counter[str] = Counter()
        self._cuts = Random(seed)

    def close(self) -> None:
        """Nothing is held."""

    def make(self, chance: Random) -> bytes:
        """Return a file, mostly damaged."""
        content, _ = whole(chance)
        return damaged(content, chance) if chance.random() < 0.8 else content

    def change(self, data: bytes, chance: Random) -> bytes:
        """Return a file like this one."""
        return damaged(data, chance)

    def strategy(self) -> st.SearchStrategy[bytes]:
        """Return hypothesis' way to make files."""
        made = st.randoms(use_true_random=False).map(self.make)
        text = st.text(alphabet='[]{}",:\\ \n\rrecods1é', max_size=60).map(str.encode)
        return made | st.binary(max_size=60) | text | text.map(gzip.compress)

    def step(self, chance: Random) -> None:
        """Judge one file: as it should be, where all its records must come out, or damaged."""
        content, records = whole(chance)
        if chance.random() < 1 / _SWOLLEN_EVERY:
            self.judge_long(content, chance)
        if chance.random() < 0.5:
            self.judge(damaged(content, chance))
            return
        assert records_of(content) == list(map(_canonical, _flat(records))), "the oracle does not know its own files"
        self.judge(content)

    def settle(self) -> None:
        """Nothing waits: each file is judged at once."""

    def judge(self, data: bytes) -> None:
        """Read a file in one block, and in small ones: both must give the same, and what the oracles say."""
        found = _read(data)
        block = self._cuts.choice((2, 3, 5, 17, 64, self._cuts.randrange(2, max(3, len(data)))))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(inflate, "BLOCK", block)
            for module in (lines, split):
                patch.setattr(module, "RUN_BYTES", self._cuts.choice((1, 50, 1_000)))
            assert _read(data) == found, f"in blocks of {block}"
        _check_text(data)
        _check_pieces(found)
        expected = records_of(data)
        if expected is not None:
            assert {piece.reason for piece in found} <= {""}, found[-1]
            bodies = (json.loads(piece.body) for piece in found)
            taken = [_canonical(one) for body in bodies for one in _flat([body])]
            assert taken == expected, (taken, expected)
        self.outcomes["files whole" if expected is not None else "files damaged"] += 1
        self.outcomes.update(piece.reason or "records" for piece in found)

    def judge_long(self, content: bytes, chance: Random) -> None:
        """Read a long file of the same records: what is held must not grow with it."""
        unpacked = _text_of(content) or b"{}\n"
        long = unpacked * min(_SWOLLEN_BYTES // len(unpacked) + 1, _MOST_TIMES)
        file = io.BytesIO(gzip.compress(long, 1) if chance.random() < 0.5 else long)
        tracemalloc.start()
        try:
            for _ in pieces(text_blocks(file)):
                pass
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < _MOST_MEMORY, peak
        self.outcomes["long files"] += 1


def records_of(data: bytes) -> list[str] | None:
    """Return the records of an undamaged file, as its maker must have meant them; None of any other."""
    text = _text_of(data)
    if text is None:
        return None
    mark, encoding = next(((mark, name) for mark, name in _MARKS if text.startswith(mark)), (b"", "utf-8"))
    try:
        written = text.removeprefix(mark).decode(encoding)
        values = _by_line(written) or _one_after_the_other(written)
        if not all(isinstance(value, dict | list) for value in values):
            return None  # `1 2` is two values or none
        return list(map(_canonical, _flat(values)))
    except (ValueError, RecursionError):
        return None


def _text_of(data: bytes) -> bytes | None:
    """Return what a file holds, unpacked; None where it is damaged."""
    if not data.startswith(_GZIP):
        return data
    try:
        text = gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return None
    return text if _unpacked(data) == text else None  # gzip's own checksum of a header Python does not look at


def _by_line(text: str) -> list[Any] | None:
    """Return the values of JSON Lines; None where not every line is one."""
    try:
        return [_loads(line) for line in text.split("\n") if line.strip(" \t\r")]
    except ValueError:
        return None


def _one_after_the_other(text: str) -> list[Any]:
    """Return the values of documents in a row, the first of which is laid out as such. Raises ValueError."""
    first, end, _ = text.lstrip(" \t\r\n").partition("\n")
    first = first.rstrip(" \t\r")
    if end and not first.startswith("[") and not first.endswith(("{", "[", ",", ":")):
        raise ValueError("taken for JSON Lines with a damaged first line")
    if end and _by_line(first):
        raise ValueError("taken for JSON Lines")
    values, place = [], 0
    while text := text[place:].lstrip(" \t\r\n"):
        value, place = _DECODER.raw_decode(text)
        values.append(value)
    return values


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    folded = [name.casefold() for name, _ in pairs]
    if folded.count("records") > 1:
        raise ValueError("which of them is meant, nobody can say")
    return dict(pairs)


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_members)


def _loads(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_members)


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    """Yield the records among values: elements of lists, and of `records` in whatever case."""
    for value in values:
        inner = (
            next((v for k, v in value.items() if k.casefold() == "records"), None) if isinstance(value, dict) else value
        )
        if isinstance(inner, list):
            yield from _flat(inner)
        else:
            yield value


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _read(data: bytes) -> list[Piece]:
    """Return the records of a file one by one, and what is none."""
    found = []
    for piece in pieces(text_blocks(io.BytesIO(data))):
        if piece.reason:
            found.append(piece)
        else:
            lines_of = (line.strip(SPACE) for line in piece.body.split(b"\n"))
            found += [Piece(line, len(line)) for line in lines_of if line]
    return found


def _check_pieces(found: list[Piece]) -> None:
    """Only the last piece may say that the file is broken, and it says so shortly and printably."""
    assert all(not piece.reason for piece in found[:-1])
    for piece in found[-1:]:
        assert not piece.reason or piece.reason in _REASONS
        assert len(piece.body) <= min(KEPT, piece.length)
        assert len(piece.detail) < 600
        assert piece.detail.isprintable()


def _check_text(data: bytes) -> None:
    """Of gzip all must come out that zlib, asked at once, finds before the break; of the rest all there is."""
    text = b""
    try:
        for block in text_blocks(io.BytesIO(data)):
            assert len(block) <= 2 * inflate.BLOCK
            text += block
    except BrokenContentError:
        assert data.startswith(_GZIP)
    expected = _unpacked(data) if data.startswith(_GZIP) else data
    if expected is None or expected.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return
    assert text == expected.removeprefix(codecs.BOM_UTF8)


def _unpacked(data: bytes) -> bytes | None:
    """Return all that zlib finds in members one after the other; None where one is damaged."""
    found = b""
    while data.startswith(_GZIP):
        member = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            found += member.decompress(data)
        except zlib.error:
            return None
        data = member.unused_data.lstrip(b"\0")
    return found
