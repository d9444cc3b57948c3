"""Records as Azure sends them, and a source that hands out what a test says."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from acrwatch.core.model import Message

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
STREAM = "eventhub/ns.example.com/audit/0/0"
_ID = (
    "/SUBSCRIPTIONS/00000000-0000-0000-0000-000000000000/RESOURCEGROUPS/RG/PROVIDERS/"
    "MICROSOFT.CONTAINERREGISTRY/REGISTRIES/CONTOSO"
)


def record(number: int) -> dict[str, object]:
    """Return a login unlike that of any other number."""
    return {
        "time": f"2026-11-22T10:{number // 60 % 60:02}:{number % 60:02}.0000000Z",
        "category": "ContainerRegistryLoginEvents",
        "operationName": "Login",
        "resourceId": _ID,
        "identity": f"user{number}@example.com",
        "callerIpAddress": "192.0.2.7",
        "correlationId": f"c{number}",
        "resultType": "HttpStatusCode",
        "resultDescription": "200",
    }


def body(*numbers: int) -> bytes:
    return json.dumps({"records": [record(number) for number in numbers]}).encode()


def message(sequence_number: int, content: bytes, stream: str = STREAM) -> Message:
    return Message(stream, sequence_number, content, "0", str(sequence_number * 100), NOW)


class Script:
    """A source that plays steps: messages to hand out, or an error to raise. Counts what the pipeline does to it."""

    name = "script"

    def __init__(self, *steps: Sequence[Message] | Exception, on_end: Callable[[], object] = lambda: None) -> None:
        self.steps = list(steps)
        self.on_end = on_end
        self.starts = 0
        self.stops = 0
        self.told: list[Message] = []

    def start(self) -> None:
        self.starts += 1

    def poll(self, timeout: float) -> Sequence[Message]:  # noqa: ARG002 - never waits
        if not self.steps:
            self.on_end()
            return []
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    def stored(self, messages: Sequence[Message]) -> None:
        self.told += messages

    def caught_up(self) -> bool:
        return not self.steps

    def stop(self) -> None:
        self.stops += 1
