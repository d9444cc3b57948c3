"""The only module that imports the Azure client: what we ask of an event hub, and what its errors mean.

The client (azure-eventhub 5.15, asyncio) is used with a retry budget of zero, so that every lost link comes back to
us. Left to itself it counts retries over the life of a consumer and gives up silently, and it retries a failed
*re*-open for ever without a pause and without telling (15 connects a second): our own supervision does both better.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from acrwatch.core.errors import AcrWatchError, AuthError, NotFoundError
from ingest.eventhub.access import WEBSOCKET
from ingest.eventhub.address import Address
from ingest.eventhub.asking import Lent, reason
from ingest.eventhub.credentials import Credential, MakeTokenSource, made_by
from ingest.eventhub.failures import UnopenedError, translate, unopened

# They warn of every end of a link, our own Stopped included; what matters of that we report ourselves.
_processor_logs: Final = ("azure.eventhub.aio._eventprocessor", "azure.eventhub._eventprocessor")

# A link on which nothing at all happens for this long is closed by the client; without it a black-holed connection
# stalls for ever (32 s watched). The service's own idle limit is 4 minutes, so empty frames flow well before.
IDLE_SECONDS: Final = 30
# The client opens a refused link again and again with no pause and no word. Two things give it away: heartbeats stay
# out where a round is shorter than their interval, and come from another task where it is longer.
SILENT_BEATS: Final = 5
CALL_SECONDS: Final = 20.0
# Messages handed over at once. The client reads on while it holds no more than this, 4 MB of the usual 180 KB each, for
# every partition: what it holds cannot be bounded in bytes, and more gained nothing.
MAX_BATCH: Final = 20
# The same for everybody: of two equal levels the newcomer wins, and the link of whoever read before is detached.
OWNER_LEVEL: Final = 0
_FOR_EVER: Final = 1e9  # load balancing is ours: the client must not claim a partition again behind our back


@dataclass(frozen=True, slots=True)
class Look:
    """What a partition holds at one moment: first and last sequence number, time of the last message (UTC)."""

    beginning: int
    last: int
    last_time: datetime
    empty: bool


@dataclass(frozen=True, slots=True)
class Arrived:
    """One received message."""

    sequence_number: int
    offset: str
    enqueued_time: datetime
    body: bytes


Deliver = Callable[[Sequence[Arrived]], Awaitable[None]]


class Hub:
    """An event hub. Belongs to one event loop."""

    def __init__(
        self,
        address: Address,
        prefetch: int,
        heartbeat: float,
        idle: float = IDLE_SECONDS,
        token_source: MakeTokenSource | None = None,
    ) -> None:
        """`idle`: seconds after which a link without a sign of life is closed. `token_source` takes the place of the
        credential that the address names. Raises ConfigError where that cannot be used here."""
        self._address = address
        self._prefetch = prefetch
        self._heartbeat = heartbeat
        self._idle = idle
        self._credential: Credential | None = None
        if address.connection_string is None:
            self._credential = Credential(token_source or made_by(address.access))
        self._unopened: set[str] = set()  # partitions of which the last link never opened
        self._client = self._connect()

    async def partitions(self) -> list[str]:
        """Return the partition ids. Raises AuthError, NotFoundError or RemoteUnreachableError."""
        return list(await self._call(self._client.get_partition_ids()))

    async def look(self, partition: str) -> Look:
        """Return what a partition holds. Raises as `partitions` does."""
        found = await self._call(self._client.get_partition_properties(partition))
        return Look(
            found["beginning_sequence_number"],
            found["last_enqueued_sequence_number"],
            found["last_enqueued_time_utc"].astimezone(UTC),
            found["is_empty"],
        )

    async def receive(self, partition: str, start: str | int | datetime, deliver: Deliver) -> NoReturn:
        """Hand batches to `deliver`, and an empty one as a heartbeat, until the link ends; always raises.

        `start` is exclusive: an offset, a sequence number or a time; "-1" is the beginning. What `deliver` raises
        comes out unchanged; a lost or refused link as AuthError, NotFoundError or RemoteUnreachableError; one that
        another reader has taken over as StolenError. Takes over from whoever else reads the partition in this group.
        """
        link = _Link(deliver, self._address, SILENT_BEATS * self._heartbeat)
        task = asyncio.create_task(
            self._client.receive_batch(
                link.on_batch,
                partition_id=partition,
                starting_position=start,
                max_batch_size=MAX_BATCH,
                max_wait_time=self._heartbeat,
                prefetch=self._prefetch,
                owner_level=OWNER_LEVEL,
                on_error=link.on_error,
                on_partition_close=link.on_close,
            )
        )
        try:
            error = await link.ended(task)
        finally:
            await asyncio.shield(link.end(task))
        if isinstance(error, UnopenedError):
            if partition in self._unopened:  # a single time may be no more than a slow moment of ours
                error = await self._why(partition, error)
            self._unopened.add(partition)
        else:
            self._unopened.discard(partition)
        if isinstance(error, Stopped):
            raise error
        raise await self._failure(error)

    async def close(self) -> None:
        """Free the connections and the credential."""
        await self._client.close()
        if self._credential is not None:
            await self._credential.close()

    async def _call(self, call: Awaitable[Any]) -> Any:
        from azure.core.exceptions import AzureError
        from azure.eventhub.exceptions import EventHubError

        try:
            return await asyncio.wait_for(call, CALL_SECONDS)
        except (EventHubError, AzureError, OSError, ValueError) as error:  # ValueError: a broken management link
            raise await self._failure(error) from error

    async def _failure(self, error: Exception) -> AcrWatchError:
        failure = translate(error, self._address)
        if isinstance(failure, AuthError) and self._credential is not None:
            await self._credential.renew()  # the token may be what is refused: the next link gets another
        return failure

    def _connect(self) -> Any:
        from azure.eventhub.aio import EventHubConsumerClient

        for name in _processor_logs:
            processor_log = logging.getLogger(name)
            processor_log.setLevel(processor_log.level or logging.ERROR)
        return self._client_of(EventHubConsumerClient, self._credential)

    def _client_of(self, kind: Any, credential: object, **others: object) -> Any:
        """Return a client of the asyncio or the blocking kind."""
        address = self._address
        options = {**_options(address), "idle_timeout": self._idle, **others}
        if address.connection_string is not None:
            return kind.from_connection_string(
                address.connection_string.reveal(), address.consumer_group, eventhub_name=address.eventhub, **options
            )
        return kind(address.namespace, address.eventhub, address.consumer_group, credential, **options)

    async def _why(self, partition: str, unopened_: UnopenedError) -> AcrWatchError:
        """Return why no link opens: the asyncio client drops what the hub says to one that it refuses."""
        from azure.eventhub import EventHubConsumerClient

        lent = None if self._credential is None else Lent(self._credential.get_token, asyncio.get_running_loop())
        client = self._client_of(EventHubConsumerClient, lent, load_balancing_interval=1.0)
        error = await reason(client, partition)
        said = unopened_ if error is None else translate(error, self._address)
        return said if isinstance(said, AuthError | NotFoundError) else unopened_


def _options(address: Address) -> dict[str, Any]:
    from azure.eventhub import TransportType

    access = address.access
    websocket = access.transport == WEBSOCKET
    options = {
        "retry_total": 0,
        "retry_backoff_factor": 0,
        "auth_timeout": CALL_SECONDS,
        "load_balancing_interval": _FOR_EVER,
        # Always said: left out, the client takes a custom endpoint to mean WebSockets.
        "transport_type": TransportType.AmqpOverWebsocket if websocket else TransportType.Amqp,
        "custom_endpoint_address": access.endpoint,
        "connection_verify": None if access.ca_file is None else str(access.ca_file),
        "http_proxy": access.proxy_options(),
    }
    return {name: value for name, value in options.items() if value is not None}


class Stopped(Exception):  # noqa: N818 - no error: how `deliver` says that reading shall end
    """Raised by `deliver` to end a link at once; the client's own way out waits in whole seconds."""


