"""Whether the IP rules that somebody asked Azure for all lie within ranges of the owner: told from their text alone.

A rule is IPv4, an address or a block (`203.0.113.0/24`); Azure takes no other. In the log they are a list of objects in
JSON, their members in order. A range becomes a pattern of the addresses and narrower blocks in it, which DuckDB and
Spark read alike.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final

from acrwatch.core.registry import EVERY

_Interval = tuple[str, bytes, bytes]

_MAPPED: Final = bytes(10) + b"\xff\xff"
_OCTETS: Final = 4
# Of more ranges than this no rule is known to lie within: it is told, which is the safe side. Patterns grow with them.
_MOST_RANGES: Final = 256


def rules_within(words: str, ranges: Iterable[_Interval]) -> str:
    """Return the SQL of the condition that each rule in `words` lies within a range of the event's registry or of all.

    `ranges` are registries and the first and last key of each interval. Without any it is false.
    """
    by_registry: dict[str, list[ipaddress.IPv4Network]] = {}
    for registry, low, high in ranges:
        by_registry.setdefault(registry, []).extend(_networks(low, high))
    shared = by_registry.pop(EVERY, [])
    parts = [_matches(words, [*own, *shared], registry) for registry, own in sorted(by_registry.items())]
    parts += [_matches(words, shared, None)]
    known = [part for part in parts if part]
    return f"coalesce({' OR '.join(known)}, false)" if known else "false"


def _networks(low: bytes, high: bytes) -> list[ipaddress.IPv4Network]:
    """Return the blocks of an interval of keys; none where it is IPv6."""
    if not low.startswith(_MAPPED) or not high.startswith(_MAPPED):
        return []
    first, last = ipaddress.IPv4Address(low[-_OCTETS:]), ipaddress.IPv4Address(high[-_OCTETS:])
    return list(ipaddress.summarize_address_range(first, last))


def _matches(words: str, networks: Sequence[ipaddress.IPv4Network], registry: str | None) -> str | None:
    if not networks or len(networks) > _MOST_RANGES:
        return None
    values = "|".join(dict.fromkeys(map(pattern, networks)))
    each = rf'\{{[^{{}}]*"value":"(?:{values})"[^{{}}]*\}}'
    found = rf"regexp_matches({words}, '^\[(?:{each},?)+\]$')"
    here = "" if registry is None else f"e.registry = '{registry.replace(chr(39), 2 * chr(39))}' AND "
    return f"({here}{found})"


def pattern(network: ipaddress.IPv4Network) -> str:
    """Return the regular expression of the addresses of a block, and of blocks as narrow or narrower in it."""
    octets = network.network_address.packed
    whole, rest = divmod(network.prefixlen, 8)
    parts = [str(octet) for octet in octets[:whole]]
    if rest:
        alike = range(octets[whole], octets[whole] + 2 ** (8 - rest))
        parts.append(f"(?:{'|'.join(map(str, alike))})")
    parts += ["[0-9]{1,3}"] * (_OCTETS - len(parts))
    lengths = "|".join(map(str, range(network.prefixlen, 33)))
    return r"\.".join(parts) + f"(?:/(?:{lengths}))?"
