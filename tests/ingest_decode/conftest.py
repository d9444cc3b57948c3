"""One public record to vary, and one function that decodes a body."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pytest

from acrwatch.core.model import Message
from ingest.normalise import Normalised, Normaliser

NOW = datetime(2025, 1, 31, tzinfo=UTC)

# The one public record, with names and ids replaced: a failed pull by digest.
PULL: dict[str, Any] = {
    "time": "2025-01-30T14:19:15.1931730Z",
    "category": "ContainerRegistryRepositoryEvents",
    "resourceId": "/SUBSCRIPTIONS/00000000-0000-0000-0000-000000000009/RESOURCEGROUPS/DOCKER/PROVIDERS"
    "/MICROSOFT.CONTAINERREGISTRY/REGISTRIES/EXAMPLE",
    "operationName": "Pull",
    "identity": "user@example.com",
    "location": "westeurope",
    "resultType": "HttpStatusCode",
    "resultDescription": "404",
    "durationMs": "38.212784",
    "callerIpAddress": "203.0.113.18",
    "correlationId": "00000000-0000-0000-0000-000000000021",
    "properties": {
        "tag": "sha256:" + "2a" * 32,
        "digest": "<nil>",
        "mediaType": "<nil>",
        "repository": "tipster-service",
        "artifactType": "acr.docker",
        "tenantId": "00000000-0000-0000-0000-000000000011",
        "loginServer": "example.azurecr.io",
        "userAgent": "acr-cleanup azsdk-go-azcontainerregistry/v0.2.2 (go1.23.5; linux)",
    },
    "RegionStamp": "weu-3",
}

Record: TypeAlias = dict[str, Any]


@pytest.fixture
def pull() -> Callable[..., Record]:
    """Return a function giving the record with members replaced; those of `properties` by their own name."""

    def build(**changes: Any) -> Record:
        record = {**PULL, "properties": dict(PULL["properties"])}
        for name, value in changes.items():
            place = record["properties"] if name in record["properties"] or name == "size" else record
            place[name] = value
        return record

    return build


@pytest.fixture
def row() -> Callable[..., Record]:
    """Return a function giving the same event as a Log Analytics row."""

    def build(**changes: Any) -> Record:
        top = {
            k: v for k, v in PULL.items() if k not in {"time", "location", "properties", "resourceId", "RegionStamp"}
        }
        columns = {name[0].upper() + name[1:]: value for name, value in {**top, **PULL["properties"]}.items()}
        columns |= {
            "TimeGenerated": "2025-01-30T14:19:15.193173Z",
            "_ResourceId": PULL["resourceId"].lower(),
            "Region": PULL["location"],
            "UserTenantId": columns["TenantId"],
            "TenantId": "00000000-0000-0000-0000-0000000000aa",
            "Type": PULL["category"],
        }
        return {**columns, **changes}

    return build


@pytest.fixture
def decode() -> Callable[..., Normalised]:
    """Return a function decoding one body (bytes as they are, anything else as JSON) at 2025-01-31 UTC."""

    def run(body: Any, *, retention: timedelta | None = None, **settings: Any) -> Normalised:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        message = Message("eventhub/ns/hub/0/1", 7, data, partition_id="0", enqueued_time=NOW)
        return Normaliser(retention=retention, **settings).batch([message], now=NOW)

    return run


@pytest.fixture
def event(decode: Callable[..., Normalised]) -> Callable[..., Record]:
    """Return a function decoding one record to its one event."""

    def run(record: Any, **settings: Any) -> Record:
        result = decode(record, **settings)
        assert result.rejects == ()
        (only,) = result.events.to_pylist()
        return dict(only)

    return run
