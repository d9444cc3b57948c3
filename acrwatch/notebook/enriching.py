"""What offline .mmdb files know of addresses: country, city and coordinates, network operator. No network is asked.

The files are the user's: GeoLite2 or GeoIP2 City, Country and ASN, or those of other makers with the same or a flat
shape. Each distinct address is looked up once.
"""

from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Final

import pandas as pd

from acrwatch.core.errors import ConfigError
from acrwatch.notebook.frames import TEXT
from detections.places import open_mmdb, place_of

PLACE_COLUMNS: Final = {"country": TEXT, "city": TEXT, "latitude": "float64", "longitude": "float64"}
OPERATOR_COLUMNS: Final = {"asn": "Int64", "as_organization": TEXT}


def enriched(frame: pd.DataFrame, *, mmdb: str | PathLike[str] | None, asn: str | PathLike[str] | None) -> pd.DataFrame:
    """Return the frame with columns about `caller_ip` added: PLACE_COLUMNS, OPERATOR_COLUMNS.

    Raises ConfigError where no file is given, or one cannot be read.
    """
    if mmdb is None and asn is None:
        raise ConfigError("enrich_ip has no file to look in", remedy="Pass mmdb=, asn=, or both")
    found = frame.copy()
    for path, columns, told in ((mmdb, PLACE_COLUMNS, _of_place), (asn, OPERATOR_COLUMNS, _of_operator)):
        if path is not None:
            looked_up = _looked_up(frame["caller_ip"], Path(path), columns, told)
            found = found.assign(**{name: looked_up[name] for name in columns})
    return found


def _looked_up(
    addresses: pd.Series, path: Path, columns: Mapping[str, Any], told: Callable[[Mapping[str, Any]], tuple[Any, ...]]
) -> pd.DataFrame:
    reader = open_mmdb(path, "enrich_ip", "Name an .mmdb file")
    nothing = (None,) * len(columns)
    codes, distinct = pd.factorize(addresses)
    rows = [told(record) if isinstance(record := _record(reader, one), Mapping) else nothing for one in distinct]
    known = pd.DataFrame([*rows, nothing], columns=list(columns)).astype(dict(columns))
    taken = known.take([len(rows) if code < 0 else code for code in codes])
    return taken.set_axis(addresses.index)


def _record(reader: Any, address: str) -> Any:
    try:
        return reader.get(address)
    except ValueError:  # a v6 address, and a file of v4 alone
        return None


def _of_place(record: Mapping[str, Any]) -> tuple[Any, ...]:
    place = place_of(record)
    country, latitude, longitude = place or (None, None, None)
    return country, _city(record.get("city")), latitude, longitude


def _city(city: Any) -> str | None:
    names = city.get("names") if isinstance(city, Mapping) else {"en": city}
    name = names.get("en") if isinstance(names, Mapping) else None
    return name if isinstance(name, str) else None


def _of_operator(record: Mapping[str, Any]) -> tuple[Any, ...]:
    number = record.get("autonomous_system_number", record.get("asn"))
    name = next((record[key] for key in ("autonomous_system_organization", "as_name", "name") if key in record), None)
    digits = str(number).upper().removeprefix("AS") if number is not None else ""
    return int(digits) if digits.isdecimal() else None, name if isinstance(name, str) else None
