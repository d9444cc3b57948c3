"""The two request-response nodes: `$cbs` takes tokens, `$management` describes hubs and partitions.

Shapes as the Azure client 5.15 writes and reads them. A reply carries no `error-condition`: with one, the client drops
the status code.
"""

from acrwatch.core.errors import AuthError, NotFoundError
from acrwatch.devhub.broker import Access, Broker
from acrwatch.devhub.hub import milliseconds
from acrwatch.devhub.message import Request, reply_message
from acrwatch.devhub.wire_types import Array, Int, Timestamp

_HUB = "com.microsoft:eventhub"
_PARTITION = "com.microsoft:partition"


def answer_cbs(request: Request, access: Access) -> bytes:
    """Handle put-token: 202 taken, 401 refused, 404 no such hub, 400 not understood."""
    if request.properties.get("operation") != "put-token":
        return _reply(request, 400, "Only put-token is supported")
    try:
        access.put_token(request.properties.get("name"), request.properties.get("type"), request.value)
    except AuthError as error:
        return _reply(request, 401, str(error))
    except NotFoundError as error:
        return _reply(request, 404, str(error))
    return _reply(request, 202, "Accepted")


def answer_management(request: Request, access: Access, broker: Broker) -> bytes:
    """Handle READ of a hub or a partition: 200 with a map, 401 no token for it, 404 no such thing, 400 else."""
    name, kind = request.properties.get("name"), request.properties.get("type")
    if request.properties.get("operation") != "READ" or kind not in (_HUB, _PARTITION) or not isinstance(name, str):
        return _reply(request, 400, f"Only READ of {_HUB} and {_PARTITION} is supported")
    if not access.knows(name):
        return _reply(request, 401, f"Unauthorized access. A valid token is required for '{name}'.")
    try:
        value = (
            _hub_map(broker, name)
            if kind == _HUB
            else _partition_map(broker, name, request.properties.get("partition"))
        )
    except NotFoundError as error:
        return _reply(request, 404, str(error))
    return _reply(request, 200, "OK", value)


def _hub_map(broker: Broker, name: str) -> dict[object, object]:
    hub = broker.hub(name)
    return {
        "name": hub.name,
        "type": _HUB,
        "created_at": Timestamp(milliseconds(hub.created_at)),
        "partition_count": Int(len(hub.partitions)),
        "partition_ids": Array(tuple(str(number) for number in range(len(hub.partitions)))),
    }


def _partition_map(broker: Broker, name: str, partition: object) -> dict[object, object]:
    hub = broker.hub(name)
    state = hub.partition(partition if isinstance(partition, str | int) else "").state()
    return {
        "name": hub.name,
        "type": _PARTITION,
        "partition": str(partition),
        "begin_sequence_number": state.first_sequence_number,
        "last_enqueued_sequence_number": state.last_sequence_number,
        "last_enqueued_offset": str(state.last_offset),
        "last_enqueued_time_utc": Timestamp(state.last_enqueued_ms),
        "is_partition_empty": state.is_empty,
    }


def _reply(request: Request, code: int, description: str, value: object = None) -> bytes:
    return reply_message(request, {"status-code": Int(code), "status-description": description}, value)
