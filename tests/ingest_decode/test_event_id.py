import json
from collections.abc import Callable
from typing import Any

import pytest

Record = dict[str, Any]


def test_the_id_of_the_public_record_never_changes(pull: Callable[..., Record], event: Callable[..., Record]) -> None:
    # Stored events are told from repetitions by this value: changing it stores the past twice.
    assert event(pull())["event_id"].hex() == "e63d6ff0287ed0537921ddb79a9c85db"


@pytest.mark.parametrize(
    "changes",
    [
        {"TimeGenerated": "2025-01-30 14:19:15.193173"},
        {"TimeGenerated": "2025-01-30T14:19:15.1931739Z"},
        {"ResultDescription": 404},
        {"Digest": ""},
        {"Digest": None, "MediaType": "x", "DurationMs": 1, "Region": "northeurope", "UserTenantId": "x"},
        {"Category": "containerregistryrepositoryevents"},
    ],
)
def test_the_same_event_by_another_road_has_the_same_id(
    changes: Record, pull: Callable[..., Record], row: Callable[..., Record], event: Callable[..., Record]
) -> None:
    assert event(row(**changes))["event_id"] == event(row())["event_id"] == event(pull())["event_id"]


@pytest.mark.parametrize(
    "changes",
    [
        {"time": "2025-01-30T14:19:15.1931740Z"},
        {"category": "ContainerRegistryLoginEvents"},
        {"operationName": "pull"},
        {"resourceId": "/s/registries/example2"},
        {"identity": "User@example.com"},
        {"callerIpAddress": "203.0.113.18:443"},
        {"correlationId": None},
        {"resultDescription": "405"},
        {"repository": "tipster"},
        {"tag": "v1"},
        {"digest": "sha256:1"},
        {"userAgent": "docker"},
        {"repository": None, "tag": "tipster-service"},
        {"repository": "a", "tag": "bc"},
        {"repository": "ab", "tag": "c"},
    ],
)
def test_another_event_has_another_id(
    changes: Record, pull: Callable[..., Record], event: Callable[..., Record]
) -> None:
    assert event(pull(**changes))["event_id"] != event(pull())["event_id"]


def test_text_moved_across_members_changes_the_id(pull: Callable[..., Record], event: Callable[..., Record]) -> None:
    pairs = [("a", "bc"), ("ab", "c"), ("abc", None), (None, "abc"), ("a\t", "bc"), ("a", "\tbc")]
    ids = {event(json.loads(json.dumps(pull(repository=r, tag=t))))["event_id"] for r, t in pairs}
    assert len(ids) == len(pairs)
