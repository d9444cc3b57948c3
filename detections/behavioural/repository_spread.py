"""Repository spread: in one day an identity pulls from many more repositories than it ever used to."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from detections.behavioural.habit import ORDINARY, HabitDetection, Lens, Rate, version_of
from detections.behavioural.habit.question import Reason
from detections.detection import Metadata
from storage.state.habits import Slot

_USED: Final = {
    "operation": "Pull", "identity": "ci", "caller_ip": "198.51.100.7", "repository": "app", "repeat": 20, "every": "1d"
}  # fmt: skip
_SWEEP: Final = {**_USED, "repository": "team/app{n}", "repeat": 10, "every": "10s", "at": "20d"}

_CASES: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "name": "ten repositories in a day by a service that used one",
        "alerts": 1,
        "reason": "ci pulled from many more repositories than it ever did: 10 pulls of team/app1",
        "events": [_USED, _SWEEP],
    },
    {
        "name": "nine repositories",
        "alerts": 0,
        "events": [_USED, {**_SWEEP, "repeat": 9}],
    },
    {
        "name": "a weekly copy of everything, each Sunday",
        "alerts": 0,
        "events": [_USED, *({**_SWEEP, "at": f"{day}d"} for day in (6, 13, 20, 27))],
    },
)


def _sentence(slot: Slot, reason: Reason) -> str:
    return (
        f"On {slot.day} it pulled from {reason['amount']} repositories; on the {reason['dates']} days of its use in "
        f"the 60 before, the median was {reason['median']:g}, which puts the limit at {reason['limit']}."
    )


METADATA: Final = Metadata(
    slug="repository-spread",
    id="2f1c7a94-5d0e-4c55-9a3b-6e7f0b8d1c08",
    version=version_of(__file__),
    title="Identity pulls from many more repositories than it ever did",
    description=(
        "On one UTC date an identity pulls from 10 repositories or more, 5 times the median of its own days of use in "
        "the 60 before and 6 robust standard deviations above it; the same against its days of that weekday, where "
        "there are two."
    ),
    level="high",
    status="experimental",
    author="acrwatch",
    date="2026-11-22",
    group_by=("actor",),
    group_for=timedelta(days=1),
    entities={"identity": "identity", "ip": "caller_ip", "repository": "repository", "registry": "registry"},
    reason=(
        "{account} pulled from many more repositories than it ever did: {count:pull} of {repositories} on {registries} "
        "from {addresses} {span}. {history}"
    ),
    tags=("attack.collection", "attack.t1530", "attack.discovery", "attack.t1613"),
    references=(
        "https://attack.mitre.org/techniques/T1530/",
        "https://github.com/microsoft/Threat-Matrix-for-Kubernetes",
    ),
    falsepositives=("A cluster that is rebuilt", "A mirror, backup or scanner that is set up", "A base image update"),
    blind_spots=(
        "Nine repositories a day never alert, and so do not ninety in ten days.",
        "Scanners and mirrors that take everything each day may go on so: their own past is the measure.",
        "Identities used on fewer than 10 of the last 60 days are not judged.",
    ),
    runbook=(
        "See whether the repositories are what a new deployment needs, or everything in order of name.",
        "Look whether address and user agent are known for this identity.",
        "If it is not explained, renew the credential and treat what was pulled as disclosed: secrets in layers too.",
    ),
    tests=_CASES,
)

DETECTION: Final = HabitDetection(
    METADATA,
    Lens(where=f"{ORDINARY} AND e.operation = 'pull'", subject="e.actor", value="e.registry || '/' || e.repository"),
    Rate("distinct", floor=10, factor=5, deviations=6, least_dates=10),
    _sentence,
)
