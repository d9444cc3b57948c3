"""A running development hub, and the real Azure client pointed at it."""

import functools
import gc
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.eventhub import EventData, EventHubConsumerClient, EventHubProducerClient, TransportType

from acrwatch.devhub import DevHub
from acrwatch.devhub.frames import AMQP_HEADER, FrameReader, frame_bytes
from acrwatch.devhub.message import APPLICATION_PROPERTIES, VALUE, section
from acrwatch.devhub.performatives import Attach, Begin, Flow, Open, Performative, Transfer, decode_performative
from acrwatch.devhub.wire_types import Described, ULong

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


class OffsetClock:
    """The real time, moved ahead."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, by: timedelta) -> None:
        self._ahead += by


class Reading:
    """What one consumer client, running in its own thread, has received so far."""

    def __init__(self) -> None:
        self._events: list[EventData] = []
        self._errors: list[Exception] = []
        self._changed = threading.Condition()

    def on_event(self, _context: object, event: EventData | None) -> None:
        assert event is not None
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

    def wait_for_sequence_number(self, number: int) -> list[EventData]:
        """Return the events once the one with this number is among them."""
        with self._changed:
            assert self._changed.wait_for(lambda: any(e.sequence_number == number for e in self._events), WAIT)
            return list(self._events)

    def poll(self, count: int, timeout: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: len(self._events) >= count, timeout)

    def has_error(self) -> bool:
        with self._changed:
            return bool(self._errors)

    def wait_error(self) -> Exception:
        with self._changed:
            assert self._changed.wait_for(lambda: bool(self._errors), WAIT)
            return self._errors[0]


class RawClient:
    """Speaks frames of our own choosing to the hub, for what the real client never sends."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), WAIT)
        self._reader = FrameReader()

    def close(self) -> None:
        self._socket.close()

    def send(self, *parts: bytes | Performative) -> None:
        for part in parts:
            self._socket.sendall(frame_bytes(0, part.encode()) if isinstance(part, Performative) else part)

    def open(self, incoming_window: int = 100) -> None:
        """Get through protocol header, Open and Begin on channel 0."""
        self.send(AMQP_HEADER, Open(container_id="raw"), Begin(incoming_window=incoming_window, outgoing_window=100))
        while (header := self._reader.protocol_header()) is None:
            assert self._fill()
        assert header == AMQP_HEADER
        assert isinstance(self.receive(), Open)
        assert isinstance(self.receive(), Begin)

    def put_token(self, hub: str, kind: str, token: str) -> None:
        """Put a token to `$cbs` over handle 9, as the real client would, without waiting for the reply."""
        source, target = Described(ULong(0x28), ["me"]), Described(ULong(0x29), ["$cbs"])
        attach = Attach(name="cbs", handle=9, role=False, source=source, target=target, initial_delivery_count=0)
        self.send(attach)
        assert isinstance(self.receive(), Attach)
        assert isinstance(self.receive(), Flow)
        properties = {"operation": "put-token", "type": kind, "name": f"sb://localhost/{hub}"}
        payload = section(APPLICATION_PROPERTIES, properties) + section(VALUE, token)
        self.send(frame_bytes(0, Transfer(handle=9, delivery_id=0, delivery_tag=b"1", settled=True).encode() + payload))

    def receive(self) -> Performative | None:
        """Return the next performative, None at the end of the stream; heartbeats are passed over."""
        while True:
            while (frame := self._reader.frame()) is None:
                if not self._fill():
                    return None
            if frame.body:
                return decode_performative(frame.body)[0]

    def receive_raw(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only at the end of the stream."""
        data = b""
        while len(data) < size and (part := self._socket.recv(size - len(data))):
            data += part
        return data

    def is_silent(self, seconds: float) -> bool:
        """Tell whether nothing arrives for a while, not even the end of the stream."""
        self._socket.settimeout(seconds)
        try:
            return self._socket.recv(1) is None
        except TimeoutError:
            return True

    def _fill(self) -> bool:
        data = self._socket.recv(65_536)
        self._reader.feed(data)
        return bool(data)


def over_tls(hub: DevHub, ca: Path) -> dict[str, Any]:
    """The client's options for a hub that serves TLS."""
    return {
        "custom_endpoint_address": hub.endpoint,
        "transport_type": TransportType.Amqp,
        "connection_verify": str(ca),
        "retry_backoff_factor": 0.05,
    }


Reader = Callable[..., AbstractContextManager[Reading]]


def body_of(event: EventData) -> bytes:
    """The event's data sections, joined."""
    parts: Any = event.body
    return b"".join(parts)


@contextmanager
def _reading(hub: DevHub, **options: Any) -> Iterator[Reading]:
    """Receive with the sync client while the block runs."""
    client = options.pop("client", None) or EventHubConsumerClient.from_connection_string(
        hub.connection_string,
        options.pop("consumer_group", "$Default"),
        eventhub_name=HUB,
        retry_backoff_factor=0.05,
        retry_total=options.pop("retry_total", 3),
    )
    reading = Reading()
    connections_before = hub.connection_count
    receive: Any = functools.partial(client.receive, reading.on_event, on_error=reading.on_error)
    work = threading.Thread(target=receive, kwargs={"starting_position": "-1", **options}, daemon=True)
    work.start()
    try:
        yield reading
    finally:
        client.close()
        until(lambda: hub.connection_count <= connections_before or not work.is_alive())
        _threads.append(work)


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that only happens in the client and tells nobody."""
    deadline, pause = time.monotonic() + WAIT, threading.Event()
    while not condition():
        assert time.monotonic() < deadline
        pause.wait(0.01)


# The client drops its connection soon after close(), but its thread ends most of a second later: joined per module.
_threads: list[threading.Thread] = []


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(datetime(2026, 3, 1, 12, 0, tzinfo=UTC))


@pytest.fixture
def hub() -> Iterator[DevHub]:
    with DevHub(hubs={HUB: 2}, consumer_groups=("$Default", "second")) as running:
        yield running


@pytest.fixture
def tls_hub() -> Iterator[DevHub]:
    with DevHub(hubs={HUB: 2}, tls=True) as running:
        yield running


@pytest.fixture
def ca(tls_hub: DevHub, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    tls_hub.write_ca(path)
    return path


@pytest.fixture(scope="module")
def reading() -> Iterator[Reader]:
    yield _reading
    while _threads:
        work = _threads.pop()
        work.join(WAIT)
        assert not work.is_alive()
    with warnings.catch_warnings():
        # The client leaks its socket whenever a connect is refused or reset: let that not surface in other tests.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def raw(hub: DevHub) -> Iterator[RawClient]:
    client = RawClient(hub.port)
    yield client
    client.close()


@pytest.fixture
def producer(hub: DevHub) -> Iterator[EventHubProducerClient]:
    with EventHubProducerClient.from_connection_string(
        hub.connection_string, eventhub_name=HUB, retry_backoff_factor=0.05
    ) as client:
        yield client
