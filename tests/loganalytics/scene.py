"""Rows as Log Analytics keeps them, and the same events as the event hub brings them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.loganalytics.kql import EPOCH, TICKS, LogsRow, written

WORKSPACE = "11111111-aaaa-4444-8888-000000000001"
OTHER = "11111111-aaaa-4444-8888-000000000002"
BEGIN = datetime(2026, 9, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
_ID = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/rg/providers/"
    "microsoft.containerregistry/registries/contoso"
)
_WIRE = {"OperationName": "operationName", "Identity": "identity", "CallerIpAddress": "callerIpAddress",
         "CorrelationId": "correlationId", "ResultType": "resultType", "ResultDescription": "resultDescription",
         "DurationMs": "durationMs", "Region": "location", "Category": "category"}  # fmt: skip
_INNER = {"Repository": "repository", "Tag": "tag", "Digest": "digest", "MediaType": "mediaType", "Size": "size",
          "ArtifactType": "artifactType", "UserTenantId": "tenantId", "LoginServer": "loginServer",
          "UserAgent": "userAgent", "JwtId": "jwtId"}  # fmt: skip


class Hands:
    """A clock that stands where a test puts it."""

    def __init__(self, time: datetime = NOW) -> None:
        self.time = time

    def now(self) -> datetime:
        return self.time


def ticks(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1) * (TICKS // 1_000_000)


def login(number: int, at: datetime | int, taken: datetime | int | None = None, **columns: Any) -> LogsRow:
    """Return a login unlike that of any other number, at a moment or at a tick; taken in five minutes later."""
    when = at if isinstance(at, int) else ticks(at)
    came = when + 300 * TICKS if taken is None else taken if isinstance(taken, int) else ticks(taken)
    own = {
        "OperationName": "Login",
        "Category": "ContainerRegistryLoginEvents",
        "LoginServer": "contoso.azurecr.io",
        "Identity": f"user{number}@example.com",
        "CallerIpAddress": "192.0.2.7",
        "UserAgent": "docker/24.0",
        "Region": "westeurope",
        "CorrelationId": f"c{number}",
        "ResultType": "HttpStatusCode",
        "ResultDescription": "200",
        "DurationMs": "38.212784",
        "_ResourceId": _ID,
        "SourceSystem": "Azure",
    }
    return LogsRow(when, came, {**own, **columns})


def pull(number: int, at: datetime | int, taken: datetime | int | None = None, **columns: Any) -> LogsRow:
    """Return a pull unlike that of any other number."""
    own = {"OperationName": "Pull", "Category": "ContainerRegistryRepositoryEvents", "Repository": "team/app"}
    return login(number, at, taken, **{**own, "Tag": "v1", "Digest": f"sha256:{number:064x}", "Size": 742, **columns})


def logins(count: int, every: timedelta = timedelta(minutes=1), begin: datetime = BEGIN) -> list[LogsRow]:
    return [login(number, begin + number * every) for number in range(count)]


def identities(numbers: Sequence[int] | range) -> list[str]:
    return sorted(f"user{number}@example.com" for number in numbers)


def on_the_wire(row: LogsRow) -> dict[str, Any]:
    """Return the record that the event hub brings of the same event: other names, other nesting, capitals, Go's nil."""
    record = {wire: row.columns[name] for name, wire in _WIRE.items() if row.columns.get(name) is not None}
    inner = {wire: row.columns[name] for name, wire in _INNER.items() if row.columns.get(name) is not None}
    nil = {"digest": "<nil>", "mediaType": "<nil>"} if record["operationName"] == "Pull" else {}
    record |= {"time": written(row.time), "resourceId": str(row.columns["_ResourceId"]).upper(), "RegionStamp": "weu-3"}
    return record | {"properties": {**nil, **inner}}
