"""Role drift: an identity that only ever pulled pushes, deletes or imports."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from detections.behavioural.habit import ORDINARY, HabitDetection, Lens, Novelty, version_of
from detections.behavioural.habit.question import Reason
from detections.detection import Metadata
from storage.state.habits import Slot

_WRITES: Final = "e.operation IN ('push', 'delete', 'untag', 'purge', 'import')"
_PULLS: Final = {"operation": "Pull", "identity": "kubelet", "caller_ip": "198.51.100.7", "repeat": 30, "every": "1d"}
_PUSH: Final = {**_PULLS, "operation": "Push", "repository": "app", "repeat": 1, "at": "30d", "status": 201}

_CASES: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "name": "a cluster's identity pushes",
        "alerts": 1,
        "reason": "kubelet, which had only ever read, wrote: 2 push of app on contoso",
        "events": [_PULLS, {**_PUSH, "repeat": 2, "every": "1m"}],
    },
    {
        "name": "a cluster's identity deletes",
        "alerts": 1,
        "events": [_PULLS, {**_PUSH, "operation": "Delete", "status": 202}],
    },
    {
        "name": "a pipeline that pushed while it was learned",
        "alerts": 0,
        "events": [_PULLS, {**_PUSH, "at": "3d"}, _PUSH],
    },
    {
        "name": "an identity that was used on three days only",
        "alerts": 0,
        "events": [{**_PULLS, "repeat": 3}, _PUSH],
    },
    {
        "name": "refused attempts stay silent",
        "alerts": 0,
        "events": [_PULLS, {**_PUSH, "status": 403}],
    },
)


def _sentence(_slot: Slot, reason: Reason) -> str:
    return (
        f"Known since {reason['since']}, it was used on {reason['dates']} days of the 60 before, and wrote on no day "
        "before that."
    )


METADATA: Final = Metadata(
    slug="role-drift",
    id="2f1c7a94-5d0e-4c55-9a3b-6e7f0b8d1c02",
    version=version_of(__file__),
    title="Identity that only ever pulled now writes",
    description=(
        "The first push, delete, untag, purge or import by an identity that has been known for 14 days, was used on 5 "
        "of the last 60 and did nothing but pull and log in."
    ),
    level="high",
    status="experimental",
    author="acrwatch",
    date="2026-11-22",
    group_by=("actor",),
    group_for=timedelta(days=1),
    entities={"identity": "identity", "ip": "caller_ip", "repository": "repository", "registry": "registry"},
    reason=(
        "{account}, which had only ever read, wrote: {operations} of {repositories} on {registries} from {addresses} "
        "{span}. {history}"
    ),
    tags=("attack.persistence", "attack.t1525", "attack.impact", "attack.t1485", "attack.t1078.004"),
    references=(
        "https://attack.mitre.org/techniques/T1525/",
        "https://microsoft.github.io/Threat-Matrix-for-Kubernetes/techniques/Compromised%20Image%20In%20Registry/",
    ),
    falsepositives=("A person or pipeline that was given a new task", "A break-glass identity used for a repair"),
    blind_spots=(
        "An identity that wrote once, in its first 14 days too, may write for ever.",
        "Identities used on fewer than 5 of the last 60 days are not judged.",
        "A right that was given but not used does not show in this log.",
    ),
    runbook=(
        "Ask the identity's owner whether it was meant to write; a cluster's kubelet identity never is.",
        "Compare the pushed digests with what the pipeline built; keep clusters from pulling them until that is known.",
        "Look at its role assignments: AcrPull is enough for a reader. Take the right back, renew the credential.",
    ),
    tests=_CASES,
)

DETECTION: Final = HabitDetection(
    METADATA,
    Lens(where=ORDINARY, subject="e.actor", value=f"CASE WHEN {_WRITES} THEN 'write' END"),
    Novelty(least_dates=5, most_news=0),
    _sentence,
)
