"""A writer of small GeoIP files, by the MaxMind DB format 2.0: a tree of bits, a data section, metadata."""

import ipaddress
import struct
from collections.abc import Mapping
from typing import Any

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def mmdb(records: Mapping[str, Any]) -> bytes:
    """Return a file that has these records by network; v4 networks lie below ::/96, as the format has it."""
    nodes: list[list[int | tuple[int]]] = [[-1, -1]]
    data = b""
    for text, record in records.items():
        _insert(nodes, _bits(ipaddress.ip_network(text)), (len(data),))
        data += _encoded(record)
    count = len(nodes)
    tree = b"".join(_record(entry, count).to_bytes(3) for node in nodes for entry in node)
    metadata = {
        "node_count": count,
        "record_size": 24,
        "ip_version": 6,
        "database_type": "Test-City",
        "languages": [],
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": 1_760_000_000,
        "description": {},
    }
    return tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + _encoded(metadata)


def _bits(network: Network) -> str:
    width = 32 if network.version == 4 else 128
    return "0" * (128 - width) + f"{int(network.network_address):0{width}b}"[: network.prefixlen]


def _insert(nodes: list[list[int | tuple[int]]], bits: str, leaf: tuple[int]) -> None:
    at = 0
    for bit in map(int, bits[:-1]):
        following = nodes[at][bit]
        if following == -1:
            nodes.append([-1, -1])
            nodes[at][bit] = following = len(nodes) - 1
        assert isinstance(following, int)
        at = following
    nodes[at][int(bits[-1])] = leaf


def _record(entry: int | tuple[int], count: int) -> int:
    if isinstance(entry, tuple):
        return count + 16 + entry[0]
    return count if entry == -1 else entry


def _encoded(value: Any) -> bytes:
    if isinstance(value, str):
        return _control(2, len(value.encode())) + value.encode()
    if isinstance(value, float):
        return _control(3, 8) + struct.pack(">d", value)
    if isinstance(value, int):
        text = value.to_bytes(8).lstrip(b"\0")
        return _control(9, len(text)) + text
    if isinstance(value, list):
        return _control(11, len(value)) + b"".join(map(_encoded, value))
    return _control(7, len(value)) + b"".join(_encoded(k) + _encoded(v) for k, v in value.items())


def _control(kind: int, size: int) -> bytes:
    """Sizes from 29 on are told by a byte of their own; larger ones than 284 nobody needs here."""
    assert size < 285
    more = bytes([size - 29]) if size >= 29 else b""
    return bytes([kind << 5 | min(size, 29)]) + more if kind < 8 else bytes([min(size, 29), kind - 7]) + more
