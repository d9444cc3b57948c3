"""How tests read a source: with a bound on every wait."""

import time
from collections.abc import Callable
from typing import Any

from acrwatch.core.errors import AcrWatchError
from acrwatch.core.model import Message
from acrwatch.core.setting import Secret
from acrwatch.devhub import DevHub
from ingest.eventhub.reader import Timing
from ingest.sources import Source, eventhub

HUB = "acr-audit"
NEVER = 3600.0  # seconds that no test lives to see
# A link may take seconds to come back on a busy machine: a test that wants an outage reported says after how long.
QUICK = Timing(look=0.5, outage=NEVER, proof=1.0, heartbeat=0.2, first_retry=0.3, last_retry=0.5)

MakeSource = Callable[..., eventhub.EventHubSource]


def settings_of(hub: DevHub, **settings: object) -> dict[str, Any]:
    values: dict[str, Any] = {setting.name: setting.default for setting in eventhub.SETTINGS}
    return {**values, "connection_string": Secret(hub.connection_string), "eventhub": HUB, **settings}


def take(source: Source, count: int, seconds: float = 30) -> list[Message]:
    """Poll until `count` messages have come, and once more for what should not come."""
    taken: list[Message] = []
    deadline = time.monotonic() + seconds
    while len(taken) < count and time.monotonic() < deadline:
        taken += source.poll(0.5)
    return taken + list(source.poll(0.1))


def poll_until(source: Source, condition: Callable[[], bool], seconds: float = 30) -> list[Message]:
    """Poll until something else has happened."""
    taken: list[Message] = []
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        taken += source.poll(0.1)
    return taken


def error_of(source: Source, seconds: float = 30) -> AcrWatchError:
    """Poll until the source gives up, and return why."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            source.poll(0.2)
        except AcrWatchError as error:
            return error
    raise AssertionError("the source never gave up")
