"""The fast path: records of exactly the shape Azure Monitor sends, decoded as typed structs and turned into columns.

Whatever does not fit (a member no struct names, another type, an odd time, a foreign category) makes the functions
here answer None; the tolerant path then judges record by record. Nothing is ever rejected here.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
import numpy as np

from ingest.memo import Memo
from ingest.rows import ABSENT, ABSENT_GUIDS, GUID_COLUMNS, PLACE, RAW_NAMES, TEXT_LIMIT, UnfitError
from ingest.values import INT64_MAX, Resource

Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=TEXT_LIMIT)]
# It becomes a member of `extra`, whose text is bounded, too: one character is six at most (`\u0001`), so these fit.
Stamp: TypeAlias = Annotated[str, msgspec.Meta(max_length=TEXT_LIMIT // 8)]
Size: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=INT64_MAX)]
Columns: TypeAlias = list[Sequence[Any]]
"""One sequence of values per name of RAW_NAMES, all of one length."""


# gc=False: the structs hold only text and numbers, so they cannot be part of a cycle, and the collector need not
# look through some hundred thousand of them per second.
class Properties(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """The members of `properties`, as Azure spells them."""

    tag: Text | None = None
    digest: Text | None = None
    mediaType: Text | None = None  # noqa: N815
    repository: Text | None = None
    artifactType: Text | None = None  # noqa: N815
    tenantId: Text | None = None  # noqa: N815
    loginServer: Text | None = None  # noqa: N815
    userAgent: Text | None = None  # noqa: N815
    jwtId: Text | None = None  # noqa: N815
    size: Size | None = None


class WireRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One audit record, as Azure spells it; `RegionStamp` is in no schema but at the end of the real record known."""

    time: Text
    category: Literal["ContainerRegistryLoginEvents", "ContainerRegistryRepositoryEvents"]  # storage.schema.CATEGORIES
    resourceId: Text  # noqa: N815
    operationName: Text  # noqa: N815
    properties: Properties
    identity: Text | None = None
    location: Text | None = None
    resultType: Text | None = None  # noqa: N815
    resultDescription: Text | None = None  # noqa: N815
    durationMs: Text | None = None  # noqa: N815
    callerIpAddress: Text | None = None  # noqa: N815
    correlationId: Text | None = None  # noqa: N815
    RegionStamp: Stamp | None = None


class _Envelope(msgspec.Struct, frozen=True, gc=False):
    records: list[WireRecord]


_ENVELOPES: Final = msgspec.json.Decoder(_Envelope)
_RECORDS: Final = msgspec.json.Decoder(WireRecord)
_LISTS: Final = msgspec.json.Decoder(list[WireRecord])
_ENVELOPE_START: Final = re.compile(rb'\s*+\{\s*+"records"')

_TEXTS: Final = tuple(
    (PLACE[name], ABSENT | ABSENT_GUIDS if name in GUID_COLUMNS else ABSENT)
    for name in RAW_NAMES
    if name not in {"event_time", "category", "size", "extra"}
)
_REQUIRED: Final = tuple(PLACE[name] for name in ("operation_name", "resource_id"))

_TIME_SHAPE: Final = b"0000-00-00T00:00:00.0000000Z"
_TIME_LOWEST: Final = np.frombuffer(_TIME_SHAPE, np.uint8)
_TIME_HIGHEST: Final = np.frombuffer(_TIME_SHAPE.replace(b"0", b"9"), np.uint8)
_ESCAPES: Final = 1_000
_MICROSECOND_PLACES: Final = len("2025-01-30T14:19:15.193173")


@dataclass(frozen=True, slots=True)
class Horizon:
    """Times a record may have, in microseconds since 1970 UTC: before `earliest` expired, after `latest` wrong."""

    earliest: int
    latest: int


class WireReader:
    """Reads messages and records of the usual shape. Keeps bounded caches, so one serves one thread."""

    def __init__(self, resources: Memo[Resource]) -> None:
        self._resources = resources
        self._extras = Memo(_stamp_as_extra)

    def columns_of(self, body: bytes, horizon: Horizon) -> Columns | None:
        """Return the events of a whole message as columns, or None where any record of it needs a closer look."""
        if may_hold_null(body):
            return None
        try:
            records = _decode(body)
        except (ValueError, RecursionError):
            return None
        # No records at all may be an empty envelope or an empty message, of which only the second is wrong.
        return self.columns(records, horizon) if records else None

    def columns(self, records: Sequence[WireRecord], horizon: Horizon) -> Columns | None:
        """Return decoded records as columns, or None where any of them needs a closer look."""
        if not records:
            return [()] * len(PLACE)
        columns = _transposed(records)
        try:
            columns[PLACE["event_time"]] = _times(columns[PLACE["event_time"]], horizon)
            columns[PLACE["duration_ms"]] = _durations(columns[PLACE["duration_ms"]])
            _require(columns)
            for resource_id in set(columns[PLACE["resource_id"]]):
                self._resources[resource_id]
        except ValueError:
            return None
        stamps = columns[PLACE["extra"]]
        columns[PLACE["extra"]] = [None if stamp is None else self._extras[stamp] for stamp in stamps]
        return columns


