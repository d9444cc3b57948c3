"""Control-plane events of a case: one entry is one action, with the records that Azure would log of it.

    - {control: registries/write, identity: alice@example.com, at: 5m, request: {properties: {adminUserEnabled: true}}}

`result` is Success unless it says otherwise: Start (nothing more is logged), Accept, Failure. The request stands on the
Start record, the answer on the last one, half a minute later.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final

from storage import activity
from storage.activity_row import ControlRecord, columns_of

KEYS: Final = frozenset({
    "control", "at", "identity", "caller_ip", "registry", "resource", "result", "request", "response", "object_id",
    "app_id", "correlation",
})  # fmt: skip
_TAKES: Final = timedelta(seconds=30)
_OPEN: Final = datetime(1970, 1, 1, tzinfo=UTC)  # put in its place by `ControlEvent.row`
_PROVIDERS: Final = {
    "registries": "Microsoft.ContainerRegistry",
    "roleassignments": "Microsoft.Authorization",
    "locks": "Microsoft.Authorization",
    "diagnosticsettings": "Microsoft.Insights",
}
_REGISTRY: Final = "/subscriptions/0/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/{}{}"


@dataclass(frozen=True, slots=True)
class ControlEvent:
    """One record of an action: when, counted from the case's beginning, and what is kept of it, its time still open."""

    at: timedelta
    record: ControlRecord

    def row(self, start: datetime, stream: str, sequence: int) -> dict[str, Any]:
        """Return the row it would be stored as."""
        time = start + self.at
        return {
            **columns_of(replace(self.record, time=time)),
            "event_id": blake2b(str(sequence).encode(), digest_size=16).digest(),
            "ingested_at": time,
            "source": stream,
            "sequence_number": sequence,
            "enqueued_time": time,
        }


def control_events(entry: Mapping[str, Any], at: timedelta) -> Iterator[ControlEvent]:
    """Yield the records of one entry. Raises ValueError for an operation whose provider is not known."""
    operation, registry = str(entry["control"]), str(entry.get("registry", "contoso")).casefold()
    provider = _PROVIDERS.get(operation.partition("/")[0].casefold())
    if provider is None:
        raise ValueError(f"control is {operation!r}, expected one that begins with {', '.join(_PROVIDERS)}")
    base = ControlRecord(
        time=_OPEN,
        resource_id=_REGISTRY.format(registry, entry.get("resource", "")),
        registry=registry,
        operation_name=f"{provider}/{operation}",
        identity=entry.get("identity"),
        caller_ip_address=entry.get("caller_ip"),
        correlation_id=str(entry.get("correlation", f"{operation}/{at}")),
    )
    result = str(entry.get("result", activity.SUCCESS))
    for step, (name, body) in enumerate(_steps(result, entry)):
        ids = {name: entry.get(name) for name in ("object_id", "app_id")}
        yield ControlEvent(at + step * _TAKES, replace(base, result=name, extra=activity.members(**ids, **body)))


def _steps(result: str, entry: Mapping[str, Any]) -> Sequence[tuple[str, Mapping[str, Any]]]:
    asked, answered = {"request": _body(entry.get("request"))}, {"response": _body(entry.get("response"))}
    if result == activity.START:
        return [(activity.START, asked)]
    return [(activity.START, asked), (result, answered)]


def _body(given: Any) -> dict[str, Any] | None:
    """Return a body as ingest stores it: names folded, `properties` lifted."""
    if given is None:
        return None
    folded: dict[str, Any] = _folded(given)
    inner: dict[str, Any] = folded.pop("properties", {})
    return folded | inner


def _folded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name).casefold(): _folded(inner) for name, inner in value.items()}
    return [_folded(inner) for inner in value] if isinstance(value, list) else value
