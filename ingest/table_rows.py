"""The fast path of Log Analytics rows: those under the usual columns, decoded as typed structs and turned into columns.

Rows come from queries (ingest/loganalytics/rows.py), which leave out what a row says of itself, and from exports to
storage or an event hub, which do not. As in ingest/wire.py whatever does not fit makes the functions here answer None,
and the tolerant path judges it; what does fit becomes what the tolerant path makes of it, character by character.
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
from ingest.json_object import RECORD_LIMIT
from ingest.memo import Memo
from ingest.rows import PLACE, RAW_COLUMNS, RAW_NAMES, TEXT_LIMIT
from ingest.values import Resource, parse_size, parse_time
from ingest.wire import Size, Text, may_hold_null
from storage.schema import CATEGORIES

# Twelve of these make the text of `extra`, which is bounded: one character is six at most (`\u0001`), so they fit.
Word: TypeAlias = Annotated[str, msgspec.Meta(max_length=TEXT_LIMIT // 100)]
# Integers of more than 18 digits are texts in `extra`.
Number: TypeAlias = float | Annotated[int, msgspec.Meta(ge=0, le=10**18 - 1)]

_COLUMN_NAMES: Final = {column.name: column.log_analytics or "" for column in RAW_COLUMNS}
_OWN_NAMES: Final = {
    "management_group": "MG", "management_group_name": "ManagementGroupName", "source_system": "SourceSystem",
    "table_name": "TableName", "workspace": "TenantId", "kind": "Type", "billed_size": "_BilledSize",
    "internal_workspace": "_Internal_WorkspaceResourceId", "is_billable": "_IsBillable", "item_id": "_ItemId",
    "subscription": "_SubscriptionId", "time_received": "_TimeReceived",
}  # fmt: skip


class TableRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False, rename=_COLUMN_NAMES):
    """One row, named as our columns are: what both tables say of an event."""

    event_time: Text
    operation_name: Text
    resource_id: Text
    category: Literal["ContainerRegistryLoginEvents", "ContainerRegistryRepositoryEvents"] | None = None
    login_server: Text | None = None
    identity: Text | None = None
    caller_ip_address: Text | None = None
    user_agent: Text | None = None
    region: Text | None = None
    correlation_id: Text | None = None
    result_type: Text | None = None
    result_description: Text | None = None
    duration_ms: Text | None = None
    jwt_id: Text | None = None
    repository: Text | None = None
    tag: Text | None = None
    digest: Text | None = None
    media_type: Text | None = None
    artifact_type: Text | None = None
    size: Size | Text | None = None
    user_tenant_id: Text | None = None


class ExportedRow(TableRow, frozen=True, forbid_unknown_fields=True, gc=False, rename={**_COLUMN_NAMES, **_OWN_NAMES}):
    """One row with what it says of itself; the events table keeps that in `extra`."""

    workspace: Word | None = None
    source_system: Word | None = None
    management_group: Word | None = None
    management_group_name: Word | None = None
    kind: Word | None = None
    table_name: Word | None = None
    item_id: Word | None = None
    time_received: Word | None = None
    subscription: Word | None = None
    billed_size: Number | Word | None = None
    is_billable: bool | Word | None = None
    internal_workspace: Word | None = None


class _Extra(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, rename=_OWN_NAMES):
    """What an ExportedRow says of itself, its names in the order in which `extra` writes them."""

    management_group: str | None = None
    management_group_name: str | None = None
    source_system: str | None = None
    table_name: str | None = None
    workspace: str | None = None
    kind: str | None = None
    billed_size: float | str | None = None
    internal_workspace: str | None = None
    is_billable: bool | str | None = None
    item_id: str | None = None
    subscription: str | None = None
    time_received: str | None = None


_PLAIN: Final = Decoders(TableRow)
_EXPORTED: Final = Decoders(ExportedRow)
_TELLS: Final = b'"TimeGenerated"'
_ENCODE: Final = msgspec.json.Encoder().encode

_TEXTS: Final = places_of_texts("event_time", "category", "extra")
_CHECKED: Final = tuple(PLACE[name] for name in ("event_time", "category", "identity", "duration_ms", "size"))


class TableReader:
    """Reads messages of rows. `resources` may be those of the wire's reader; one serves one thread."""

    def __init__(self, resources: Memo[Resource]) -> None:
        self._resources = resources

    def columns_of(self, body: bytes, horizon: Horizon) -> Columns | None:
        """Return the events of a whole message as columns, or None where any record of it needs a closer look."""
        if _TELLS not in body or _may_hold_long_record(body) or may_hold_null(body):
            return None
        rows = _decoded(body)
        return self.columns(rows, horizon) if rows else None

    def columns(self, rows: Sequence[TableRow], horizon: Horizon) -> Columns | None:
        """Return decoded rows, all of one class, as columns; or None where any of them needs a closer look."""
        if not rows:
            return [()] * len(PLACE)
        columns = _extracted(rows)
        try:
            without_absent(columns, _TEXTS)
            time, category, identity, duration, size = _CHECKED
            columns[time] = usual_times(columns[time]) or [parse_time(text) for text in columns[time]]
            horizon.check(columns[time])
            columns[category] = _categories(columns[category], rows)
            columns[duration] = durations(columns[duration])
            columns[size] = _sizes(columns[size])
            if "{" in "".join(filter(None, columns[identity])):  # perhaps claims, as an object in the text
                return None
            require(columns, self._resources)
        except ValueError:
            return None
        return columns


