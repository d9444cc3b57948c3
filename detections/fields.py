"""Fields a rule may name, in every spelling, and how a group of their values reads to people."""

import difflib
import hashlib
import ipaddress
from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa

from detections.actions import OF_ACTION
from detections.user_agents import FAMILY
from storage.activity import COLUMNS as COLUMNS_OF_ACTIVITY
from storage.schema import BY_NAME, COLUMNS

# Entra identities are one person or service across registries; an admin, a token or an unknown name means something
# only within its registry.
_ACTOR: Final = (
    "CASE WHEN identity_kind IN ('user', 'object_id') THEN lower(identity) "
    "ELSE registry || '/' || coalesce(identity, '') END"
)
# The /24 of a v4 address, the /48 of a v6 one: the sizes commonly assigned to one site. Spelled from the sortable key.
_NETWORK: Final = (
    "CASE WHEN ip_key IS NULL THEN NULL "
    "WHEN substr(hex(ip_key), 1, 24) = '00000000000000000000FFFF' THEN regexp_replace(caller_ip, '[0-9]+$', '0/24') "
    "ELSE lower(substr(hex(ip_key), 1, 4) || ':' || substr(hex(ip_key), 5, 4) || ':' || substr(hex(ip_key), 9, 4)) "
    "|| '::/48' END"
)
# What one delete, untag or purge takes away. The tag comes first: thirty tags of one digest are thirty losses.
_TARGET: Final = (
    "registry || '/' || coalesce(repository, '') || "
    "CASE WHEN tag IS NOT NULL THEN ':' || tag WHEN digest IS NOT NULL THEN '@' || digest ELSE '' END"
)

# `mon 09`: the hour of the week in UTC, so that a list can name working hours (`mon 0?`). Counted from the epoch, which
# was a Thursday: engines agree neither on the numbers of weekdays nor on how to spell them.
_DAY_US: Final = 86_400_000_000
_WEEK: Final = " ".join(
    f"WHEN epoch_us(event_time) % {7 * _DAY_US} < {n * _DAY_US} THEN '{day}'"
    for n, day in enumerate(("thu", "fri", "sat", "sun", "mon", "tue", "wed"), start=1)
)
_HOUR_OF_WEEK: Final = (
    f"CASE {_WEEK} END || CASE WHEN date_part('hour', event_time) < 10 THEN ' 0' ELSE ' ' END || "
    "CAST(CAST(date_part('hour', event_time) AS INTEGER) AS VARCHAR)"
)

DERIVED: Final[Mapping[str, str]] = {
    "actor": _ACTOR,
    "network": _NETWORK,
    "target": _TARGET,
    "user_agent_family": FAMILY,
    "hour_of_week": _HOUR_OF_WEEK,
}

# Of records of the control plane alone: a rule on others that names one of them is refused.
CONTROL_FIELDS: Final = frozenset(COLUMNS_OF_ACTIVITY) | frozenset(OF_ACTION)

FIELDS: Final = (frozenset(BY_NAME) | frozenset(DERIVED) | CONTROL_FIELDS) - {"extra"}
TEXT_FIELDS: Final = frozenset(
    n for n in FIELDS - frozenset(OF_ACTION) if n not in BY_NAME or BY_NAME[n].type == pa.string()
)
# Texts that are written in small letters when they are derived (`storage.schema`), whatever the record held.
SMALL_LETTERS: Final = frozenset({"operation", "identity_kind", "registry"})
NUMBER_FIELDS: Final = frozenset({"status_code", "size", "duration_ms", "sequence_number"})
TRUTH_FIELDS: Final = frozenset({"succeeded", *OF_ACTION})
TIME_FIELDS: Final = frozenset({"event_time", "enqueued_time", "ingested_at"})


def _folded(name: str) -> str:
    return name.replace("_", "").casefold()


# What Sigma rules on the Activity Log say, after its rows in Log Analytics and its `properties`.
_AS_IN_AZURE_ACTIVITY: Final[Mapping[str, str]] = {
    "operationnamevalue": "operation_name",
    "message": "operation_name",
    "caller": "identity",
    "activitystatusvalue": "result_type",
    "categoryvalue": "category",
}

# Every spelling a rule may use, folded: ours, the wire's and Log Analytics'. Ours win where two differ.
_SPELLINGS: Final[Mapping[str, str]] = {
    **{_folded(spelling): c.name for c in COLUMNS for spelling in (c.wire, c.log_analytics) if spelling},
    **{_folded(name): name for name in FIELDS},
    **_AS_IN_AZURE_ACTIVITY,
}


def field_named(name: str) -> str | None:
    """Return the field a rule means by `name`: `caller_ip_address`, `callerIpAddress`, `CallerIpAddress` and
    `properties.callerIpAddress` alike; None where events have no such field."""
    found = _SPELLINGS.get(_folded(name.removeprefix("properties.")))
    return found if found in FIELDS else None


def nearest_field(name: str) -> str | None:
    """Return the spelling that somebody may have meant by an unknown name."""
    near = difflib.get_close_matches(_folded(name), _SPELLINGS, n=1)
    return _SPELLINGS[near[0]] if near else None


# What an alert keeps of an event, so that it can be read after retention took the event itself.
EVIDENCE_FIELDS: Final = (
    "registry", "identity", "caller_ip", "operation", "status_code",
    "repository", "tag", "digest", "user_agent", "region",
)  # fmt: skip


# And of one of the control plane beside: who did it by other names, what was done to what.
CONTROL_EVIDENCE: Final = ("object_id", "app_id", "resource_name", "details")

# Characters an alert keeps of one value: clients choose most of them, and may choose 64 Ki of it.
VALUE_CHARACTERS: Final = 200


def kept(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the evidence fields that a row has, each within bounds."""
    found = {name: row[name] for name in EVIDENCE_FIELDS} | {name: row.get(name) for name in CONTROL_EVIDENCE}
    return {name: bounded(value) for name, value in found.items() if value is not None}


def bounded(value: Any) -> Any:
    """Return a value as an alert keeps it: a long text cut, its end replaced by an ellipsis."""
    long = isinstance(value, str) and len(value) > VALUE_CHARACTERS
    return value[: VALUE_CHARACTERS - 1] + "…" if long else value


def bounded_key(value: str) -> str:
    """Return a text as a key of at most VALUE_CHARACTERS that different texts do not share: the end of a long one is
    replaced by its hash."""
    if len(value) <= VALUE_CHARACTERS:
        return value
    return value[: VALUE_CHARACTERS - 33] + "#" + hashlib.sha256(value.encode()).hexdigest()[:32]


def readable(field: str, value: object) -> str:
    """Return a group value as people write it: networks in canonical form, absent values as a dash."""
    if value is None or value == "":
        return "-"
    return str(ipaddress.ip_network(str(value))) if field == "network" else str(value)


def network_of(address: str) -> str:
    """Return the network an address belongs to, as the `network` field has it."""
    parsed = ipaddress.ip_address(address)
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False))
