"""A running development hub, and the real Azure client pointed at it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.eventhub import EventData, EventHubConsumerClient, EventHubProducerClient

from acrwatch.devhub import DevHub

WAIT = 20.0  # seconds any single wait may take before the test fails
HUB = "acr-audit"


class MovableClock:
    """A clock that stands still until moved."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by


class Reading:
    """What one consumer client, running in its own thread, has received so far."""

    def __init__(self) -> None:
        self._events: list[EventData] = []
        self._errors: list[Exception] = []
        self._changed = threading.Condition()

    def on_event(self, _context: object, event: EventData) -> None:
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    def on_error(self, _context: object, error: Exception) -> None:
        with self._changed:
            self._errors.append(error)
            self._changed.notify_all()

    def wait(self, count: int) -> list[EventData]:
        """Return the events once there are at least `count`."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._events) >= count, WAIT), (
                f"{len(self._events)} of {count} events, errors: {self._errors}"
            )
            return list(self._events)

    def poll(self, count: int, timeout: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: len(self._events) >= count, timeout)

    def wait_error(self) -> Exception:
        with self._changed:
            assert self._changed.wait_for(lambda: bool(self._errors), WAIT)
            return self._errors[0]


Reader = Callable[..., AbstractContextManager[Reading]]


@contextmanager
def _reading(hub: DevHub, **options: Any) -> Iterator[Reading]:
    """Receive with the sync client while the block runs."""
    client_options = {
        name: options.pop(name) for name in ("consumer_group", "eventhub_name", "retry_total") if name in options
    }
    client = EventHubConsumerClient.from_connection_string(
        hub.connection_string,
        **{"consumer_group": "$Default", "eventhub_name": HUB, "retry_backoff_factor": 0.05, **client_options},
    )
    reading = Reading()
    options = {"starting_position": "-1", **options}
    work = threading.Thread(
        target=lambda: client.receive(reading.on_event, on_error=reading.on_error, **options), daemon=True
    )
    work.start()
    try:
        yield reading
    finally:
        client.close()
        work.join(WAIT)
        assert not work.is_alive()


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(datetime(2026, 3, 1, 12, 0, tzinfo=UTC))


@pytest.fixture
def hub() -> Iterator[DevHub]:
    with DevHub(hubs={HUB: 2}, consumer_groups=("$Default", "second")) as running:
        yield running


@pytest.fixture
def reading() -> Reader:
    return _reading


@pytest.fixture
def producer(hub: DevHub) -> Iterator[EventHubProducerClient]:
    with EventHubProducerClient.from_connection_string(
        hub.connection_string, eventhub_name=HUB, retry_backoff_factor=0.05
    ) as client:
        yield client