def _times(texts: Sequence[str], horizon: Horizon) -> list[int]:
    """Read `2025-01-30T14:19:15.1931730Z`, cutting the seventh digit; raise ValueError for any other shape."""
    if set(map(len, texts)) != {len(_TIME_SHAPE)}:
        raise ValueError
    characters = np.frombuffer("".join(texts).encode(), np.uint8).reshape(-1, len(_TIME_SHAPE))
    if (characters < _TIME_LOWEST).any() or (characters > _TIME_HIGHEST).any():
        raise ValueError
    cut = np.ascontiguousarray(characters[:, :_MICROSECOND_PLACES]).view(f"S{_MICROSECOND_PLACES}").ravel()
    times: list[int] = cut.astype("datetime64[us]").view(np.int64).tolist()
    if min(times) < horizon.earliest or max(times) > horizon.latest:
        raise ValueError
    return times


def decode_record(raw: bytes) -> WireRecord | None:
    """Return one record as a struct, or None where it does not fit."""
    try:
        return None if may_hold_null(raw) else _RECORDS.decode(raw)
    except (ValueError, RecursionError):
        return None


def may_hold_null(raw: bytes) -> bool:
    """Return whether some text of this JSON might hold U+0000, which JSON can only write as an escape."""
    # From escape to escape, for a search of one byte is 100 times faster than one of six, and a message of 200 records
    # holds some hundred backslashes, those of Docker's user agents. A body of little else is searched whole.
    at = raw.find(b"\\")
    for _ in range(_ESCAPES):
        if at < 0:
            return False
        if raw[at + 1 : at + 6] == b"u0000":
            return True
        at = raw.find(b"\\", at + 2)
    return b"\\u0000" in raw


def extra_text(members: dict[str, Any]) -> str:
    """Return unknown members as one JSON object with keys in order, so that equal members give equal text."""
    return msgspec.json.encode(members, order="sorted").decode()


def _stamp_as_extra(stamp: str) -> str:
    return extra_text({"RegionStamp": stamp})


def _decode(body: bytes) -> Sequence[WireRecord]:
    if _ENVELOPE_START.match(body):
        envelopes = _ENVELOPES.decode_lines(body)
        if len(envelopes) == 1:
            return envelopes[0].records
        return [record for envelope in envelopes for record in envelope.records]
    return _LISTS.decode(body) if body.lstrip()[:1] == b"[" else _RECORDS.decode_lines(body)


def _transposed(records: Sequence[WireRecord]) -> Columns:
    columns = _extracted(records)
    for place, absent in _TEXTS:
        values = columns[place]
        for word in absent:
            if word in values:
                columns[place] = [None if value in absent else value for value in values]
                break
    return columns


def _extracted(records: Sequence[WireRecord]) -> Columns:
    """Return every member as a column: a comprehension for each is twice as fast as transposing records as tuples."""
    inner = [record.properties for record in records]
    columns: dict[str, Sequence[Any]] = {
        "event_time": [record.time for record in records],
        "category": [record.category for record in records],
        "resource_id": [record.resourceId for record in records],
        "operation_name": [record.operationName for record in records],
        "identity": [record.identity for record in records],
        "region": [record.location for record in records],
        "result_type": [record.resultType for record in records],
        "result_description": [record.resultDescription for record in records],
        "duration_ms": [record.durationMs for record in records],
        "caller_ip_address": [record.callerIpAddress for record in records],
        "correlation_id": [record.correlationId for record in records],
        "extra": [record.RegionStamp for record in records],
        "tag": [properties.tag for properties in inner],
        "digest": [properties.digest for properties in inner],
        "media_type": [properties.mediaType for properties in inner],
        "repository": [properties.repository for properties in inner],
        "artifact_type": [properties.artifactType for properties in inner],
        "user_tenant_id": [properties.tenantId for properties in inner],
        "login_server": [properties.loginServer for properties in inner],
        "user_agent": [properties.userAgent for properties in inner],
        "jwt_id": [properties.jwtId for properties in inner],
        "size": [properties.size for properties in inner],
    }
    return [columns[name] for name in RAW_NAMES]


def _durations(texts: Sequence[str | None]) -> list[float | None]:
    values = [None if text is None else float(text) for text in texts]
    if not math.isfinite(sum(filter(None, values))):
        raise ValueError
    return values


def _require(columns: Columns) -> None:
    if any(None in columns[place] for place in _REQUIRED):
        raise UnfitError("missing_member", "a required member is absent")
