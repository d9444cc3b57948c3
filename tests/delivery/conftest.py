"""Fixtures: a receiver, a sink that posts to it, a clock, and how to fill the outbox."""

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from acrwatch.delivery.sinks import Sink
from storage.state import outbox
from storage.state.database import Database
from tests.delivery.receiver import NOW, MovableClock, QuietServer, Receiver, handler_for, open_webhook


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    server = QuietServer(("127.0.0.1", 0), handler_for(made))
    made.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join(timeout=10)


@pytest.fixture
def webhook(receiver: Receiver) -> Sink:
    return open_webhook(receiver.url)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


Enqueue = Callable[..., None]


@pytest.fixture
def enqueue(database: Database) -> Enqueue:
    """Write a delivery of revision 1 of an alert (or what the arguments say) into the outbox."""

    def put(
        alert: str = "A",
        *,
        to: Sequence[str] = ("siem",),
        kind: str = "alert.created",
        revision: int = 1,
        body: str = '{"type":"alert.created"}',
    ) -> None:
        with database.begin() as connection:
            outbox.enqueue(
                connection, destinations=to, alert_id=alert, type=kind, revision=revision, body=body, now=NOW
            )

    return put
