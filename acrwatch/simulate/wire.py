"""The JSON shape of one audit record, as Azure Monitor puts it on an event hub.

Modelled on the one public record known, a failed pull by digest: eleven members, `properties` and a trailing
`RegionStamp`. Status codes and durations are strings, `resultType` is always `HttpStatusCode`, the status is in
`resultDescription`, and what a failed pull could not resolve is the text `<nil>`. No public login record is known: what
`login_record` nests in `properties` is a guess, so a reader must look at both levels.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, TypeAlias

from acrwatch.simulate.registry import Registry

Record: TypeAlias = dict[str, Any]
"""One element of a hub message's `records`, ready for a JSON encoder."""

TICKS_PER_SECOND: Final = 10_000_000
"""Azure writes seven fractional digits, so simulated times are whole numbers of 100 ns since 1970-01-01 UTC."""

LOGIN_CATEGORY: Final = "ContainerRegistryLoginEvents"
REPOSITORY_CATEGORY: Final = "ContainerRegistryRepositoryEvents"

# Operation names. `Pull` is in the public record; `Login`, `Push` and `importImage` in public parsers and queries. The
# documentation lists untag, delete (whole repositories included), purge tag and purge manifest as *operations* but
# never prints their strings: the five below are a guess, kept here and nowhere else.
LOGIN: Final = "Login"
PULL: Final = "Pull"
PUSH: Final = "Push"
IMPORT: Final = "importImage"
UNTAG: Final = "Untag"
DELETE: Final = "Delete"
DELETE_REPOSITORY: Final = "DeleteRepository"
PURGE_TAG: Final = "PurgeTag"
PURGE_MANIFEST: Final = "PurgeManifest"

# Statuses of success in the OCI distribution API: a push creates (201), a delete is accepted (202). Whether the audit
# log repeats them or writes 200 throughout is not established; a rule must take any 2xx for success.
OK: Final = "200"
CREATED: Final = "201"
ACCEPTED: Final = "202"

NIL: Final = "<nil>"
"""Go's nil as text: how an unresolved digest or media type arrives."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def ticks_of(moment: datetime) -> int:
    """Return an aware time as ticks of 100 ns since 1970-01-01 UTC."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 10


def datetime_of(ticks: int) -> datetime:
    """Return ticks as an aware UTC time, truncated to the microseconds Python can hold."""
    return _EPOCH + timedelta(microseconds=ticks // 10)


@lru_cache(maxsize=256)
def _minute_text(minute: int) -> str:
    return (_EPOCH + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:")


def time_text(ticks: int) -> str:
    """Return the wire form of `time`, for instance `2025-01-30T14:19:15.1931730Z`."""
    minute, rest = divmod(ticks, 60 * TICKS_PER_SECOND)
    digits = f"{rest:09d}"
    return f"{_minute_text(minute)}{digits[:2]}.{digits[2:]}Z"


def login_record(
    registry: Registry,
    *,
    ticks: int,
    identity: str,
    address: str,
    status: str,
    duration: str,
    correlation: str,
    user_agent: str,
    jwt_id: str,
) -> Record:
    """Return a `ContainerRegistryLoginEvents` record; a refused login issued no token, so give an empty `jwt_id`."""
    return {
        "time": time_text(ticks),
        "category": LOGIN_CATEGORY,
        "resourceId": registry.resource_id,
        "operationName": LOGIN,
        "identity": identity,
        "location": registry.location,
        "resultType": "HttpStatusCode",
        "resultDescription": status,
        "durationMs": duration,
        "callerIpAddress": address,
        "correlationId": correlation,
        "properties": {"jwtId": jwt_id, "loginServer": registry.login_server, "userAgent": user_agent},
        "RegionStamp": registry.stamp,
    }


def repository_record(
    registry: Registry,
    *,
    ticks: int,
    operation: str,
    identity: str,
    address: str,
    status: str,
    duration: str,
    correlation: str,
    user_agent: str,
    repository: str,
    tag: str,
    digest: str,
    media_type: str,
) -> Record:
    """Return a `ContainerRegistryRepositoryEvents` record; `tag` is the reference that was asked for, tag or digest."""
    return {
        "time": time_text(ticks),
        "category": REPOSITORY_CATEGORY,
        "resourceId": registry.resource_id,
        "operationName": operation,
        "identity": identity,
        "location": registry.location,
        "resultType": "HttpStatusCode",
        "resultDescription": status,
        "durationMs": duration,
        "callerIpAddress": address,
        "correlationId": correlation,
        "properties": {
            "tag": tag,
            "digest": digest,
            "mediaType": media_type,
            "repository": repository,
            "artifactType": "acr.docker",
            "tenantId": registry.tenant_id,
            "loginServer": registry.login_server,
            "userAgent": user_agent,
        },
        "RegionStamp": registry.stamp,
    }
