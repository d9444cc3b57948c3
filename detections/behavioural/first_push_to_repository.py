"""First push to a repository: a repository with its known pushers gets a push from someone else."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from detections.behavioural.habit import ORDINARY, HabitDetection, Lens, Novelty, version_of
from detections.behavioural.habit.question import Reason
from detections.detection import Metadata
from detections.fields import readable
from storage.state.habits import Slot

_PUSHES: Final = {
    "operation": "Push", "identity": "ci", "caller_ip": "198.51.100.7", "repository": "app", "repeat": 20, "every": "1d"
}  # fmt: skip
_OTHER: Final = {**_PUSHES, "identity": "ana@example.com", "repeat": 1, "at": "20d"}

_CASES: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "name": "someone else pushes to a pipeline's repository",
        "alerts": 1,
        "reason": "ana@example.com pushed to app on contoso, as never before: 2 push from 198.51.100.7",
        "events": [_PUSHES, {**_OTHER, "repeat": 2, "every": "1m"}],
    },
    {
        "name": "several repositories at once are one alert",
        "alerts": 1,
        "events": [_PUSHES, {**_PUSHES, "repository": "web"}, _OTHER, {**_OTHER, "repository": "web"}],
    },
    {
        "name": "a repository that is new itself",
        "alerts": 0,
        "events": [_PUSHES, {**_OTHER, "repository": "new"}],
    },
    {
        "name": "a repository that new people keep pushing to is told of twice",
        "alerts": 2,
        "events": [_PUSHES, {**_OTHER, "identity": "p{n}@example.com", "repeat": 6, "at": "14d"}],
    },
)


def _sentence(slot: Slot, reason: Reason) -> str:
    return (
        f"{readable('repository', slot.subject)} has been pushed to since {reason['since']}, on {reason['dates']} days "
        f"of the last 60, by newcomers on {reason['news']} of them."
    )


METADATA: Final = Metadata(
    slug="first-push-to-repository",
    id="2f1c7a94-5d0e-4c55-9a3b-6e7f0b8d1c05",
    version=version_of(__file__),
    title="Identity pushes to a repository for the first time",
    description=(
        "A successful push by an identity that has never pushed to that repository, where others have for 14 days and "
        "longer, on 3 of the last 60 days at least, and newcomers came on no more than one of them. It begins staged: "
        "pipelines and people change what they push to, and in simulated worlds 39 of 45 alerts were of that kind."
    ),
    level="medium",
    status="experimental",
    author="acrwatch",
    date="2026-11-22",
    group_by=("actor",),
    group_for=timedelta(days=1),
    entities={"identity": "identity", "ip": "caller_ip", "repository": "repository", "registry": "registry"},
    reason=(
        "{account} pushed to {repositories} on {registries}, as never before: {operations} from {addresses} {span}. "
        "{history}"
    ),
    tags=("attack.persistence", "attack.t1525", "attack.initial_access", "attack.t1195.002"),
    references=(
        "https://attack.mitre.org/techniques/T1525/",
        "https://attack.mitre.org/techniques/T1195/002/",
    ),
    falsepositives=("A new colleague or pipeline", "A repair by hand"),
    blind_spots=(
        "A repository's first 14 days of pushes are learned, and so is whoever pushes then.",
        "Repositories pushed to on fewer than 3 of the last 60 days, or by newcomers on more than one, are not judged.",
        "A stolen credential of a known pusher is not new.",
    ),
    runbook=(
        "Ask the identity's owner for the change behind the push; compare the digest with what the pipeline built.",
        "See which tags it moved, and who has pulled them since.",
        "If it is not explained, point the tags back, keep clusters from pulling the digest, renew the credential.",
    ),
    tests=_CASES,
    stage="staged",  # docs/detection-quality.md
)

DETECTION: Final = HabitDetection(
    METADATA,
    Lens(
        where=f"{ORDINARY} AND e.operation = 'push'",
        subject="e.registry || '/' || e.repository",
        value="e.actor",
        names=("repository", "actor"),
    ),
    Novelty(least_dates=3, most_news=1),
    _sentence,
)
