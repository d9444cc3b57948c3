"""First country: an identity is used from a country that it was never used from. Needs a GeoIP file."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from detections.behavioural.habit import ORDINARY, HabitDetection, Lens, Novelty, version_of
from detections.behavioural.habit.question import Reason
from detections.detection import Metadata
from detections.places import Places, country_by
from storage.state.habits import Slot

_HOME: Final = {"operation": "Pull", "identity": "ci", "caller_ip": "198.51.100.7", "repeat": 20, "every": "1d"}
_ABROAD: Final = {**_HOME, "caller_ip": "203.0.113.9", "repeat": 1, "at": "20d"}

_CASES: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "name": "an identity of one country used from another",
        "alerts": 1,
        "reason": "ci was used from BR, a country that is new to it: 2 successful calls (2 pull) from 203.0.113.9",
        "events": [_HOME, {**_ABROAD, "repeat": 2, "every": "1h"}],
    },
    {
        "name": "another network of the same country, and one of none",
        "alerts": 0,
        "events": [_HOME, {**_ABROAD, "caller_ip": "192.0.2.9"}, {**_ABROAD, "caller_ip": "10.1.2.3"}],
    },
    {
        "name": "a country that was used while the identity was learned",
        "alerts": 0,
        "events": [_HOME, {**_ABROAD, "at": "5d"}, _ABROAD],
    },
)


def _sentence(_slot: Slot, reason: Reason) -> str:
    return (
        f"Known since {reason['since']}, it was used on {reason['dates']} days of the 60 before, and from a new "
        f"country on {reason['news']} of them."
    )


METADATA: Final = Metadata(
    slug="first-country",
    id="2f1c7a94-5d0e-4c55-9a3b-6e7f0b8d1c09",
    version=version_of(__file__),
    title="Identity used from a country that is new to it",
    description=(
        "A successful call from a country, by the GeoIP file of detections.geoip, that the identity was never used "
        "from in the 14 days and longer that it has been known. Does not run without that file."
    ),
    level="medium",
    status="experimental",
    author="acrwatch",
    date="2026-11-22",
    group_by=("actor", "country"),
    group_for=timedelta(days=1),
    entities={"identity": "identity", "ip": "caller_ip", "country": "country", "registry": "registry"},
    reason=(
        "{account} was used from {country}, a country that is new to it: {count:successful call} ({operations}) from "
        "{addresses} on {registries} {span}. {history}"
    ),
    tags=("attack.initial_access", "attack.t1078.004"),
    references=("https://attack.mitre.org/techniques/T1078/004/",),
    falsepositives=("Travel", "A VPN or cloud proxy with an exit elsewhere", "A GeoIP file that is wrong or old"),
    blind_spots=(
        "Whoever comes through an exit in the victim's country is not told of.",
        "Identities used on fewer than 5 of the last 60 days, or from new countries on two of them, are not judged.",
        "A building block: nobody is told of a new country unless other rules speak of them as well (entity-risk).",
        "Private addresses, and those that the file does not know, have no country.",
        "Another GeoIP file may place earlier addresses elsewhere; what was kept of them stays.",
    ),
    runbook=(
        "Ask the identity's owner whether they are there; a service does not travel.",
        "Look up who owns the address: a hosting or VPN provider says little about the country.",
        "If it is not explained, renew the credential and look for other identities used from that network.",
    ),
    tests=_CASES,
    stage="building-block",  # docs/decisions/0019
)


def located(places: Places) -> HabitDetection:
    """Return the detection with what tells where addresses are."""
    lens = Lens(
        where=ORDINARY, subject="e.actor", value="e.caller_ip", names=("actor", "country"),
        translate=country_by(places),
    )  # fmt: skip
    return HabitDetection(METADATA, lens, Novelty(least_dates=5, most_news=1), _sentence)
