"""From rows of raw columns to the events table: ids, derived columns, Arrow."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from itertools import repeat
from typing import Any, Final

import msgspec
import pyarrow as pa

from acrwatch.core.model import Message
from ingest.address import Address, parse_address
from ingest.identity import identity_kind
from ingest.memo import Memo
from ingest.rows import PLACE, RAW_NAMES
from ingest.values import Resource, microseconds, operation_of, parse_resource, parse_status
from ingest.wire import Columns
from storage.schema import ARROW_SCHEMA

FLUSH_ROWS: Final = 65_536
"""Rows held as Python objects, some 3 KB each, before they become an Arrow table of some 400 bytes each."""

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


def event_id(canonical: tuple[Any, ...]) -> bytes:
    """Return the id of an event: BLAKE2b over its folded resource id and the values of the id columns, in that order.

    msgpack writes type and length before every value, so no separator inside a text can make two events one. The
    hash must resist collisions on purpose: clients choose tag and user agent, and with MD5 an attacker could prepare
    two requests of one id, of which the second is dropped as a repetition and never judged.
    """
    return blake2b(_ENCODE(canonical), digest_size=ID_BYTES).digest()


class Derivations:
    """The derived values that repeat, each behind a bounded cache; one per thread."""

    def __init__(self, admin_usernames: Mapping[str, Collection[str]]) -> None:
        self._admins = {
            registry.casefold(): frozenset(name.casefold() for name in names)
            for registry, names in admin_usernames.items()
        }
        self.resources: Memo[str, Resource] = Memo(parse_resource)
        self.operations: Memo[str, str] = Memo(operation_of)
        self.statuses: Memo[str, int | None] = Memo(parse_status)
        self.addresses: Memo[str, Address] = Memo(parse_address)
        self.kinds: Memo[tuple[str, str], str] = Memo(self._kind)

    def _kind(self, key: tuple[str, str]) -> str:
        registry, identity = key
        return identity_kind(registry, identity or None, self._admins.get(registry, frozenset()))


class EventBatch:
    """Collects rows and turns them into one table of exactly ARROW_SCHEMA."""

    def __init__(self, derivations: Derivations, ingested_at: datetime) -> None:
        self._derive = derivations
        self._ingested_at = microseconds(ingested_at)
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
        raw = {name: self._columns[place] for name, place in PLACE.items()}
        values: dict[str, Sequence[Any]] = {**raw, **self._derived(raw), **self._positions()}
        times = pa.array(raw["event_time"], pa.int64()).cast(ARROW_SCHEMA.field("event_time").type)
        ready = {"event_time": times, "event_date": times.cast(pa.date32())}
        arrays = [ready[f.name] if f.name in ready else _array(values[f.name], f.type) for f in ARROW_SCHEMA]
        self._tables.append(pa.Table.from_arrays(arrays, schema=ARROW_SCHEMA))
        self._clear()

    def _derived(self, raw: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
        derive = self._derive
        folded, registries = zip(*map(derive.resources.__getitem__, raw["resource_id"]), strict=True)
        statuses = [None if text is None else derive.statuses[text] for text in raw["result_description"]]
        addresses = [_NO_ADDRESS if text is None else derive.addresses[text] for text in raw["caller_ip_address"]]
        caller_ips, ip_keys = zip(*addresses, strict=True)
        identities = [identity or "" for identity in raw["identity"]]
        canonical = zip(folded, *(raw[name] for name in _ID_COLUMNS), strict=True)
        return {
            "event_id": list(map(event_id, canonical)),
            "registry": registries,
            "operation": list(map(derive.operations.__getitem__, raw["operation_name"])),
            "status_code": statuses,
            "succeeded": [status is not None and 200 <= status <= 299 for status in statuses],
            "identity_kind": list(map(derive.kinds.__getitem__, zip(registries, identities, strict=True))),
            "caller_ip": caller_ips,
            "ip_key": ip_keys,
            "ingested_at": [self._ingested_at] * self._rows,
        }

    def _positions(self) -> dict[str, Sequence[Any]]:
        positions: dict[str, list[Any]] = {name: [] for name in _POSITIONS}
        for message, count in self._provenance:
            enqueued = None if message.enqueued_time is None else microseconds(message.enqueued_time)
            positions["source"].extend(repeat(message.stream, count))
            positions["partition_id"].extend(repeat(message.partition_id, count))
            positions["sequence_number"].extend(repeat(message.sequence_number, count))
            positions["enqueued_time"].extend(repeat(enqueued, count))
        return dict(positions)


_POSITIONS: Final = ("source", "partition_id", "sequence_number", "enqueued_time")
_NO_ADDRESS: Final = Address(None, None)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.int64()).cast(kind)
    return pa.array(values, kind)
