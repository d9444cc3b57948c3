"""Dormant identity awake: an identity that was in use, then silent for 60 days, is used again."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from detections.behavioural.habit import ORDINARY, Absence, HabitDetection, Lens, version_of
from detections.behavioural.habit.question import Reason
from detections.detection import Metadata
from storage.state.habits import Slot

# Whoever is used on four of 60 dates, by chance, is away for 60 days once in fifty times (e to the power of -4).
_LEAST: Final = 4

_USED: Final = {"operation": "Pull", "identity": "old-ci", "caller_ip": "198.51.100.7", "repeat": 10, "every": "1d"}
_BACK: Final = {**_USED, "operation": "Push", "repeat": 1, "at": "80d"}

_CASES: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "name": "a token of ten days of use, back after 71 days",
        "alerts": 1,
        "reason": "old-ci is used again after a long absence: 1 push from 198.51.100.7",
        "events": [_USED, _BACK, {**_BACK, "at": "81d"}],
    },
    {
        "name": "a token of four days of use",
        "alerts": 1,
        "events": [{**_USED, "repeat": 4}, {**_BACK, "at": "70d"}],
    },
    {
        "name": "three days of use are too few to be missed",
        "alerts": 0,
        "events": [{**_USED, "repeat": 3}, {**_BACK, "at": "70d"}],
    },
    {
        "name": "back after 59 days",
        "alerts": 0,
        "events": [_USED, {**_BACK, "at": "68d"}],
    },
    {
        "name": "a job that runs once a quarter",
        "alerts": 0,
        "events": [{**_USED, "repeat": 4, "every": "90d"}],
    },
)


def _sentence(_slot: Slot, reason: Reason) -> str:
    return (
        f"It was away for {reason['away']} days: last used on {reason['last']}, and on {reason['dates']} days of the "
        "60 up to then."
    )


METADATA: Final = Metadata(
    slug="dormant-identity-awake",
    id="2f1c7a94-5d0e-4c55-9a3b-6e7f0b8d1c03",
    version=version_of(__file__),
    title="Dormant identity is used again",
    description=(
        "A successful call by an identity that was used on 4 of 60 days and then not at all for 60 days or longer."
    ),
    level="medium",
    status="experimental",
    author="acrwatch",
    date="2026-11-22",
    group_by=("actor",),
    group_for=timedelta(days=1),
    entities={"identity": "identity", "ip": "caller_ip", "registry": "registry"},
    reason=(
        "{account} is used again after a long absence: {operations} from {addresses} on {registries} {span}. {history}"
    ),
    tags=("attack.initial_access", "attack.t1078.004"),
    references=("https://attack.mitre.org/techniques/T1078/004/",),
    falsepositives=("People back from a long leave", "A project that is taken up again"),
    blind_spots=(
        "Identities used on fewer than 4 days before they went silent are not judged: rare jobs do the same.",
        "Where store.retention is shorter than the absence, the identity is forgotten before it is back.",
        "Silence in which the registry's audit log did not arrive counts as absence.",
    ),
    runbook=(
        "Ask the owner; where there is none any more, disable the identity at once.",
        "Compare address, user agent and operations with those of its last days of use.",
        "Identities that nobody needs are best removed: review those without use for 60 days.",
    ),
    tests=_CASES,
)

DETECTION: Final = HabitDetection(
    METADATA, Lens(where=ORDINARY, subject="e.actor"), Absence(timedelta(days=60), least_dates=_LEAST), _sentence
)