def decode_row(raw: bytes) -> ExportedRow | None:
    """Return one record as a struct, or None where it does not fit."""
    if _TELLS not in raw or len(raw) > RECORD_LIMIT or may_hold_null(raw):
        return None
    try:
        row = _EXPORTED.single.decode(raw)
    except (ValueError, RecursionError):
        return None
    # Known here already, so that the claims of one row do not send its neighbours to the tolerant path.
    return None if row.identity is not None and "{" in row.identity else row


def _may_hold_long_record(body: bytes) -> bool:
    """Return whether some record may be longer than the tolerant path takes.

    None is longer than its line where each line begins with a brace: the rows that are taken hold no objects.
    """
    if len(body) > RECORD_LIMIT and body.rstrip().count(b"\n") != body.count(b"\n{"):
        return True
    begin = 0
    while len(body) - begin > RECORD_LIMIT:
        end = body.rfind(b"\n", begin, begin + RECORD_LIMIT + 1)
        if end < 0:
            return True
        begin = end + 1
    return False


def _decoded(body: bytes) -> Sequence[TableRow] | None:
    # Exported rows fail as queried ones at a member of the first row.
    for decoders in (_PLAIN, _EXPORTED):
        try:
            return decoders.decode(body)
        except (ValueError, RecursionError):
            continue
    return None


def _extracted(rows: Sequence[TableRow]) -> Columns:
    """Return every member as a column; see ingest/wire.py for why it is written out."""
    columns: dict[str, Sequence[Any]] = {
        "event_time": [row.event_time for row in rows],
        "category": [row.category for row in rows],
        "operation_name": [row.operation_name for row in rows],
        "resource_id": [row.resource_id for row in rows],
        "login_server": [row.login_server for row in rows],
        "identity": [row.identity for row in rows],
        "caller_ip_address": [row.caller_ip_address for row in rows],
        "user_agent": [row.user_agent for row in rows],
        "region": [row.region for row in rows],
        "correlation_id": [row.correlation_id for row in rows],
        "result_type": [row.result_type for row in rows],
        "result_description": [row.result_description for row in rows],
        "duration_ms": [row.duration_ms for row in rows],
        "jwt_id": [row.jwt_id for row in rows],
        "repository": [row.repository for row in rows],
        "tag": [row.tag for row in rows],
        "digest": [row.digest for row in rows],
        "media_type": [row.media_type for row in rows],
        "artifact_type": [row.artifact_type for row in rows],
        "size": [row.size for row in rows],
        "user_tenant_id": [row.user_tenant_id for row in rows],
        "extra": [_extra(row) for row in rows] if isinstance(rows[0], ExportedRow) else [None] * len(rows),
    }
    return [columns[name] for name in RAW_NAMES]


def _extra(row: Any) -> str | None:
    text = _ENCODE(
        _Extra(
            row.management_group,
            row.management_group_name,
            row.source_system,
            row.table_name,
            row.workspace,
            row.kind,
            row.billed_size,
            row.internal_workspace,
            row.is_billable,
            row.item_id,
            row.subscription,
            row.time_received,
        )
    ).decode()
    return None if text == "{}" else text


def _categories(categories: Sequence[str | None], rows: Sequence[Any]) -> Sequence[str | None]:
    """Fill in the table's name for a category that a row lacks."""
    if None not in categories:
        return categories
    if not isinstance(rows[0], ExportedRow):
        raise ValueError
    named = [row.category or row.kind for row in rows]
    if not set(CATEGORIES).issuperset(named):
        raise ValueError
    return named


def _sizes(values: Sequence[int | str | None]) -> Sequence[int | None]:
    """Read sizes that are texts, as `az` prints them."""
    if str not in set(map(type, values)):
        return values  # type: ignore[return-value]  # as the line above says
    sizes = [None if value is None else parse_size(value) for value in values]
    if sizes.count(None) != list(values).count(None):
        raise ValueError
    return sizes
