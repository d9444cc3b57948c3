"""The one definition of the events table. Arrow schema, record paths, documentation and rule fields derive from it.

Raw columns keep the names of the Log Analytics tables `ContainerRegistryLoginEvents` and
`ContainerRegistryRepositoryEvents` in snake case; derived columns are ours.
"""

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

UTC_MICROSECONDS: Final = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `events`.

    `wire` is the member name in a resource-log record (looked up in `properties`, then at top level, case ignored);
    `log_analytics` the column name in a Log Analytics row. Both are None for derived columns. `statistics` marks the
    few columns whose minimum and maximum are kept per file, because queries prune by them.
    """

    name: str
    type: pa.DataType
    doc: str
    wire: str | None = None
    log_analytics: str | None = None
    required: bool = False
    statistics: bool = False


def _text(name: str, doc: str, wire: str, log_analytics: str | None = None, *, required: bool = False) -> Column:
    return Column(name, pa.string(), doc, wire, log_analytics or wire[0].upper() + wire[1:], required)


COLUMNS: Final = (
    Column("event_id", pa.binary(), "128-bit BLAKE2b over the canonical record; the same by every road", required=True),
    Column("event_date", pa.date32(), "UTC date of `event_time`; the partition column", required=True),
    Column(
        "event_time",
        UTC_MICROSECONDS,
        "when it happened, as the registry says; UTC, cut to microseconds",
        "time",
        "TimeGenerated",
        required=True,
        statistics=True,
    ),
    _text(
        "category",
        "ContainerRegistryLoginEvents, ContainerRegistryRepositoryEvents or Administrative",
        "category",
        required=True,
    ),
    _text("operation_name", "operation as Azure spells it", "operationName", required=True),
    _text("resource_id", "ARM id of the registry, as received", "resourceId", "_ResourceId", required=True),
    _text("login_server", "host the registry answered as", "loginServer"),
    _text("identity", "who: UPN, object id, token or registry name", "identity"),
    _text("caller_ip_address", "client address as received, perhaps with a port", "callerIpAddress"),
    _text("user_agent", "HTTP User-Agent, chosen by the client", "userAgent"),
    _text("region", "Azure region that served the call", "location", "Region"),
    _text("correlation_id", "id of the request", "correlationId"),
    _text("result_type", "kind of `result_description`: HttpStatusCode", "resultType"),
    _text("result_description", "HTTP status code as text", "resultDescription"),
    Column("duration_ms", pa.float64(), "time taken, milliseconds", "durationMs", "DurationMs"),
    _text("jwt_id", "id of the token issued (logins only)", "jwtId"),
    _text("repository", "repository path", "repository"),
    _text("tag", "requested reference: a tag, or a digest on a pull by digest", "tag"),
    _text("digest", "manifest digest resolved", "digest"),
    _text("media_type", "manifest media type; for an import apparently its source", "mediaType"),
    _text("artifact_type", "kind of artifact, such as acr.docker", "artifactType"),
    Column("size", pa.int64(), "size of the manifest, bytes", "size", "Size"),
    _text("user_tenant_id", "Entra tenant of the caller", "tenantId", "UserTenantId"),
    Column("extra", pa.string(), "members no column knows, as one JSON object"),
    Column("registry", pa.string(), "last segment of `resource_id`, case folded", required=True),
    Column(
        "operation",
        pa.string(),
        "login, pull, push, delete, untag, purge, import or other",
        required=True,
    ),
    Column("status_code", pa.int16(), "`result_description` as a number, where it is one"),
    Column("succeeded", pa.bool_(), "true for any 2xx status", required=True),
    Column("identity_kind", pa.string(), "admin, user, object_id, token, anonymous or unknown", required=True),
    Column("caller_ip", pa.string(), "client address, normalised: no port, no brackets, v4-mapped unwrapped"),
    Column("ip_key", pa.binary(), "`caller_ip` as 16 bytes (v4 mapped into v6): sortable, for range joins"),
    Column("ingested_at", UTC_MICROSECONDS, "when acrwatch stored it; UTC", required=True),
    Column(
        "source",
        pa.string(),
        "stream it came by; with `sequence_number` the position rules have judged up to",
        required=True,
    ),
    Column("partition_id", pa.string(), "event hub partition"),
    Column("sequence_number", pa.int64(), "position of its message in `source`", required=True, statistics=True),
    Column("enqueued_time", UTC_MICROSECONDS, "when the event hub accepted the message; UTC"),
)

PARTITION_COLUMN: Final = "event_date"
ARROW_SCHEMA: Final = pa.schema([pa.field(c.name, c.type, nullable=not c.required) for c in COLUMNS])
BY_NAME: Final = {column.name: column for column in COLUMNS}
STATISTICS_COLUMNS: Final = tuple(column.name for column in COLUMNS if column.statistics)
CATEGORIES: Final = ("ContainerRegistryLoginEvents", "ContainerRegistryRepositoryEvents")
