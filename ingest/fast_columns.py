"""What the fast paths do alike, whatever their records are called: shapes of a body, and columns of texts.

Whatever does not fit raises ValueError; the reader that asked then answers None, and the tolerant path judges.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

import msgspec
import numpy as np

from ingest.memo import Memo
from ingest.rows import ABSENT, ABSENT_GUIDS, GUID_COLUMNS, PLACE, RAW_NAMES, UnfitError
from ingest.values import Resource

Columns: TypeAlias = list[Sequence[Any]]
"""One sequence of values per name of RAW_NAMES, all of one length."""

Record = TypeVar("Record", bound=msgspec.Struct)

_ENVELOPE_START: Final = re.compile(rb'\s*+\{\s*+"records"')
_REQUIRED: Final = tuple(PLACE[name] for name in ("operation_name", "resource_id"))

# Seven digits of a second are Azure's; six are ours, and those of the client of Log Analytics.
_TIME_SHAPES: Final = {
    len(shape): tuple(np.frombuffer(bound, np.uint8) for bound in (shape, shape.replace(b"0", b"9")))
    for shape in (b"0000-00-00T00:00:00.000000Z", b"0000-00-00T00:00:00.0000000Z")
}
_MICROSECOND_PLACES: Final = len("2025-01-30T14:19:15.193173")


@dataclass(frozen=True, slots=True)
class Horizon:
    """Times a record may have, in microseconds since 1970 UTC: before `earliest` expired, after `latest` wrong."""

    earliest: int
    latest: int

    def check(self, times: Sequence[int]) -> None:
        """Raise ValueError where any of these times lies beyond."""
        if min(times) < self.earliest or max(times) > self.latest:
            raise ValueError


class _Envelope(msgspec.Struct, Generic[Record], frozen=True, gc=False):
    records: list[Record]


class Decoders(Generic[Record]):
    """The shapes in which records of one kind come: envelopes, lists, and lines of single ones."""

    def __init__(self, record: type[Record]) -> None:
        self.single = msgspec.json.Decoder(record)
        self._list = msgspec.json.Decoder(list[record])  # type: ignore[valid-type]
        self._envelope = msgspec.json.Decoder(_Envelope[record])  # type: ignore[valid-type]

    def decode(self, body: bytes) -> Sequence[Record]:
        """Return the records of a body. Raises ValueError or RecursionError where any does not fit."""
        if _ENVELOPE_START.match(body):
            envelopes = self._envelope.decode_lines(body)
            if len(envelopes) == 1:
                return envelopes[0].records
            return [record for envelope in envelopes for record in envelope.records]
        return self._list.decode(body) if body.lstrip()[:1] == b"[" else self.single.decode_lines(body)


def places_of_texts(*others: str) -> tuple[tuple[int, frozenset[str]], ...]:
    """Return the places of the columns whose texts may say "no value", with the words for it; `others` are none."""
    return tuple(
        (PLACE[name], ABSENT | ABSENT_GUIDS if name in GUID_COLUMNS else ABSENT)
        for name in RAW_NAMES
        if name not in others
    )


def without_absent(columns: Columns, texts: Sequence[tuple[int, frozenset[str]]]) -> None:
    """Put None in the place of texts that say "no value"."""
    for place, absent in texts:
        values = columns[place]
        for word in absent:
            if word in values:
                columns[place] = [None if value in absent else value for value in values]
                break


def usual_times(texts: Sequence[str]) -> list[int] | None:
    """Read `2025-01-30T14:19:15.1931730Z`, cutting the seventh digit, or with six; None for any other shape.

    Raises ValueError for a time that does not exist.
    """
    widths = set(map(len, texts))
    width = widths.pop()
    if widths or width not in _TIME_SHAPES:
        return None
    lowest, highest = _TIME_SHAPES[width]
    characters = np.frombuffer("".join(texts).encode(), np.uint8).reshape(-1, width)
    if (characters < lowest).any() or (characters > highest).any():
        return None
    cut = np.ascontiguousarray(characters[:, :_MICROSECOND_PLACES]).view(f"S{_MICROSECOND_PLACES}").ravel()
    times: list[int] = cut.astype("datetime64[us]").view(np.int64).tolist()
    return times


def durations(texts: Sequence[str | None]) -> list[float | None]:
    """Read finite numbers."""
    values = [None if text is None else float(text) for text in texts]
    if not math.isfinite(sum(filter(None, values))):
        raise ValueError
    return values


def require(columns: Columns, resources: Memo[Resource]) -> None:
    """Raise UnfitError where a record lacks what it must have, or is about no registry."""
    if any(None in columns[place] for place in _REQUIRED):
        raise UnfitError("missing_member", "a required member is absent")
    for resource_id in set(columns[PLACE["resource_id"]]):
        resources[resource_id]
