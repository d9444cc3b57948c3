"""Traffic to look at, made once, and readings of it that share no code with the simulation."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest

from acrwatch.simulate import Labelled, Scenario, history, live_attacks, simulate

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

Reader = Callable[[Labelled], str]


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def two_months() -> list[Labelled]:
    """Sixty days of history up to NOW, without attacks."""
    return list(simulate(history(NOW)))


@pytest.fixture(scope="session")
def attacked() -> Scenario:
    """The hour after NOW, with one attack of each kind."""
    return Scenario(start=NOW, end=NOW + timedelta(hours=1), attacks=live_attacks(NOW))


@pytest.fixture(scope="session")
def ranges() -> dict[str, list[str]]:
    return history(NOW).allowed_ranges()


def _address(item: Labelled) -> IPv4Address | IPv6Address:
    text = item.record["callerIpAddress"]
    if text.startswith("["):
        text = text[1 : text.index("]")]
    elif text.count(":") == 1:
        text = text.split(":")[0]
    address = ip_address(text)
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _network(item: Labelled) -> str:
    address = _address(item)
    return str(ip_network(f"{address}/{24 if address.version == 4 else 48}", strict=False))


@pytest.fixture(scope="session")
def network_of() -> Reader:
    """Return the /24 or /48 a record came from, whatever the spelling of its address."""
    return _network


@pytest.fixture(scope="session")
def registry_of() -> Reader:
    return lambda item: item.record["resourceId"].rpartition("/")[2].casefold()


@pytest.fixture(scope="session")
def is_allowed(registry_of: Reader, ranges: dict[str, list[str]]) -> Callable[[Labelled], bool]:
    """Tell whether a record's address lies in a range of its registry."""
    parsed = {name: [ip_network(cidr) for cidr in cidrs] for name, cidrs in ranges.items()}
    return lambda item: any(_address(item) in cidr for cidr in parsed[registry_of(item)])


def _most_targets(items: list[Labelled]) -> int:
    """Slide a ten-minute window over deletions and return the most distinct targets it ever holds."""
    best = 0
    for first, item in enumerate(items):
        window = [other for other in items[first:] if other.time - item.time <= timedelta(minutes=10)]
        best = max(best, len({_target(other) for other in window}))
    return best


def _target(item: Labelled) -> tuple[str, ...]:
    properties = item.record["properties"]
    return (item.record["resourceId"], properties["repository"], properties["tag"], properties["digest"])


@pytest.fixture(scope="session")
def most_targets() -> Callable[[list[Labelled]], int]:
    return _most_targets


@pytest.fixture(scope="session")
def is_deletion() -> Callable[[Labelled], bool]:
    """Tell a deletion by the fragments that a tolerant reader would look for."""
    return lambda item: any(word in item.record["operationName"].casefold() for word in ("delete", "untag", "purge"))
