"""One control-plane record, and the columns of its row."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from acrwatch.core.address import NO_ADDRESS, parse_address
from acrwatch.core.identity import identity_kind
from acrwatch.core.operation import control_operation
from storage import activity


@dataclass(frozen=True, slots=True)
class ControlRecord:
    """What is kept of one record of the Activity Log. `time` is aware UTC, `registry` case folded, `result` one of
    Start, Accept, Success and Failure where it is known, `extra` what `storage.activity.members` makes."""

    time: datetime
    resource_id: str
    registry: str
    operation_name: str
    result: str | None = None
    signature: str | None = None
    status: int | None = None
    identity: str | None = None
    caller_ip_address: str | None = None
    correlation_id: str | None = None
    region: str | None = None
    extra: str | None = None


def columns_of(record: ControlRecord) -> dict[str, Any]:
    """Return the columns of a row that follow from its record: all but the id, the position and the arrival."""
    address = parse_address(record.caller_ip_address) if record.caller_ip_address else NO_ADDRESS
    return {
        "event_date": record.time.date(),
        "event_time": record.time,
        "category": activity.CATEGORY,
        "operation_name": record.operation_name,
        "resource_id": record.resource_id,
        "identity": record.identity,
        "caller_ip_address": record.caller_ip_address,
        "region": record.region,
        "correlation_id": record.correlation_id,
        "result_type": record.result,
        "result_description": record.signature,
        "extra": record.extra,
        "registry": record.registry,
        "operation": control_operation(record.operation_name),
        "status_code": record.status,
        "succeeded": record.result == activity.SUCCESS,
        "identity_kind": identity_kind(record.registry, record.identity, ()),
        "caller_ip": address.text,
        "ip_key": address.key,
    }
