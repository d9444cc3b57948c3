"""Delete by a newcomer: an identity deletes on a registry for the first time."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from detections.behavioural.habit import ORDINARY, HabitDetection, Lens, Novelty, version_of
from detections.behavioural.habit.question import Reason
from detections.detection import Metadata
from detections.placeholders import in_values
from storage.state.habits import Slot

_DELETES: Final = "e.operation IN ('delete', 'untag', 'purge')"
_USED: Final = {"operation": "Push", "identity": "ci", "caller_ip": "198.51.100.7", "repeat": 20, "every": "1d"}
_DELETE: Final = {**_USED, "operation": "Delete", "repository": "app", "tag": "v{n}", "status": 202, "at": "20d"}

_CASES: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "name": "a pipeline that never deleted deletes",
        "alerts": 1,
        "reason": "ci deleted on registry contoso for the first time: 3 delete of app from 198.51.100.7",
        "events": [_USED, {**_DELETE, "repeat": 3, "every": "1m"}],
    },
    {
        "name": "an identity that is new altogether deletes",
        "alerts": 1,
        "events": [_USED, {**_DELETE, "identity": "new@example.com", "repeat": 1}],
    },
    {
        "name": "one that deleted while the registry was learned",
        "alerts": 0,
        "events": [_USED, {**_DELETE, "at": "2d", "repeat": 1}, {**_DELETE, "repeat": 1}],
    },
    {
        "name": "refused deletions stay silent",
        "alerts": 0,
        "events": [_USED, {**_DELETE, "repeat": 1, "status": 403}],
    },
)


def _sentence(_slot: Slot, reason: Reason) -> str:
    return (
        f"The registry has been watched since {reason['since']}; identities deleted there for the first time on "
        f"{reason['news']} of its {reason['dates']} days of use in the 60 before."
    )


METADATA: Final = Metadata(
    slug="delete-by-newcomer",
    id="2f1c7a94-5d0e-4c55-9a3b-6e7f0b8d1c04",
    version=version_of(__file__),
    title="Identity deletes on a registry for the first time",
    description=(
        "The first successful delete, untag or purge by an identity on a registry that has been watched for 14 days, "
        "whether the identity is new or has long done other things."
    ),
    level="medium",
    status="experimental",
    author="acrwatch",
    date="2026-11-22",
    group_by=("registry", "actor"),
    group_for=timedelta(days=1),
    entities={"identity": "identity", "ip": "caller_ip", "repository": "repository", "registry": "registry"},
    reason=(
        "{account} deleted on registry {registry} for the first time: {operations} of {repositories} from {addresses} "
        "{span}. {history}"
    ),
    tags=("attack.impact", "attack.t1485", "attack.initial_access", "attack.t1078.004"),
    references=(
        "https://attack.mitre.org/techniques/T1485/",
        "https://learn.microsoft.com/azure/container-registry/container-registry-auto-purge",
    ),
    falsepositives=("Someone who cleans up a repository of their own", "A new purge task"),
    blind_spots=(
        "Whoever deleted once, in the first 14 days too, may delete for ever; mass-delete counts what they take.",
        "Where first deletions came on more than 8 of the last 60 days, more are expected.",
        "Azure documents the deleting operations but not how it spells them: they are told by their names' words.",
    ),
    runbook=(
        "Ask the identity's owner whether the deletion was meant, and what for.",
        "See whether soft delete can bring the artifacts back, and whether clusters still run them.",
        "Where it was not meant, take the right to delete away: AcrPush includes untagging, AcrDelete the rest.",
        "Name purge tasks in purge_identities of the registry: they are not judged.",
    ),
    tests=_CASES,
)

DETECTION: Final = HabitDetection(
    METADATA,
    Lens(
        where=ORDINARY,
        subject="e.registry",
        value=f"CASE WHEN {_DELETES} AND NOT ({in_values('e.identity', 'purge_identities')}) THEN e.actor END",
        names=("registry", "actor"),
    ),
    Novelty(least_dates=10, most_news=8),
    _sentence,
)
