"""The only module that imports the Azure client: what we ask of an event hub, and what its errors mean.

The client (azure-eventhub 5.15, asyncio) is used with a retry budget of zero, so that every lost link comes back to
us. Left to itself it counts retries over the life of a consumer and gives up silently, and it retries a failed
*re*-open for ever without a pause and without telling (15 connects a second): our own supervision does both better.
"""

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from acrwatch.core.errors import AcrWatchError, AuthError, NotFoundError, RemoteUnreachableError
from ingest.eventhub.address import Address

# It warns of every end of a link, our own Stopped included; what matters of that we report ourselves.
_processor_log: Final = logging.getLogger("azure.eventhub.aio._eventprocessor")

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
_REFUSALS: Final = ("AuthenticationError", "ClientAuthenticationError", "CredentialUnavailableError")
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

    def __init__(self, address: Address, prefetch: int, heartbeat: float) -> None:
        self._address = address
        self._prefetch = prefetch
        self._heartbeat = heartbeat
        self._credential: Any = None
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
        raise error if isinstance(error, AcrWatchError | Stopped) else translate(error, self._address)

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
            raise translate(error, self._address) from error

    def _connect(self) -> Any:
        from azure.eventhub.aio import EventHubConsumerClient

        _processor_log.setLevel(_processor_log.level or logging.ERROR)
        options: dict[str, Any] = {
            "retry_total": 0,
            "retry_backoff_factor": 0,
            "idle_timeout": IDLE_SECONDS,
            "auth_timeout": CALL_SECONDS,
            "load_balancing_interval": _FOR_EVER,
        }
        address = self._address
        if address.connection_string is not None:
            return EventHubConsumerClient.from_connection_string(
                address.connection_string.reveal(),
                address.consumer_group,
                eventhub_name=address.eventhub,
                **options,
            )
        from azure.identity.aio import DefaultAzureCredential

        self._credential = DefaultAzureCredential()
        return EventHubConsumerClient(
            address.namespace, address.eventhub, address.consumer_group, self._credential, **options
        )


class Stopped(Exception):  # noqa: N818 - no error: how `deliver` says that reading shall end
    """Raised by `deliver` to end a link at once; the client's own way out waits in whole seconds."""


class StolenError(RemoteUnreachableError):
    """Another reader of the consumer group has attached to the partition and taken the link over."""


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
            raise _refused(self._address)
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
                return _refused(self._address)
        return self._failed.result()

    async def end(self, task: "asyncio.Task[None]") -> None:
        """Stop the client's own loop. It polls once a second for its end, so wait for the link's close first."""
        if self._failed.done():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), 2)
            await asyncio.sleep(0)  # the client forgets the partition one step after it has told us
        task.cancel()
        await asyncio.wait({task}, timeout=5)


def _refused(address: Address) -> AcrWatchError:
    return RemoteUnreachableError(
        f"event hub {address.eventhub!r} at {address.namespace} answers, but opens no receiver",
        remedy=f"Check that the consumer group {address.consumer_group!r} exists and has fewer than 5 readers, and "
        "that the key or role may listen",
    )


def _arrived(event: Any) -> Arrived:
    from azure.eventhub.amqp import AmqpMessageBodyType

    raw = event.body_type == AmqpMessageBodyType.DATA
    return Arrived(
        event.sequence_number,
        str(event.offset),
        event.enqueued_time.astimezone(UTC),
        b"".join(event.body) if raw else str(event.body).encode(),  # Azure Monitor sends data; others become rejects
    )


def translate(error: BaseException, address: Address) -> AcrWatchError:
    """Return our error for one of the client's: one line, the hub and namespace named, never a key."""
    condition = str(getattr(error, "error", "") or "")
    status = re.search(r"Status code: (\d+)", str(error))  # of the token exchange; the client keeps it in words only
    kind = type(error).__name__
    where = f"event hub {address.eventhub!r} at {address.namespace}"
    words = _first_line(error, address)
    if "link:stolen" in f"{condition} {error}":
        return StolenError(
            f"another reader took over a partition of {where} (consumer group {address.consumer_group!r})",
            remedy="Between processes of one state database that is the balance; give anything else a group of its own",
        )
    missing = condition == "not-found" or (status is not None and status[1] == "404")
    if not missing and (kind in _REFUSALS or condition == "unauthorized-access"):
        return AuthError(
            f"{where} refused our credentials ({words})",
            remedy="Use a key of a rule with the Listen claim, or give our identity the role 'Azure Event Hubs Data "
            "Receiver'",
        )
    if missing:
        return NotFoundError(
            f"{where} or its consumer group {address.consumer_group!r} does not exist ({words})",
            remedy="Check eventhub, consumer_group and the namespace",
        )
    return RemoteUnreachableError(
        f"{where} cannot be reached ({words})",
        remedy="Check the network (port 5671) and that the namespace exists; a running service tries again by itself",
    )


def _first_line(error: BaseException, address: Address) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    words = next((line.removeprefix("Description: ") for line in lines if line.startswith("Description: ")), lines[0])
    if address.connection_string is not None:
        for part in address.connection_string.reveal().split(";"):
            key, _, value = part.partition("=")
            if key.strip().casefold() in ("sharedaccesskey", "sharedaccesssignature") and value:
                words = words.replace(value, "********")
    return words[:300]
