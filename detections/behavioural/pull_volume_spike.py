"""Pull volume spike: from one address an identity pulls far more in a day than it ever used to."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from detections.behavioural.habit import ORDINARY, HabitDetection, Lens, Rate, version_of
from detections.behavioural.habit.question import Reason
from detections.detection import Metadata
from storage.state.habits import Slot

_QUESTION: Final = Rate("busiest", floor=300, factor=5, deviations=6, least_dates=10)
_USED: Final = {"operation": "Pull", "identity": "ci", "caller_ip": "198.51.100.7", "repeat": 40, "every": "12h"}
_SPIKE: Final = {**_USED, "at": "20d", "repeat": 300, "every": "30s"}

_CASES: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "name": "300 pulls by a service of two a day",
        "alerts": 1,
        "reason": "ci pulled far more than it ever did: 300 pulls of app",
        "events": [_USED, {**_SPIKE, "repository": "app"}],
    },
    {
        "name": "a cluster that grows: as many pulls from many addresses",
        "alerts": 0,
        "events": [_USED, *({**_SPIKE, "caller_ip": f"198.51.100.{n}", "repeat": 60} for n in range(10, 20))],
    },
    {
        "name": "the same without a past",
        "alerts": 0,
        "events": [_SPIKE],
    },
)


def _sentence(slot: Slot, reason: Reason) -> str:
    return (
        f"On {slot.day} it made {reason['amount']} pulls from one address; on the {reason['dates']} days of its use in "
        f"the 60 before, the median was {reason['median']:g}, which puts the limit at {reason['limit']}."
    )


METADATA: Final = Metadata(
    slug="pull-volume-spike",
    id="2f1c7a94-5d0e-4c55-9a3b-6e7f0b8d1c07",
    version=version_of(__file__),
    title="Identity pulls far more than it ever did",
    description=(
        "On one UTC date an identity makes 300 pulls or more from one address, 5 times the median of its own days of "
        "use in the 60 before and 6 robust standard deviations above it; the same against its days of that weekday, "
        "where there are two."
    ),
    level="medium",
    status="experimental",
    author="acrwatch",
    date="2026-11-22",
    group_by=("actor",),
    group_for=timedelta(days=1),
    entities={"identity": "identity", "ip": "caller_ip", "repository": "repository", "registry": "registry"},
    reason=(
        "{account} pulled far more than it ever did: {count:pull} of {repositories} on {registries} from {addresses} "
        "{span}. {history}"
    ),
    tags=("attack.collection", "attack.t1530", "attack.t1213"),
    references=(
        "https://attack.mitre.org/techniques/T1530/",
        "https://github.com/microsoft/Threat-Matrix-for-Kubernetes",
    ),
    falsepositives=("A cluster rebuilt behind one egress address", "A mirror or backup that is set up", "A crash loop"),
    blind_spots=(
        "Pulls are counted, not bytes: layers are fetched from blob storage, which this log does not show.",
        "Spread over many addresses the same pulls are taken for a cluster that grows.",
        "A date is measured from midnight to midnight UTC; fewer than 300 pulls never alert.",
        "Identities used on fewer than 10 of the last 60 days are not judged.",
    ),
    runbook=(
        "See what was pulled: the same image again and again is a crash loop, everything once is a copy.",
        "Look whether the address is known for this identity.",
        "If it is not explained, renew the credential and treat what was pulled as disclosed: secrets in layers too.",
    ),
    tests=_CASES,
)

DETECTION: Final = HabitDetection(
    METADATA,
    Lens(where=f"{ORDINARY} AND e.operation = 'pull'", subject="e.actor", value="e.caller_ip"),
    _QUESTION,
    _sentence,
)
