"""What rules need to know that no event says: per registry named lists of ranges, named lists of values, and flags.

Rules name them by placeholder (`'%allowed_ranges%'`); a document of it has a version, and every alert keeps the version
it was judged by.
"""

import hashlib
import ipaddress
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Protocol

import pyarrow as pa
from sqlalchemy import Connection

from acrwatch.core.registry import EVERY, RegistryContext
from acrwatch.core.setting import IpNetwork
from detections.shipped_context import shipped

_MAPPED: Final = 0xFFFF << 32
_MAPPED_NETWORK: Final = ipaddress.IPv6Network("::ffff:0:0/96")


@dataclass(frozen=True)
class Context:
    """All registries, by name in any case; what `*` has holds for each of them, beside its own."""

    registries: Mapping[str, RegistryContext] = field(default_factory=dict)

    def current(self, _connection: Connection, *, now: datetime) -> "Context":  # noqa: ARG002 - see ContextSource
        """Return itself: a context that does not change."""
        return self

    def of(self, registry: str) -> RegistryContext:
        """Return what a registry has: its own lists with the values that hold for every registry."""
        own, every = self.registries.get(registry.casefold()), self.registries.get(EVERY)
        both = [one for one in (own, every) if one is not None]
        return RegistryContext(
            _joined([one.ranges for one in both]),
            _joined([one.lists for one in both]),
            tuple(sorted({flag for one in both for flag in one.flags})),
        )

    def has(self, name: str) -> bool:
        """Whether any registry has a list that is not empty, or a flag, of that name."""
        return bool(self.intervals(name) or self.values(name) or self.flagged(name))

    def intervals(self, name: str) -> Sequence[tuple[str, bytes, bytes]]:
        """Return the ranges of a list: registry (folded; `*` for all), first and last 16-byte key."""
        return self._intervals.get(name, ())

    def values(self, name: str) -> Sequence[tuple[str, str]]:
        """Return the values of a list: registry (folded; `*` for all) and text, with wildcards as they are."""
        return self._values.get(name, ())

    def flagged(self, flag: str) -> frozenset[str]:
        """Return the registries (folded; `*` for all) that have a flag."""
        return frozenset(name for name, registry in self._named if flag in registry.flags)

    def document(self) -> Mapping[str, Any]:
        """Return the context as JSON values, in a fixed order."""
        return self._document

    def version(self) -> str:
        """Return the SHA-256 of the document."""
        return self._version

    def tables(self) -> Mapping[str, pa.Table]:
        """Return the relations that long lists are looked up in (`detections.binding`).

        Single addresses lie apart from ranges, and values without wildcards apart from patterns of LIKE (escaped by a
        backslash), so that a long list of either is looked up by hash. The registry `*` stands for all.
        """
        return self._tables

    @cached_property
    def _document(self) -> Mapping[str, Any]:
        return {
            name.casefold(): {
                "ranges": {key: sorted(map(str, found)) for key, found in sorted(registry.ranges.items())},
                "lists": {key: sorted(map(str.casefold, found)) for key, found in sorted(registry.lists.items())},
                "flags": sorted(registry.flags),
            }
            for name, registry in sorted(self.registries.items())
        }

    @cached_property
    def _version(self) -> str:
        return hashlib.sha256(json.dumps(self._document, sort_keys=True).encode()).hexdigest()

    @cached_property
    def _named(self) -> Sequence[tuple[str, RegistryContext]]:
        return [(name.casefold(), registry) for name, registry in self.registries.items()]

    @cached_property
    def _intervals(self) -> Mapping[str, Sequence[tuple[str, bytes, bytes]]]:
        found: dict[str, list[tuple[str, bytes, bytes]]] = {}
        for registry, of_registry in self._named:
            for name, networks in of_registry.ranges.items():
                found.setdefault(name, []).extend((registry, *bounds) for bounds in key_ranges(networks))
        return found

    @cached_property
    def _values(self) -> Mapping[str, Sequence[tuple[str, str]]]:
        found: dict[str, list[tuple[str, str]]] = {}
        for registry, of_registry in self._named:
            for name, values in of_registry.lists.items():
                found.setdefault(name, []).extend((registry, value) for value in values)
        return found

    @cached_property
    def _tables(self) -> Mapping[str, pa.Table]:
        bounds = [(registry, name, *rest) for name, some in self._intervals.items() for registry, *rest in some]
        listed = [(registry, name, value) for name, some in self._values.items() for registry, value in some]
        place = {"registry": pa.string(), "list": pa.string()}
        return {
            "context_ranges": _table([b for b in bounds if b[2] != b[3]], **place, low=pa.binary(), high=pa.binary()),
            "context_addresses": _table([b[:3] for b in bounds if b[2] == b[3]], **place, address=pa.binary()),
            "context_values": _table([row for row in listed if not is_pattern(row[2])], **place, value=pa.string()),
            "context_patterns": _table(
                [(*row[:2], like_pattern(row[2])) for row in listed if is_pattern(row[2])], **place, pattern=pa.string()
            ),
        }


class ContextSource(Protocol):
    """What a pass asks for the context that it judges by."""

    def current(self, connection: Connection, *, now: datetime) -> Context:
        """Return the context in force at a moment."""
        ...


def with_shipped(registries: Mapping[str, RegistryContext]) -> Context:
    """Return the context of these registries (`*` among them for all), over the shipped labels."""
    return Context({**registries, EVERY: registries.get(EVERY, RegistryContext()).over(shipped())})


def key_ranges(networks: Collection[IpNetwork]) -> list[tuple[bytes, bytes]]:
    """Return closed intervals of 16-byte keys that cover these networks; v4 as v4-mapped v6.

    A v6 network so wide that it holds all mapped addresses (`::/0`) is not taken to hold v4 callers; one of mapped
    addresses alone (`::ffff:203.0.113.0/120`) is the v4 range it maps.
    """
    v4 = ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv4Network))
    wide = (n for n in networks if isinstance(n, ipaddress.IPv6Network))
    v6 = ipaddress.collapse_addresses(part for n in wide for part in _without_mapped(n))
    collapsed: list[IpNetwork] = [*v4, *v6]
    return [(ip_key(n.network_address), ip_key(n.broadcast_address)) for n in collapsed]


def _without_mapped(network: ipaddress.IPv6Network) -> Iterable[ipaddress.IPv6Network]:
    holds = network.prefixlen < _MAPPED_NETWORK.prefixlen and network.supernet_of(_MAPPED_NETWORK)
    return network.address_exclude(_MAPPED_NETWORK) if holds else [network]


def ip_key(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bytes:
    """Return the sortable 16 bytes of an address, as the `ip_key` column has them."""
    return (int(address) + (_MAPPED if address.version == 4 else 0)).to_bytes(16)


def _joined(parts: Iterable[Mapping[str, Collection[Any]]]) -> dict[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    for part in parts:
        for name, values in part.items():
            found[name] = (*found.get(name, ()), *values)
    return found


def is_pattern(value: str) -> bool:
    """Return whether a value of a list has wildcards."""
    return "*" in value or "?" in value


def like_pattern(value: str) -> str:
    """Return a value with wildcards as LIKE has them, escaped by a backslash."""
    escaped = re.sub(r"([\\%_])", r"\\\1", value)
    return escaped.replace("*", "%").replace("?", "_")


def _table(rows: list[tuple[Any, ...]], **columns: pa.DataType) -> pa.Table:
    values = zip(*rows, strict=True) if rows else [()] * len(columns)
    return pa.table({name: pa.array(v, kind) for (name, kind), v in zip(columns.items(), values, strict=True)})
