"""Records of the Activity Log as a diagnostic setting sends them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

import pytest

from acrwatch.core.model import Message
from ingest.normalise import Normalised, Normaliser

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
REGISTRY = (
    "/SUBSCRIPTIONS/00000000-0000-0000-0000-000000000000/RESOURCEGROUPS/RG/PROVIDERS/"
    "MICROSOFT.CONTAINERREGISTRY/REGISTRIES/CONTOSO"
)
ALICE = {
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn": "alice@example.com",
    "http://schemas.microsoft.com/identity/claims/objectidentifier": "00000000-0000-0000-0000-0000000000a1",
    "appid": "00000000-0000-0000-0000-0000000000c1",
    "uti": "a claim that nobody needs",
}

Record: TypeAlias = dict[str, Any]
Write: TypeAlias = Callable[..., Record]
Decode: TypeAlias = Callable[..., Normalised]


@pytest.fixture
def write() -> Write:
    """Return a function giving a record, members of `properties` among its arguments as `requestbody` and the like."""

    def build(
        operation: str = "MICROSOFT.CONTAINERREGISTRY/REGISTRIES/WRITE", result: str = "Start", **changes: Any
    ) -> Record:
        inner = {name: changes.pop(name) for name in ("requestbody", "responseBody", "statusCode") if name in changes}
        record: Record = {
            "time": "2026-11-22T10:00:00.1234567Z",
            "resourceId": REGISTRY,
            "operationName": operation,
            "category": "Administrative",
            "resultType": result,
            "resultSignature": "Started.",
            "durationMs": 0,
            "callerIpAddress": "203.0.113.9",
            "correlationId": "00000000-0000-0000-0000-00000000c0de",
            "identity": {"authorization": {"scope": "/x", "action": "y"}, "claims": ALICE},
            "level": "Information",
            "location": "global",
            "properties": {"eventCategory": "Administrative", **inner},
        }
        return {name: value for name, value in {**record, **changes}.items() if value is not None}

    return build


@pytest.fixture
def decode() -> Decode:
    """Return a function that decodes records as one message of a hub."""

    def run(*records: Record, body: bytes | None = None) -> Normalised:
        content = json.dumps({"records": records}).encode() if body is None else body
        return Normaliser().batch([Message("eventhub/ns/hub/0/0", 7, content, "0", "700", NOW)], now=NOW)

    return run
