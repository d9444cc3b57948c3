from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from acrwatch.core.address import LENGTH_LIMIT, NO_ADDRESS, parse_address

PORTS = st.one_of(st.just(""), st.integers(0, 65_535).map(lambda port: f":{port}"))


def as_key(address: IPv4Address | IPv6Address) -> bytes:
    return IPv6Address(f"::ffff:{address}").packed if isinstance(address, IPv4Address) else address.packed


@given(st.ip_addresses(v=4), PORTS)
def test_any_ipv4_address_with_or_without_a_port_is_read(address: IPv4Address, port: str) -> None:
    assert parse_address(f"{address}{port}") == (str(address), as_key(address))


@given(st.ip_addresses(v=6), PORTS, st.booleans())
def test_any_ipv6_address_is_read_compressed_exploded_bracketed_and_with_a_port(
    address: IPv6Address, port: str, exploded: bool
) -> None:
    assume(address.ipv4_mapped is None)
    text = address.exploded if exploded else str(address)
    for form in (text, f"[{text}]", f"[{text}]{port}", text.upper()):
        assert parse_address(form) == (str(address), address.packed)


@given(st.ip_addresses(v=4))
def test_ipv4_mapped_into_ipv6_is_the_same_caller(address: IPv4Address) -> None:
    assert parse_address(f"::ffff:{address}") == parse_address(f"[::ffff:{address}]:443") == parse_address(str(address))


@given(st.ip_addresses(), st.ip_addresses())
def test_keys_sort_as_addresses_do(left: IPv4Address | IPv6Address, right: IPv4Address | IPv6Address) -> None:
    keys = [parse_address(str(address)).key for address in (left, right)]
    assert keys[0] is not None
    assert keys[1] is not None
    assert (keys[0] < keys[1]) == (as_key(left) < as_key(right))


@given(st.text(alphabet="0123456789abcdef.:[]%/ g", max_size=45))
def test_text_without_port_zone_or_brackets_is_judged_as_the_ipaddress_module_does(text: str) -> None:
    result = parse_address(text)
    try:
        expected = ip_address(text)
    except ValueError:
        assert result.text is None or set("[]%: ") & set(text)
    else:
        assert result.key is not None
        assert "%" in text or result.key == as_key(expected)


def test_a_zone_is_cut_off() -> None:
    assert parse_address("fe80::1%eth0") == parse_address("[fe80::1%25eth0]:443") == parse_address("fe80::1")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unknown",
        "192.0.2.256",
        "192.0.2.01",
        "192.0.2.1:",
        "192.0.2.1:99999",
        "192.0.2.1:http",
        "192.0.2.1/24",
        "[192.0.2.1]:80",
        "[2001:db8::1",
        "[2001:db8::1]80",
        "2001:db8::1]:80",
        "2001:db8:::1",
        "192.0.2.1, 192.0.2.2",
        "\u0661.2.3.4",
        "1" * (LENGTH_LIMIT + 1),
    ],
)
def test_a_text_that_is_no_address_gives_none(text: str) -> None:
    assert parse_address(text) == NO_ADDRESS
