"""Links whose messages come from the client: producers, and requests to `$cbs` and `$management`.

Source: OASIS AMQP 1.0 part 2, section 2.6.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from acrwatch.devhub.message import IncomingMessage, Request, parse_request, unpack
from acrwatch.devhub.performatives import Attach, Disposition, Flow, Performative, Transfer, error_value
from acrwatch.devhub.refusal import DECODE_ERROR, MESSAGE_TOO_LARGE, RefusedError
from acrwatch.devhub.wire_types import AmqpDecodeError, Described, ULong

MAX_MESSAGE_SIZE: Final = 1_048_576  # Event Hubs' limit for a message or batch
_CREDIT: Final = 300  # deliveries a client may have under way; topped up at half
_ACCEPTED: Final = Described(ULong(0x24), [])


class SessionPort(Protocol):
    """What a link needs of its session."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that all of this runs on."""
        ...

    def send(self, performative: Performative) -> None:
        """Send a performative on the session's channel."""
        ...

    def send_flow(self, handle: int, delivery_count: int, credit: int) -> None:
        """Send a link's flow state together with the session's windows."""
        ...

    def try_deliver(self, handle: int, payload: bytes) -> bool:
        """Send one settled delivery, or return False while window or socket is full; links are pumped again later."""
        ...

    def detach(self, handle: int, condition: str, description: str) -> None:
        """Close a link with an error."""
        ...


class Link(Protocol):
    """Either end of a link as its session sees it."""

    def reply(self) -> Attach:
        """Return the Attach that accepts the link."""
        ...

    def opened(self) -> None:
        """Run once the Attach is sent."""
        ...

    def on_flow(self, flow: Flow) -> None:
        """Take the client's flow state."""
        ...

    def on_transfer(self, transfer: Transfer, payload: bytes) -> None:
        """Take one transfer frame."""
        ...

    def pump(self) -> None:
        """Send what can be sent."""
        ...

    def closed(self) -> None:
        """Let go of everything; the link is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """A complete message from the client."""

    delivery_id: int
    message_format: int
    settled: bool
    payload: bytes


class IncomingLink:
    """Collects transfer frames into deliveries, hands them on, settles them, keeps the client in credit."""

    def __init__(self, session: SessionPort, attach: Attach, take: Callable[[Delivery], None]) -> None:
        self._session = session
        self._attach = attach
        self._take = take
        self._delivery_count = attach.initial_delivery_count or 0
        self._credit = 0
        self._first: Transfer | None = None
        self._parts = bytearray()

    def reply(self) -> Attach:
        return Attach(
            name=self._attach.name,
            handle=self._attach.handle,
            role=True,
            snd_settle_mode=self._attach.snd_settle_mode,
            source=self._attach.source,
            target=self._attach.target,
            max_message_size=MAX_MESSAGE_SIZE,
        )

    def opened(self) -> None:
        self._grant_credit()

    def on_flow(self, flow: Flow) -> None:
        if flow.echo:
            self._grant_credit()

    def on_transfer(self, transfer: Transfer, payload: bytes) -> None:
        if transfer.aborted:
            self._first, self._parts = None, bytearray()
            return
        self._first = self._first or transfer
        if len(self._parts) + len(payload) > MAX_MESSAGE_SIZE:
            message = f"The message exceeds the maximum of {MAX_MESSAGE_SIZE} bytes of the link."
            self._session.detach(self._attach.handle, MESSAGE_TOO_LARGE, message)
            return
        self._parts += payload
        if not transfer.more:
            first, parts = self._first, bytes(self._parts)
            self._first, self._parts = None, bytearray()
            self._complete(Delivery(first.delivery_id or 0, first.message_format or 0, bool(first.settled), parts))

    def pump(self) -> None:
        """Nothing to send: data flows the other way."""

    def closed(self) -> None:
        """Nothing to let go of: what was taken is stored."""

    def _complete(self, delivery: Delivery) -> None:
        self._delivery_count += 1
        self._credit -= 1
        self._settle(delivery, self._outcome(delivery))
        if self._credit <= _CREDIT // 2:
            self._grant_credit()

    def _outcome(self, delivery: Delivery) -> Described:
        try:
            self._take(delivery)
        except AmqpDecodeError as error:
            return _rejected(DECODE_ERROR, str(error))
        except RefusedError as error:
            return _rejected(error.condition, error.description)
        return _ACCEPTED

    def _settle(self, delivery: Delivery, state: Described) -> None:
        if not delivery.settled:
            self._session.send(
                Disposition(role=True, first=delivery.delivery_id, last=delivery.delivery_id, settled=True, state=state)
            )

    def _grant_credit(self) -> None:
        self._credit = _CREDIT
        self._session.send_flow(self._attach.handle, self._delivery_count, self._credit)


def _rejected(condition: str, description: str) -> Described:
    return Described(ULong(0x25), [error_value(condition, description)])


def producer_take(append: Callable[[list[IncomingMessage]], object]) -> Callable[[Delivery], None]:
    """Return a taker that unpacks deliveries (single or batch) for `append`."""

    def take(delivery: Delivery) -> None:
        append(unpack(delivery.payload, delivery.message_format))

    return take


def request_take(answer: Callable[[Request], bytes], respond: Callable[[bytes], None]) -> Callable[[Delivery], None]:
    """Return a taker that answers requests and hands the replies to `respond`."""

    def take(delivery: Delivery) -> None:
        respond(answer(parse_request(delivery.payload)))

    return take
