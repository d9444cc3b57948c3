"""First push to a repository: a service that pushes to its own repositories pushes to one of others."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from detections.behavioural.habit import ORDINARY, HabitDetection, Lens, Novelty, version_of
from detections.behavioural.habit.question import Reason
from detections.detection import Metadata
from detections.placeholders import in_values
from storage.state.habits import Slot

_PUSHES: Final = {
    "operation": "Push", "identity": "ci", "caller_ip": "198.51.100.7", "repository": "app", "repeat": 35, "every": "1d"
}  # fmt: skip
_OTHER: Final = {**_PUSHES, "repository": "web", "repeat": 1, "at": "35d"}
_KNOWN: Final = {"contoso": {"known_repositories": ["app", "web", "api*"]}}

_CASES: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "name": "a pipeline pushes to a known repository that was never its own",
        "alerts": 1,
        "reason": "ci pushed to web on contoso, as never before: 2 push from 198.51.100.7",
        "context": _KNOWN,
        "events": [_PUSHES, {**_OTHER, "repeat": 2, "every": "1m"}],
    },
    {
        "name": "several repositories at once are one alert",
        "alerts": 1,
        "context": _KNOWN,
        "events": [_PUSHES, _OTHER, {**_OTHER, "repository": "api"}],
    },
    {
        "name": "a repository that is not known, and a person",
        "alerts": 0,
        "context": _KNOWN,
        "events": [
            _PUSHES,
            {**_OTHER, "repository": "new"},
            {**_PUSHES, "identity": "ana@example.com"},
            {**_OTHER, "identity": "ana@example.com"},
        ],
    },
    {
        "name": "one that pushed to it while it was learned, and one that pushed on few days",
        "alerts": 0,
        "context": _KNOWN,
        "events": [
            _PUSHES,
            {**_OTHER, "at": "5d"},
            _OTHER,
            {**_PUSHES, "identity": "rare", "repeat": 17, "every": "2d"},
            {**_OTHER, "identity": "rare"},
        ],
    },
    {
        "name": "a pipeline that keeps finding new repositories is told of twice",
        "alerts": 2,
        "context": _KNOWN,
        "events": [_PUSHES, {**_OTHER, "repository": "api{n}", "repeat": 6, "every": "2d"}],
    },
    {"name": "where no repositories are named nothing is judged", "alerts": 0, "events": [_PUSHES, _OTHER]},
)


def _sentence(_slot: Slot, reason: Reason) -> str:
    return (
        f"It has pushed since {reason['since']}, on {reason['dates']} days of the last 60, and to a known repository "
        f"for the first time on {reason['news']} of them."
    )


METADATA: Final = Metadata(
    slug="first-push-to-repository",
    id="2f1c7a94-5d0e-4c55-9a3b-6e7f0b8d1c05",
    version=version_of(__file__),
    title="Service pushes to a repository that is not its own",
    description=(
        "A successful push by a service, a token or the admin account to one of the known_repositories that it has "
        "never pushed to, where it has pushed for 14 days and longer, on 30 of the last 60 days at least, and found a "
        "known repository new on no more than one of them. People change what they push to and are left to "
        "push-outside-pipeline and role-drift; a repository that nobody has named yet is a new service's. It begins "
        "staged: build services that push to everything take long to show it all."
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
    falsepositives=("A pipeline that takes over a repository", "A repair by hand with a service's credential"),
    blind_spots=(
        "Only repositories in known_repositories are judged, and only services, tokens and the admin account.",
        "Whatever a service pushes to in its first 14 days is its own, and so is what it was told of once.",
        "Who pushed on fewer than 30 of the last 60 days, or found new repositories on two of them, is not judged.",
        "A stolen credential that is used for its own repositories is not new.",
    ),
    runbook=(
        "Ask the service's owner for the change behind the push; compare the digest with what the pipeline built.",
        "See which tags it moved, and who has pulled them since.",
        "If it is not explained, point the tags back, keep clusters from pulling the digest, renew the credential.",
    ),
    tests=_CASES,
    stage="staged",  # docs/detection-quality.md
)

_KNOWN_REPOSITORY: Final = in_values("e.repository", "known_repositories")

DETECTION: Final = HabitDetection(
    METADATA,
    Lens(
        where=f"{ORDINARY} AND e.operation = 'push' AND e.identity_kind IN ('object_id', 'token', 'admin')",
        subject="e.actor",
        value=f"CASE WHEN {_KNOWN_REPOSITORY} THEN e.registry || '/' || e.repository END",
        names=("actor", "repository"),
    ),
    Novelty(least_dates=30, most_news=1),  # a month of work: what is built seldom has been built by then
    _sentence,
)
