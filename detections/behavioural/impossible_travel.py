"""Impossible travel: a person is in two places that no aeroplane connects in the time. Needs a GeoIP file."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from detections.behavioural.habit import ORDINARY, HabitDetection, Lens, Travel, version_of
from detections.behavioural.habit.question import Reason
from detections.behavioural.habit.travel import STAY, stay_in
from detections.detection import Metadata
from detections.places import Places
from storage.state.habits import Slot

_HERE: Final = {"operation": "Login", "identity": "ana@example.com", "caller_ip": "198.51.100.7"}
_THERE: Final = {**_HERE, "caller_ip": "203.0.113.9"}

_CASES: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "name": "from Berlin to São Paulo within 40 minutes, and back",
        "alerts": 1,
        "reason": "It went from DE (2026-03-02 09:30 UTC) to BR (2026-03-02 10:10 UTC), 10245 km",
        "events": [_HERE, {**_THERE, "at": "40m"}, {**_HERE, "at": "80m"}],
    },
    {
        "name": "the same in 14 hours",
        "alerts": 0,
        "events": [_HERE, {**_THERE, "at": "14h"}],
    },
    {
        "name": "from Berlin to Hamburg at once: two exits of one company",
        "alerts": 0,
        "events": [_HERE, {**_HERE, "caller_ip": "192.0.2.9", "at": "1m"}],
    },
    {
        "name": "a country without coordinates is nowhere",
        "alerts": 0,
        "events": [_HERE, {**_HERE, "caller_ip": "2001:db8::1", "at": "1m"}],
    },
    {
        "name": "services are in many places at once",
        "alerts": 0,
        "events": [{**_HERE, "identity": "ci"}, {**_THERE, "identity": "ci", "at": "1m"}],
    },
)


def _sentence(_slot: Slot, reason: Reason) -> str:
    left, came = (f"{datetime.fromisoformat(reason[name]):%Y-%m-%d %H:%M} UTC" for name in ("left", "came"))
    return (
        f"It went from {reason['from']} ({left}) to {reason['to']} ({came}), {reason['kilometres']} km; times are "
        "those of the ten minutes in which calls were made."
    )


METADATA: Final = Metadata(
    slug="impossible-travel",
    id="2f1c7a94-5d0e-4c55-9a3b-6e7f0b8d1c10",
    version=version_of(__file__),
    title="Person in two places that no journey connects in the time",
    description=(
        "Successful calls of one user from places at least 500 km apart, by the GeoIP file of detections.geoip, at a "
        "speed above 900 km/h. Does not run without that file, which must know coordinates (a City file)."
    ),
    level="high",
    status="experimental",
    author="acrwatch",
    date="2026-11-22",
    group_by=("actor",),
    group_for=timedelta(days=1),
    entities={"identity": "identity", "ip": "caller_ip", "registry": "registry"},
    reason=(
        "{account} was in two places that no journey connects in the time: {count:successful call} ({operations}) from "
        "{addresses} on {registries} {span}. {history}"
    ),
    tags=("attack.initial_access", "attack.t1078.004"),
    references=("https://attack.mitre.org/techniques/T1078/004/",),
    falsepositives=("A VPN switched on or off", "Calls through a cloud shell or a remote desktop elsewhere"),
    blind_spots=(
        "Only users (identities shaped like e-mail addresses) travel; services are in many places at once.",
        "Times are kept to ten minutes, and all of both counts as travel: within an hour, 1,000 km may pass.",
        "Coordinates are those of a city or of a country's middle.",
        "An intruder with an exit near the victim does not travel.",
    ),
    runbook=(
        "Ask the person which of the places is theirs; look whether one of the addresses is a VPN's or a cloud's.",
        "Compare what was done from either: operations, repositories, user agents.",
        "If one of them is not theirs, end the sessions, renew the credential, and look at the account's sign-in log.",
    ),
    tests=_CASES,
)


def located(places: Places) -> HabitDetection:
    """Return the detection with what tells where addresses are."""
    lens = Lens(
        where=f"{ORDINARY} AND e.identity_kind = 'user' AND e.caller_ip IS NOT NULL",
        subject="e.actor",
        value=STAY,
        translate=partial(stay_in, places),
    )
    return HabitDetection(METADATA, lens, Travel(kilometres=500, speed=900), _sentence)
