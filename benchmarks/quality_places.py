"""Where the simulated addresses are: home and work in one country, trips next door, and other continents."""

import ipaddress
from functools import lru_cache
from typing import Final

from acrwatch.core.setting import IpNetwork
from acrwatch.simulate import addresses
from detections.places import GivenPlaces, Place

_GERMANY: Final = Place("DE", 50.1, 8.7)
# Most specific first; private addresses are in no such list. Hotels and what lies abroad are cut into four.
_TRIPS: Final = (Place("FR", 48.9, 2.4), Place("NL", 52.4, 4.9), Place("ES", 40.4, -3.7), Place("IT", 45.5, 9.2))
_FAR: Final = (Place("BR", -23.5, -46.6), Place("SG", 1.35, 103.8), Place("US", 37.8, -122.4), Place("ZA", -26.2, 28.0))
_WHOLE: Final = {
    addresses.OFFICES[0]: Place("DE", 52.5, 13.4),
    addresses.OFFICES[1]: Place("DE", 53.6, 10.0),
    "198.18.0.0/16": _GERMANY,
    "192.0.2.0/24": _GERMANY,
    addresses.CLUSTER_EGRESS: Place("NL", 52.4, 4.9),
    addresses.HOMES_V6: Place("DE", None, None),
    addresses.OUTSIDE_V4: Place("PL", 52.2, 21.0),
    addresses.OUTSIDE_V6: Place("US", 37.8, -122.4),
}


class SimulatedPlaces:
    """The places of a simulated company, as a GeoIP file would have them."""

    def __init__(self) -> None:
        """Cut the plan of addresses into countries."""
        cut: dict[IpNetwork, Place] = {}
        for block, places in ((addresses.HOTELS, _TRIPS), (addresses.ABROAD, _FAR)):
            cut.update(zip(ipaddress.IPv4Network(block).subnets(2), places, strict=True))
        whole = {ipaddress.ip_network(block): place for block, place in _WHOLE.items()}
        self.of = lru_cache(65_536)(GivenPlaces({**cut, **whole}).of)
