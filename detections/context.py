"""What rules need to know that no event says: per registry, its allowed ranges and its admin user names.

Rules name it by placeholder (`'%allowed_ranges%'`); a document of it has a version, and every alert keeps the version
it was judged by.
"""

import hashlib
import ipaddress
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from acrwatch.core.setting import IpNetwork

_MAPPED: Final = 0xFFFF << 32
_MAPPED_NETWORK: Final = ipaddress.IPv6Network("::ffff:0:0/96")


@dataclass(frozen=True, slots=True)
class RegistryContext:
    """One registry: ranges pulls may come from (none: pulls are not judged), names of its admin user."""

    allowed_ranges: Collection[IpNetwork] = ()
    admin_usernames: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Context:
    """All registries, by name in any case."""

    registries: Mapping[str, RegistryContext] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return the context as JSON values, in a fixed order."""
        return {
            name.casefold(): {
                "allowed_ranges": sorted(map(str, registry.allowed_ranges)),
                "admin_usernames": sorted(user.casefold() for user in registry.admin_usernames),
            }
            for name, registry in sorted(self.registries.items())
        }

    def version(self) -> str:
        """Return the SHA-256 of the document."""
        return hashlib.sha256(json.dumps(self.document(), sort_keys=True).encode()).hexdigest()

    def tables(self) -> dict[str, pa.Table]:
        """Return the relations that placeholders are compiled against."""
        named = [(name.casefold(), registry) for name, registry in self.registries.items()]
        ranges = [(name, *bounds) for name, r in named for bounds in key_ranges(r.allowed_ranges)]
        admins = [(name, user) for name, r in named for user in r.admin_usernames]
        return {
            "context_ranges": _table(ranges, registry=pa.string(), low=pa.binary(), high=pa.binary()),
            "context_admins": _table(admins, registry=pa.string(), name=pa.string()),
        }


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


def _table(rows: list[tuple[Any, ...]], **columns: pa.DataType) -> pa.Table:
    values = zip(*rows, strict=True) if rows else [()] * len(columns)
    return pa.table({name: pa.array(v, kind) for (name, kind), v in zip(columns.items(), values, strict=True)})


def _allowed_ranges(field_sql: str) -> str:
    if field_sql != "e.caller_ip":
        raise ValueError("%allowed_ranges% goes with caller_ip")
    return "EXISTS (SELECT 1 FROM context_ranges c WHERE c.registry = e.registry AND e.ip_key BETWEEN c.low AND c.high)"


def _registries_with_ranges(field_sql: str) -> str:
    return f"{field_sql} IN (SELECT registry FROM context_ranges)"


def _admin_usernames(field_sql: str) -> str:
    """The registry's own name, unless other names are configured for it."""
    return (
        "EXISTS (SELECT 1 FROM context_admins c "
        f"WHERE c.registry = e.registry AND lower(c.name) = lower({field_sql})) OR "
        f"(lower({field_sql}) = e.registry AND e.registry NOT IN (SELECT registry FROM context_admins))"
    )


PLACEHOLDERS: Final[Mapping[str, Callable[[str], str]]] = {
    "allowed_ranges": _allowed_ranges,
    "registries_with_ranges": _registries_with_ranges,
    "admin_usernames": _admin_usernames,
}
