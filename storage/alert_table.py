"""Alerts as a relation: one row each, for frames, people's SQL and exports. The one definition of their columns."""

from collections.abc import Iterable
from typing import Any, Final

import pyarrow as pa

from storage.schema import UTC_MICROSECONDS, Column
from storage.state.alerts import Alert

_TEXTS: Final = pa.list_(pa.string())
_ENTITY: Final = pa.struct([("type", pa.string()), ("value", pa.string())])

COLUMNS: Final = (
    Column("id", pa.string(), "id of the alert, stable for ever", required=True),
    Column("rule", pa.string(), "slug of the detection that raised it", required=True),
    Column("title", pa.string(), "what the detection calls it", required=True),
    Column("severity", pa.string(), "informational, low, medium, high or critical", required=True),
    Column(
        "status",
        pa.string(),
        "new, active or closed; suppressed, staged or building-block where nobody was told",
        required=True,
    ),
    Column("close_reason", pa.string(), "the verdict of whoever closed it, or why the engine did"),
    Column("reason", pa.string(), "why, in one sentence with the real values", required=True),
    Column("registries", _TEXTS, "registries concerned", required=True),
    Column("identities", _TEXTS, "identities among its entities", required=True),
    Column("addresses", _TEXTS, "addresses and networks among its entities", required=True),
    Column("entities", pa.list_(_ENTITY), "all it is about, each with type and value", required=True),
    Column("first_seen", UTC_MICROSECONDS, "time of its first event; UTC", required=True),
    Column("last_seen", UTC_MICROSECONDS, "time of its last event; UTC", required=True),
    Column("count", pa.int64(), "distinct events that matched", required=True),
    Column(
        "count_is_minimum",
        pa.bool_(),
        "whether it may be more: of `entity-risk`, whose parts share events and do not keep all of theirs",
        required=True,
    ),
    Column("evidence", _TEXTS, "`event_id` of the earliest matching events", required=True),
    Column(
        "evidence_truncated", pa.bool_(), "whether more events matched, or may have, than `evidence` has", required=True
    ),
    Column("historical", pa.bool_(), "whether its events came too late to be told", required=True),
    Column("assignee", pa.string(), "who works on it"),
    Column("tags", _TEXTS, "tags of the detection, such as attack.t1078", required=True),
    Column("created_at", UTC_MICROSECONDS, "when it was raised; UTC", required=True),
    Column("updated_at", UTC_MICROSECONDS, "when it last changed; UTC", required=True),
    Column("raised_at", UTC_MICROSECONDS, "when it was last told; UTC", required=True),
    Column("acked_at", UTC_MICROSECONDS, "when someone took it on; UTC"),
    Column("closed_at", UTC_MICROSECONDS, "when it was closed; UTC"),
    Column("changed_after_close", pa.bool_(), "whether more events came to light after that", required=True),
    Column("merged_into", pa.string(), "id of the alert that it goes on in, or is a duplicate of"),
    Column("suppressed_by", pa.int64(), "id of the suppression that kept it from being told"),
    Column("revision", pa.int64(), "number of its last change", required=True),
    Column("rule_id", pa.string(), "UUID of the detection", required=True),
    Column("rule_version", pa.string(), "hash of the detection that raised it", required=True),
    Column("context_version", pa.string(), "hash of what was known of the registries then"),
)
SCHEMA: Final = pa.schema([pa.field(column.name, column.type, nullable=not column.required) for column in COLUMNS])
# What an alert that was only tried, never opened, has as well.
TRIED: Final = (
    "rule", "title", "severity", "reason", "registries", "identities", "addresses", "entities", "first_seen",
    "last_seen", "count", "evidence", "evidence_truncated", "historical", "tags", "rule_id", "rule_version",
    "context_version",
)  # fmt: skip


def alert_table(alerts: Iterable[Alert]) -> pa.Table:
    """Return alerts as a table of SCHEMA, in their order."""
    return pa.Table.from_pylist([_row(alert) for alert in alerts], schema=SCHEMA)


def _row(alert: Alert) -> dict[str, Any]:
    computed = {
        "identities": _values(alert, "identity"),
        "addresses": _values(alert, "ip", "network"),
        "entities": [{"type": one["type"], "value": one["value"]} for one in alert.entities],
        "evidence": [event_id for _, event_id in alert.evidence],
    }
    return {name: computed[name] if name in computed else getattr(alert, name) for name in SCHEMA.names}


def _values(alert: Alert, *types: str) -> list[str]:
    return [one["value"] for one in alert.entities if one["type"] in types]
