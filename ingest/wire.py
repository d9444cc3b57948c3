"""The fast path: records of exactly the shape Azure Monitor sends, decoded as typed structs and turned into columns.

Whatever does not fit (a member no struct names, another type, an odd time, a foreign category) makes the functions
here answer None; the tolerant path then judges record by record. Nothing is ever rejected here.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

from ingest.fast_columns import (
    Columns,
    Decoders,
    Horizon,
    durations,
    places_of_texts,
    require,
    usual_times,
    without_absent,
)
from ingest.memo import Memo
from ingest.rows import PLACE, RAW_NAMES, TEXT_LIMIT
from ingest.values import INT64_MAX, Resource

Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=TEXT_LIMIT)]
# It becomes a member of `extra`, whose text is bounded, too: one character is six at most (`\u0001`), so these fit.
Stamp: TypeAlias = Annotated[str, msgspec.Meta(max_length=TEXT_LIMIT // 8)]
Size: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=INT64_MAX)]


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


_RECORDS: Final = Decoders(WireRecord)
_TEXTS: Final = places_of_texts("event_time", "category", "size", "extra")
_ESCAPES: Final = 1_000


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
            records = _RECORDS.decode(body)
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
            times = usual_times(columns[PLACE["event_time"]])
            if times is None:
                return None
            horizon.check(times)
            columns[PLACE["event_time"]] = times
            columns[PLACE["duration_ms"]] = durations(columns[PLACE["duration_ms"]])
            require(columns, self._resources)
        except ValueError:
            return None
        stamps = columns[PLACE["extra"]]
        columns[PLACE["extra"]] = [None if stamp is None else self._extras[stamp] for stamp in stamps]
        return columns


def decode_record(raw: bytes) -> WireRecord | None:
    """Return one record as a struct, or None where it does not fit."""
    try:
        return None if may_hold_null(raw) else _RECORDS.single.decode(raw)
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


def _transposed(records: Sequence[WireRecord]) -> Columns:
    columns = _extracted(records)
    without_absent(columns, _TEXTS)
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
