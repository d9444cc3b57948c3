"""Where addresses are, by a GeoIP file; without one, what needs it does not run and that is said."""

import builtins
from pathlib import Path
from typing import Any

import pytest

from acrwatch.core.errors import ConfigError
from detections.behavioural import discover, needing_places
from detections.behavioural.habit.travel import Stay, kilometres, stay_from, stay_in
from detections.library import read_library
from detections.places import CASE_PLACES, GeoIpFile, Place
from tests.behavioural.mmdb import mmdb

BERLIN = {"country": {"iso_code": "DE"}, "location": {"latitude": 52.5, "longitude": 13.4}}
RECORDS = {
    "198.51.100.0/24": BERLIN,
    "203.0.113.0/25": {"country": {"iso_code": "BR"}},
    "2001:db8::/32": {"country": "US", "lat": "40.7", "lng": "-74.0"},
    "192.0.2.0/24": {"continent": {"code": "EU"}},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "places.mmdb"
    path.write_bytes(mmdb(RECORDS))
    return path


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("198.51.100.7", Place("DE", 52.5, 13.4)),
        ("203.0.113.9", Place("BR", None, None)),
        ("203.0.113.200", None),
        ("2001:db8::1", Place("US", 40.7, -74.0)),
        ("192.0.2.1", None),
        ("10.0.0.1", None),
    ],
)
def test_an_address_is_where_the_file_says(file: Path, address: str, place: Place | None) -> None:
    assert GeoIpFile(file).of(address) == place


def test_a_file_that_is_none_is_told_of_with_its_path(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.mmdb"
    wrong.write_text("no database")
    for path in (wrong, tmp_path / "missing.mmdb"):
        with pytest.raises(ConfigError, match=path.name):
            GeoIpFile(path)


def test_without_the_package_the_extra_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "maxminddb":
            raise ImportError(name)
        return found(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match="maxminddb") as raised:
        GeoIpFile(file)
    assert "acrwatch[geoip]" in str(raised.value.remedy)


def test_what_needs_places_runs_only_with_a_file(file: Path) -> None:
    assert needing_places() == {"country-new-to-registry", "first-country", "impossible-travel"}
    assert needing_places().isdisjoint(discover())
    assert needing_places() <= read_library(geoip=file).detections.keys()
    assert needing_places().isdisjoint(read_library().detections)


def test_the_length_of_a_journey() -> None:
    berlin, sao_paulo = Place("DE", 52.5, 13.4), Place("BR", -23.5, -46.6)
    assert round(kilometres(berlin, sao_paulo)) == 10_245
    assert kilometres(berlin, berlin) == 0


def test_a_stay_is_the_same_as_text() -> None:
    text = stay_in(CASE_PLACES, "0002953665 198.51.100.7")
    assert text is not None
    assert stay_from(text) == Stay(2953665, Place("DE", 52.5, 13.4))
    assert stay_in(CASE_PLACES, "0002953665 10.0.0.1") is None
