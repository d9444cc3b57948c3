"""New user agent family: an identity speaks to the registry by a kind of client that it never used."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from detections.behavioural.habit import ORDINARY, HabitDetection, Lens, Novelty, version_of
from detections.behavioural.habit.question import Reason
from detections.detection import Metadata
from storage.state.habits import Slot

_DOCKER: Final = "docker/26.1.3 go/go1.21.10 git-commit/8e96db1 kernel/6.8.0 os/linux arch/amd64"
_USED: Final = {
    "operation": "Pull", "identity": "ci", "caller_ip": "198.51.100.7", "user_agent": _DOCKER, "repeat": 20,
    "every": "1d",
}  # fmt: skip
_ODD: Final = {**_USED, "user_agent": "oras/1.2.0", "repeat": 1, "at": "20d"}

_CASES: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "name": "a pipeline that only ever spoke as docker speaks as oras",
        "alerts": 1,
        "reason": "ci used a client that is new to it, of the family oras: 1 successful call (1 pull)",
        "events": [_USED, _ODD],
    },
    {
        "name": "another version of the same client",
        "alerts": 0,
        "events": [_USED, {**_ODD, "user_agent": "docker/27.0.0 go/go1.22.4"}],
    },
    {
        "name": "a client that was used while the identity was learned",
        "alerts": 0,
        "events": [_USED, {**_ODD, "at": "5d"}, _ODD],
    },
    {
        "name": "a third new client within 60 days",
        "alerts": 2,
        "events": [
            _USED,
            _ODD,
            {**_ODD, "user_agent": "skopeo/1.14.2", "at": "25d"},
            {**_ODD, "user_agent": "curl/8.5.0", "at": "30d"},
        ],
    },
)


def _sentence(_slot: Slot, reason: Reason) -> str:
    return (
        f"Known since {reason['since']}, it was used on {reason['dates']} days of the 60 before, and used a new kind "
        f"of client on {reason['news']} of them."
    )


METADATA: Final = Metadata(
    slug="new-user-agent-family",
    id="2f1c7a94-5d0e-4c55-9a3b-6e7f0b8d1c06",
    version=version_of(__file__),
    title="Identity uses a kind of client that is new to it",
    description=(
        "A successful call whose user agent belongs to a family (docker, containerd, oras, curl, ...) that the "
        "identity never used in the 14 days and longer that it has been known."
    ),
    level="low",
    status="experimental",
    author="acrwatch",
    date="2026-11-22",
    group_by=("actor", "user_agent_family"),
    group_for=timedelta(days=1),
    entities={"identity": "identity", "ip": "caller_ip", "user_agent": "user_agent", "registry": "registry"},
    reason=(
        "{account} used a client that is new to it, of the family {user_agent_family}: {count:successful call} "
        "({operations}) from {addresses} on {registries} {span}. {history}"
    ),
    tags=("attack.initial_access", "attack.t1078.004", "attack.collection", "attack.t1530"),
    references=(
        "https://attack.mitre.org/techniques/T1078/004/",
        "https://learn.microsoft.com/azure/container-registry/container-registry-webhook-reference",
    ),
    falsepositives=("A pipeline that moves from one build tool to another", "A person trying a tool"),
    blind_spots=(
        "A client chooses its user agent: whoever sends the victim's is not told of.",
        "Identities used on fewer than 5 of the last 60 days, or with new clients on two of them, are not judged.",
        "Events without a user agent are not judged.",
        "Clients that no family is known for are one family, `other`.",
    ),
    runbook=(
        "Ask the identity's owner whether they took up that tool; for a service, look at its last changes.",
        "See whether address, hours and repositories are its usual ones.",
        "If it is not explained, renew the credential.",
    ),
    tests=_CASES,
)

DETECTION: Final = HabitDetection(
    METADATA,
    Lens(where=ORDINARY, subject="e.actor", value="e.user_agent_family", names=("actor", "user_agent_family")),
    Novelty(least_dates=5, most_news=1),
    _sentence,
)
