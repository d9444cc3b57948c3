"""Where callers come from: one plan of documentation, benchmark and private addresses, so nothing real is ever named.

198.18.0.0/15 (RFC 2544, benchmarks) is cut into many /24 networks, because the network, not the address, is what
makes a caller usual or unusual. The plan has three parts: places where benign callers are, places that are allowed but
unused (a stolen credential used there breaks no range), and outside places (it does).
"""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from random import Random
from typing import Final

CI_EGRESS: Final = ("192.0.2.16/28", "198.18.1.0/28")
SCANNER_EGRESS: Final = "192.0.2.128/28"
CLUSTER_EGRESS: Final = "198.51.100.0/24"
CLEANUP_HOST: Final = "10.8.4.17"
OFFICES: Final = ("198.18.8.0/24", "198.18.9.0/24")
PARTNER_SITES: Final = "198.18.16.0/20"
UNUSED_BUT_ALLOWED: Final = "198.18.32.0/19"
HOMES: Final = "198.18.64.0/18"
MOBILE_CARRIERS: Final = "198.18.128.0/19"
HOTELS: Final = "198.18.192.0/18"
HOMES_V6: Final = "2001:db8:1000::/36"
OUTSIDE_V4: Final = "198.19.0.0/16"
OUTSIDE_V6: Final = "2001:db8:8000::/33"
ABROAD: Final = "198.19.128.0/17"
"""The part of the outside that lies on other continents; all that is allowed lies on one."""

WATCHED_HOSTS: Final = ("198.19.66.6", "198.19.66.7", "198.19.66.8", "198.19.66.9")
WATCHED_IDENTITY: Final = "svc-legacy-migration"
"""What the watch lists of a well-run registry hold; no benign caller has any of it."""

_SHARED_RANGES: Final = ("192.0.2.0/24", CLUSTER_EGRESS, "198.18.0.0/16", "2001:db8::/33")


def allowed_ranges(index: int) -> list[str]:
    """Return the CIDRs that cover every benign caller of the registry at this place, IPv4 and IPv6."""
    return [f"10.{20 + index}.0.0/16", "10.8.4.0/24", *_SHARED_RANGES]


@lru_cache(maxsize=1024)
def nth_network(block: str, index: int) -> str:
    """Return the first three numbers of the index-th /24 of a block, wrapping round, as `198.18.64`."""
    network = IPv4Network(block)
    base = int(network.network_address) >> 8
    inside = base + index % (network.num_addresses >> 8)
    return f"{inside >> 16}.{inside >> 8 & 255}.{inside & 255}"


@lru_cache(maxsize=1024)
def host_in(block: str, index: int) -> str:
    """Return the index-th usable host of a block, wrapping round."""
    network = IPv4Network(block)
    return str(network[1 + index % (network.num_addresses - 2)])


def home_v6(index: int, random: Random) -> str:
    """Return a privacy address (random lower half) in the index-th home's /48."""
    return str(IPv6Network(HOMES_V6)[(index << 80) + random.getrandbits(64)])


def outside(random: Random) -> str:
    """Return a host outside every allowed range, one time in four by IPv6."""
    if random.random() < 0.25:
        return OUTSIDE_V6.removesuffix("/33") + f"{random.getrandbits(16):x}"
    return f"{nth_network(OUTSIDE_V4, random.randrange(256))}.13"


def abroad(random: Random) -> str:
    """Return a host on another continent."""
    return f"{nth_network(ABROAD, random.randrange(128))}.{random.randrange(2, 250)}"


def private_block(index: int, third: int) -> str:
    """Return sixteen private addresses beside the registry at this place; clusters have the lower third numbers."""
    return f"10.{20 + index}.{third}.0/28"
