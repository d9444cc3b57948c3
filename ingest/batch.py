"""From rows of raw columns to the events table: ids, derived columns, Arrow."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from acrwatch.core.address import Address, parse_address
from acrwatch.core.identity import identity_kind
from acrwatch.core.model import Message
from acrwatch.core.registry import EVERY
from ingest.fast_columns import Columns
from ingest.memo import Memo
from ingest.rows import PLACE, RAW_NAMES
from ingest.values import Resource, microseconds, operation_of, parse_resource, parse_status
from storage.schema import ARROW_SCHEMA, UTC_MICROSECONDS

FLUSH_ROWS: Final = 4_096
"""Rows held as Python objects, some 3 KB each, before they become an Arrow table of some 400 bytes each. 65,536 of them
outgrow the processor's caches (5.5 against 5.1 µs a record), on a busy machine 8,192 do (8.7 against 7.9); below 4,096
the fixed cost of a table shows."""

ID_BYTES: Final = 16
"""128 bits: among a billion events the chance that any two share an id by accident is about 10^-21."""

_ID_COLUMNS: Final = (
    "category",
    "operation_name",
    "event_time",
    "correlation_id",
    "identity",
    "caller_ip_address",
    "repository",
    "tag",
    "digest",
    "result_description",
    "user_agent",
)
_ENCODE: Final = msgspec.msgpack.Encoder().encode
_PARTS: Final = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_RAW_FIELDS: Final = tuple((name, PLACE[name], ARROW_SCHEMA.field(name).type) for name in PLACE if name != "event_time")


def event_ids(canonical: Iterable[tuple[Any, ...]]) -> list[bytes]:
    """Return the ids of events: BLAKE2b over each one's resource digest and id columns, in that order.

    msgpack writes type and length before every value, so no separator inside a text can make two events one. The
    hash must resist collisions on purpose: clients choose tag and user agent, and with MD5 an attacker could prepare
    two requests of one id, of which the second is dropped as a repetition and never judged.
    """
    # All at once and taken apart again: a tenth cheaper than one by one.
    return [blake2b(encoded, digest_size=ID_BYTES).digest() for encoded in _PARTS(_ENCODE(list(canonical)))]


class Derivations:
    """The derived values that repeat, each behind a bounded cache; one per thread."""

    def __init__(self, admin_usernames: Mapping[str, Collection[str]]) -> None:
        self._admins = {
            registry.casefold(): frozenset(name.casefold() for name in names)
            for registry, names in admin_usernames.items()
        }
        self.resources: Memo[Resource] = Memo(parse_resource)
        self.digests: Memo[bytes] = Memo(self._digest)
        self.addresses: Memo[Address] = Memo(parse_address)
        self.kinds: Memo[str] = Memo(self._kind)

    def _digest(self, resource_id: str) -> bytes:
        """Return the folded resource id as ID_BYTES: hashed once per registry instead of once per event."""
        return blake2b(self.resources[resource_id].folded.encode(), digest_size=ID_BYTES).digest()

    def _kind(self, registry_and_identity: str) -> str:
        registry, _, identity = registry_and_identity.partition(_SEPARATOR)
        admins = self._admins.get(registry, frozenset()) | self._admins.get(EVERY, frozenset())
        return identity_kind(registry, identity or None, admins)


_SEPARATOR: Final = "\0"  # cannot occur: records that hold it are rejected


class EventBatch:
    """Collects rows and turns them into one table of exactly ARROW_SCHEMA."""

    def __init__(self, derivations: Derivations, ingested_at: datetime) -> None:
        self._derive = derivations
        self._ingested_at = pa.scalar(microseconds(ingested_at), pa.int64()).cast(UTC_MICROSECONDS)
        self._tables: list[pa.Table] = []
        self._clear()

    def _clear(self) -> None:
        self._columns: list[list[Any]] = [[] for _ in RAW_NAMES]
        self._provenance: list[tuple[Message, int]] = []
        self._rows = 0

    def add(self, message: Message, columns: Columns) -> None:
        """Take events of one message, as columns in the order of RAW_NAMES; every resource id must be a registry's."""
        count = len(columns[0])
        if not count:
            return
        for column, values in zip(self._columns, columns, strict=True):
            column.extend(values)
        self._provenance.append((message, count))
        self._rows += count
        if self._rows >= FLUSH_ROWS:
            self._flush()

    def table(self) -> pa.Table:
        """Return all events taken, in order."""
        if self._rows:
            self._flush()
        return pa.concat_tables(self._tables) if self._tables else ARROW_SCHEMA.empty_table()

    def _flush(self) -> None:
        times = pa.array(self._columns[PLACE["event_time"]], pa.int64()).cast(UTC_MICROSECONDS)
        arrays = {name: pa.array(self._columns[place], kind) for name, place, kind in _RAW_FIELDS}
        arrays |= {"event_time": times, "event_date": times.cast(pa.date32()), "event_id": self._ids()}
        arrays |= self._derived(arrays) | self._positions()
        self._tables.append(pa.Table.from_arrays([arrays[f.name] for f in ARROW_SCHEMA], schema=ARROW_SCHEMA))
        self._clear()

    def _ids(self) -> pa.Array:
        resources = map(self._derive.digests.__getitem__, self._columns[PLACE["resource_id"]])
        columns = (self._columns[PLACE[name]] for name in _ID_COLUMNS)
        return pa.array(event_ids(zip(resources, *columns, strict=True)), pa.binary())

    def _derived(self, raw: Mapping[str, pa.Array]) -> dict[str, pa.Array]:
        derive = self._derive
        registry = _mapped(
            raw["resource_id"].dictionary_encode(), lambda text: derive.resources[text].registry, pa.string()
        )
        principal = pc.binary_join_element_wise(registry, pc.fill_null(raw["identity"], ""), _SEPARATOR)
        callers = raw["caller_ip_address"].dictionary_encode()
        status = _mapped(raw["result_description"].dictionary_encode(), parse_status, pa.int16())
        return {
            "registry": registry,
            "operation": _mapped(raw["operation_name"].dictionary_encode(), operation_of, pa.string()),
            "status_code": status,
            "succeeded": pc.fill_null(pc.and_(pc.greater_equal(status, 200), pc.less(status, 300)), False),
            "identity_kind": _mapped(principal.dictionary_encode(), derive.kinds.__getitem__, pa.string()),
            "caller_ip": _mapped(callers, lambda text: derive.addresses[text].text, pa.string()),
            "ip_key": _mapped(callers, lambda text: derive.addresses[text].key, pa.binary()),
        }

    def _positions(self) -> dict[str, pa.Array]:
        """Return the columns that are one value per message, each repeated for the events of its message."""
        messages, counts = zip(*self._provenance, strict=True)
        rows = pa.array(np.repeat(np.arange(len(messages)), counts))
        enqueued = [m.enqueued_time if m.enqueued_time is None else microseconds(m.enqueued_time) for m in messages]
        columns = {
            "source": pa.array([m.stream for m in messages], pa.string()),
            "partition_id": pa.array([m.partition_id for m in messages], pa.string()),
            "sequence_number": pa.array([m.sequence_number for m in messages], pa.int64()),
            "enqueued_time": pa.array(enqueued, pa.int64()).cast(UTC_MICROSECONDS),
        }
        repeated = {name: column.take(rows) for name, column in columns.items()}
        return {**repeated, "ingested_at": pa.repeat(self._ingested_at, self._rows)}


def _mapped(encoded: pa.DictionaryArray, derive: Callable[[str], Any], kind: pa.DataType) -> pa.Array:
    """Return `derive` of each value, null for null; it is called once per distinct value."""
    return pa.array(map(derive, encoded.dictionary.to_pylist()), kind).take(encoded.indices)
