"""Fields a rule may name beyond the columns of `events`, and how a group of their values reads to people."""

import ipaddress
from collections.abc import Mapping
from typing import Final

from storage.schema import BY_NAME

# Entra identities are one person or service across registries; an admin, a token or an unknown name means something
# only within its registry.
_ACTOR: Final = (
    "CASE WHEN identity_kind IN ('user', 'object_id') THEN lower(identity) "
    "ELSE registry || '/' || coalesce(identity, '') END"
)
# The /24 of a v4 address, the /48 of a v6 one: the sizes commonly assigned to one site. Spelled from the sortable key.
_NETWORK: Final = (
    "CASE WHEN ip_key IS NULL THEN NULL "
    "WHEN hex(ip_key)[1:24] = '00000000000000000000FFFF' THEN regexp_replace(caller_ip, '[0-9]+$', '0/24') "
    "ELSE lower(hex(ip_key)[1:4] || ':' || hex(ip_key)[5:8] || ':' || hex(ip_key)[9:12]) || '::/48' END"
)
# What one delete, untag or purge takes away. The tag comes first: thirty tags of one digest are thirty losses.
_TARGET: Final = (
    "registry || '/' || coalesce(repository, '') || "
    "CASE WHEN tag IS NOT NULL THEN ':' || tag WHEN digest IS NOT NULL THEN '@' || digest ELSE '' END"
)

DERIVED: Final[Mapping[str, str]] = {"actor": _ACTOR, "network": _NETWORK, "target": _TARGET}
FIELDS: Final = frozenset(BY_NAME) | frozenset(DERIVED) - {"extra"}

# What an alert keeps of an event, so that it can be read after retention took the event itself.
EVIDENCE_FIELDS: Final = (
    "registry", "identity", "caller_ip", "operation", "status_code",
    "repository", "tag", "digest", "user_agent", "region",
)  # fmt: skip


def readable(field: str, value: object) -> str:
    """Return a group value as people write it: networks in canonical form, absent values as a dash."""
    if value is None or value == "":
        return "-"
    return str(ipaddress.ip_network(str(value))) if field == "network" else str(value)


def network_of(address: str) -> str:
    """Return the network an address belongs to, as the `network` field has it."""
    parsed = ipaddress.ip_address(address)
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False))
