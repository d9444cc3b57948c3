"""First-seen identity: a registry that is known well meets an identity that it never met."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from detections.behavioural.habit import ORDINARY, HabitDetection, Lens, Novelty, version_of
from detections.behavioural.habit.question import Reason
from detections.detection import Metadata
from storage.state.habits import Slot

# Newcomers on a date in six: beyond that they are what the registry is used to. It may be this many because a building
# block wakes nobody; while each was told it was five.
_MOST_NEWS: Final = 10
_QUESTION: Final = Novelty(least_dates=10, most_news=_MOST_NEWS)
_KNOWN: Final = {"operation": "Pull", "identity": "ci", "caller_ip": "198.51.100.7", "repeat": 20, "every": "1d"}
_NEW: Final = {"operation": "Pull", "identity": "new@example.com", "caller_ip": "203.0.113.9", "at": "20d"}

_CASES: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "name": "an identity that nobody has seen on a registry known for 20 days",
        "alerts": 1,
        "reason": "new@example.com was seen on registry contoso for the first time: 2 successful calls (2 pull)",
        "events": [_KNOWN, {**_NEW, "repeat": 2, "every": "1h"}],
    },
    {
        "name": "what comes on its second day is not new",
        "alerts": 1,
        "reason": "1 successful call",
        "events": [_KNOWN, {**_NEW, "repeat": 3, "every": "1d"}],
    },
    {
        "name": "the first 14 days of a registry are learned",
        "alerts": 0,
        "events": [_KNOWN, {**_NEW, "at": "13d"}],
    },
    {
        "name": "a registry that goes on meeting new identities is told of on eleven dates in 60 days",
        "alerts": _MOST_NEWS + 1,
        "events": [_KNOWN, {**_NEW, "identity": "new{n}@example.com", "repeat": 14, "every": "1d"}],
    },
    {
        "name": "refused calls and services of Azure stay silent",
        "alerts": 0,
        "events": [
            _KNOWN,
            {**_NEW, "status": 401},
            {**_NEW, "identity": "d2fa1650-4805-4a83-bcb9-cf41fe63539c"},
        ],
    },
)


def _sentence(_slot: Slot, reason: Reason) -> str:
    return (
        f"The registry has been watched since {reason['since']}; in the 60 days before, new identities came on "
        f"{reason['news']} of its {reason['dates']} days of use."
    )


METADATA: Final = Metadata(
    slug="first-seen-identity",
    id="2f1c7a94-5d0e-4c55-9a3b-6e7f0b8d1c01",
    version=version_of(__file__),
    title="Identity seen on a registry for the first time",
    description=(
        "A successful call by an identity that the registry has never met, where the registry has been watched for 14 "
        "days and met new identities on no more than 10 days of the last 60."
    ),
    level="low",
    status="experimental",
    author="acrwatch",
    date="2026-11-22",
    group_by=("registry", "actor"),
    group_for=timedelta(days=1),
    entities={"identity": "identity", "ip": "caller_ip", "registry": "registry"},
    reason=(
        "{account} was seen on registry {registry} for the first time: {count:successful call} ({operations}) from "
        "{addresses} {span}. {history}"
    ),
    tags=("attack.initial_access", "attack.t1078.004", "attack.persistence", "attack.t1136.003"),
    references=(
        "https://attack.mitre.org/techniques/T1078/004/",
        "https://learn.microsoft.com/azure/container-registry/container-registry-authentication",
    ),
    falsepositives=(
        "New colleagues, pipelines, clusters and tokens",
        "A person or service that gets a new name or object id",
    ),
    blind_spots=(
        "Nothing is judged in the first 14 days of a registry, nor before it was used on 10 days.",
        "A registry that met new identities on more than 10 days of the last 60 is expected to go on so.",
        "Whoever uses an identity that is known already is not new.",
        "A building block: nobody is told of a new identity unless other rules speak of it as well (entity-risk).",
        "Calls without an identity, and services of Azure (platform_identities), are not judged.",
    ),
    runbook=(
        "Find out who made the identity and gave it rights on the registry: role assignments, tokens and scope maps.",
        "Look at what it did since: operations, repositories, addresses.",
        "If nobody knows it, disable it and look for other things done by whoever made it.",
    ),
    tests=_CASES,
    stage="building-block",  # docs/decisions/0019
)

DETECTION: Final = HabitDetection(
    METADATA,
    Lens(where=ORDINARY, subject="e.registry", value="e.actor", names=("registry", "actor")),
    _QUESTION,
    _sentence,
)
