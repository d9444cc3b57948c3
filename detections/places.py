"""Where an address is: countries and coordinates from an offline GeoIP file in MaxMind's format (.mmdb).

The file is the user's (`detections.geoip`): GeoLite2 or GeoIP2 City or Country, or one of another maker with the same
or a flat shape. Nothing is asked over the network. A country is as right as the file; coordinates are those of a city
or of a country's middle.
"""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from acrwatch.core.errors import ConfigError
from acrwatch.core.setting import IpNetwork

_REMEMBERED: Final = 65_536
_REMEDY: Final = "Name an .mmdb file, or leave it away: then no detection that asks for places runs"


class Place(NamedTuple):
    """An ISO 3166-1 country code, and degrees north and east; None where the file knows only the country."""

    country: str
    latitude: float | None
    longitude: float | None


class Places(Protocol):
    """Tells where addresses are."""

    def of(self, address: str, /) -> Place | None:
        """Return the place of a v4 or v6 address; None where it is not known, as private addresses never are."""
        ...


def country_by(places: Places) -> Callable[[str], str | None]:
    """Return what tells the country of an address, and None where it is not known."""

    def country(address: str) -> str | None:
        place = places.of(address)
        return None if place is None else place.country

    return country


@dataclass(frozen=True, slots=True)
class GivenPlaces:
    """Places of a few networks, for cases and tests."""

    networks: Mapping[IpNetwork, Place]

    def of(self, address: str, /) -> Place | None:
        """See Places.of."""
        parsed = ipaddress.ip_address(address)
        return next((place for network, place in self.networks.items() if parsed in network), None)


# What cases of detections find: addresses of documentation, which no file knows and nobody calls from.
CASE_PLACES: Final = GivenPlaces(
    {
        ipaddress.ip_network("192.0.2.0/24"): Place("DE", 53.6, 10.0),
        ipaddress.ip_network("198.51.100.0/24"): Place("DE", 52.5, 13.4),
        ipaddress.ip_network("203.0.113.0/24"): Place("BR", -23.5, -46.6),
        ipaddress.ip_network("2001:db8::/32"): Place("US", None, None),
    }
)


class GeoIpFile:
    """An .mmdb file, in memory; it is read when it is made, and again only when acrwatch starts."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError where the file cannot be read, or the extra `geoip` is not installed."""
        self._reader = open_mmdb(path, "detections.geoip", _REMEDY)
        self.of = lru_cache(_REMEMBERED)(self._of)

    def _of(self, address: str, /) -> Place | None:
        try:
            record = self._reader.get(address)
        except ValueError:  # a v6 address, and a file of v4 alone
            return None
        return place_of(record) if isinstance(record, Mapping) else None


def open_mmdb(path: Path, asked_by: str, remedy: str) -> Any:
    """Return a reader of an .mmdb file, all of it in memory. Raises ConfigError, in the name of who asked for it, where
    the file cannot be read or the extra `geoip` is not installed."""
    try:
        import maxminddb
    except ImportError as error:
        raise ConfigError(f"{asked_by} needs the package maxminddb", remedy="pip install 'acrwatch[geoip]'") from error
    try:
        return maxminddb.open_database(str(path), maxminddb.MODE_MEMORY)
    except (OSError, maxminddb.InvalidDatabaseError) as error:
        raise ConfigError(f"{asked_by}: {path} cannot be read as a GeoIP file: {error}", remedy=remedy) from error


def place_of(record: Mapping[str, Any]) -> Place | None:
    """Return the place that a record of such a file tells; None where it names no country."""
    country = record.get("country")
    code = country.get("iso_code") if isinstance(country, Mapping) else record.get("country_code", country)
    location = record.get("location")
    where: Mapping[str, Any] = location if isinstance(location, Mapping) else record
    latitude, longitude = _degrees(where, "latitude", "lat"), _degrees(where, "longitude", "lng")
    return Place(code, latitude, longitude) if isinstance(code, str) and code else None


def _degrees(where: Mapping[str, Any], *names: str) -> float | None:
    found = next((where[name] for name in names if name in where), None)
    try:
        return None if found is None else float(found)
    except (TypeError, ValueError):
        return None
