"""Country new to a registry: somebody is let in from a country that nobody came from before. Needs a GeoIP file."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from detections.behavioural.habit import ORDINARY, HabitDetection, Lens, Novelty, version_of
from detections.behavioural.habit.question import Reason
from detections.detection import Metadata
from detections.places import Places, country_by
from storage.state.habits import Slot

_HOME: Final = {"operation": "Pull", "identity": "ci", "caller_ip": "198.51.100.7", "repeat": 20, "every": "1d"}
_ABROAD: Final = {"operation": "Pull", "identity": "new-token", "caller_ip": "203.0.113.9", "at": "20d"}

_CASES: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "name": "somebody new from a country that the registry was never used from",
        "alerts": 1,
        "reason": "contoso was used from BR, a country that is new to it: 2 successful calls (2 pull), first by",
        "events": [_HOME, {**_ABROAD, "repeat": 2, "every": "1h"}],
    },
    {
        "name": "a country that somebody else came from before",
        "alerts": 0,
        "events": [_HOME, {**_ABROAD, "identity": "kim", "at": "5d"}, _ABROAD],
    },
    {
        "name": "refused calls, private addresses and the first 14 days stay silent",
        "alerts": 0,
        "events": [
            _HOME,
            {**_ABROAD, "status": 401},
            {**_ABROAD, "caller_ip": "10.1.2.3"},
            {**_ABROAD, "registry": "fabrikam"},
        ],
    },
)


def _sentence(_slot: Slot, reason: Reason) -> str:
    return (
        f"The registry has been watched since {reason['since']}; it was used on {reason['dates']} days of the 60 "
        f"before, and from a new country on {reason['news']} of them."
    )


METADATA: Final = Metadata(
    slug="country-new-to-registry",
    id="2f1c7a94-5d0e-4c55-9a3b-6e7f0b8d1c11",
    version=version_of(__file__),
    title="Registry used from a country that is new to it",
    description=(
        "A successful call from a country, by the GeoIP file of detections.geoip, that nobody ever used the registry "
        "from in the 14 days and longer that it has been watched. It asks the registry, not the identity, so that it "
        "sees an identity without a past as well. Does not run without that file."
    ),
    level="medium",
    status="experimental",
    author="acrwatch",
    date="2026-11-30",
    group_by=("registry", "country"),
    group_for=timedelta(days=1),
    entities={"identity": "identity", "ip": "caller_ip", "country": "country", "registry": "registry"},
    reason=(
        "Registry {registry} was used from {country}, a country that is new to it: {count:successful call} "
        "({operations}), first by {account}, from {addresses} {span}. {history}"
    ),
    tags=("attack.initial_access", "attack.t1078.004"),
    references=("https://attack.mitre.org/techniques/T1078/004/",),
    falsepositives=("The first trip of somebody to a country", "A GeoIP file that is wrong or old"),
    blind_spots=(
        "A building block: nobody is told of a new country unless other rules speak of the identity (entity-risk).",
        "Whoever comes through an exit in a country that the registry knows is not told of.",
        "A registry used on fewer than 10 of the last 60 days, or from new countries on three of them, is not judged.",
        "Private addresses, and those that the file does not know, have no country.",
        "Callers without an identity are not judged: the public of a public registry is everywhere.",
    ),
    runbook=(
        "Ask the identity's owner whether they are there; a service does not travel.",
        "Where the identity is new as well, find out who made it and gave it rights on the registry.",
        "If it is not explained, renew the credential and look for other identities used from that network.",
    ),
    tests=_CASES,
    stage="building-block",  # docs/decisions/0019
)


def located(places: Places) -> HabitDetection:
    """Return the detection with what tells where addresses are."""
    lens = Lens(
        where=ORDINARY,
        subject="e.registry",
        value="e.caller_ip",
        names=("registry", "country"),
        translate=country_by(places),
    )
    return HabitDetection(METADATA, lens, Novelty(least_dates=10, most_news=2), _sentence)
