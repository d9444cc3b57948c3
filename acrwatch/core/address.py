"""Caller addresses: whatever form they arrive in, one text and one sortable key."""

import re
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple

MAPPED_PREFIX: Final = bytes(10) + b"\xff\xff"
"""::ffff:0:0/96 (RFC 4291 2.5.5.2): where IPv4 lives among 16-byte keys."""

LENGTH_LIMIT: Final = 128
"""The longest sensible form, a zoned IPv6 address in brackets with a port, has under 80 characters."""

_PORT = re.compile(r":[0-9]{1,5}", re.ASCII)


class Address(NamedTuple):
    """A caller's address, normalised, and as 16 bytes; both None where the text holds no usable address."""

    text: str | None
    key: bytes | None


NO_ADDRESS: Final = Address(None, None)


def parse_address(text: str) -> Address:
    """Read `a.b.c.d`, `a.b.c.d:port`, `v6`, `[v6]` or `[v6]:port`; what is none of these gives NO_ADDRESS.

    IPv4 mapped into IPv6 is unwrapped, so that one caller has one address. A zone (`%eth0`) is cut off: it names an
    interface of the machine that logged it and means nothing elsewhere. Leading zeros are judged as `ipaddress` does.
    """
    if len(text) > LENGTH_LIMIT:
        return NO_ADDRESS
    host = _host(text.strip())
    if host is None:
        return NO_ADDRESS
    try:
        return _v6(host) if ":" in host else _v4(IPv4Address(host))
    except ValueError:
        return NO_ADDRESS


def _host(text: str) -> str | None:
    """Return the text without port and brackets, or None where those are malformed."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        closed = len(text) > len(host) + 1
        return host if closed and ":" in host and (not rest or _is_port(rest)) else None
    if text.count(":") == 1:
        host, colon, digits = text.partition(":")
        return host if _is_port(colon + digits) else None
    return text


def _is_port(text: str) -> bool:
    return _PORT.fullmatch(text) is not None and int(text[1:]) <= 65_535


def _v4(address: IPv4Address) -> Address:
    return Address(str(address), MAPPED_PREFIX + address.packed)


def _v6(host: str) -> Address:
    address = IPv6Address(host.partition("%")[0])
    if address.ipv4_mapped is not None:
        return _v4(address.ipv4_mapped)
    return Address(str(address), address.packed)