class _Link:
    """The callbacks of one `receive_batch` and what they have seen."""

    def __init__(self, deliver: Deliver, address: Address, silence: float) -> None:
        self._deliver = deliver
        self._address = address
        self._silence = silence
        self._failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self._closed = asyncio.Event()
        self._beat = time.monotonic()
        self._busy = False
        self._receiver: asyncio.Task[Any] | None = None

    async def on_batch(self, _context: object, events: Sequence[Any]) -> None:
        if self._receiver not in (None, asyncio.current_task()):
            raise unopened(self._address)
        self._receiver = asyncio.current_task()
        self._busy = True
        try:
            await self._deliver([_arrived(event) for event in events])
        finally:
            self._busy = False
            self._beat = time.monotonic()

    async def on_error(self, _context: object, error: Exception) -> None:
        if not self._failed.done():
            self._failed.set_result(error)

    async def on_close(self, _context: object, _reason: object) -> None:
        self._closed.set()

    async def ended(self, task: "asyncio.Task[None]") -> Exception:
        """Wait for the end of the link; return its reason."""
        either: list[asyncio.Future[Any]] = [self._failed, task]
        while not self._failed.done():
            await asyncio.wait(either, timeout=1, return_when=asyncio.FIRST_COMPLETED)
            silent = not self._busy and time.monotonic() - self._beat > self._silence
            if not self._failed.done() and (task.done() or silent):
                return _raised(task) or unopened(self._address)
        return self._failed.result()

    async def end(self, task: "asyncio.Task[None]") -> None:
        """Stop the client's own loop. It polls once a second for its end, so wait for the link's close first."""
        if self._failed.done():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), 2)
            await asyncio.sleep(0)  # the client forgets the partition one step after it has told us
        task.cancel()
        await asyncio.wait({task}, timeout=5)


def _raised(task: "asyncio.Task[None]") -> Exception | None:
    """Return what a finished task raised, such as that the client has not yet let the former link go."""
    error = task.exception() if task.done() and not task.cancelled() else None
    return error if isinstance(error, Exception) else None


def _arrived(event: Any) -> Arrived:
    from azure.eventhub.amqp import AmqpMessageBodyType

    raw = event.body_type == AmqpMessageBodyType.DATA
    return Arrived(
        event.sequence_number,
        str(event.offset),
        event.enqueued_time.astimezone(UTC),
        b"".join(event.body) if raw else str(event.body).encode(),  # Azure Monitor sends data; others become rejects
    )
