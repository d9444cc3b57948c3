"""Links whose messages go to the client: readers of a partition, and replies of `$cbs` and `$management`."""

import contextlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable

from acrwatch.core.clock import Clock
from acrwatch.devhub.hub import milliseconds
from acrwatch.devhub.links import MAX_MESSAGE_SIZE, SessionPort
from acrwatch.devhub.log import PartitionLog, StoredMessage
from acrwatch.devhub.message import DELIVERY_ANNOTATIONS, header_size, section
from acrwatch.devhub.performatives import Attach, Flow, Transfer
from acrwatch.devhub.refusal import LINK_STOLEN
from acrwatch.devhub.wire_types import Array, Symbol, Timestamp

EPOCH = Symbol("com.microsoft:epoch")
RUNTIME_METRIC = Symbol("com.microsoft:enable-receiver-runtime-metric")


class OutgoingLink(ABC):
    """Sends settled deliveries as far as the client's credit goes. `_peek` says what comes next."""

    def __init__(self, session: SessionPort, attach: Attach) -> None:
        self._session = session
        self._attach = attach
        self._delivery_count = 0
        self._credit = 0

    def reply(self) -> Attach:
        return Attach(
            name=self._attach.name,
            handle=self._attach.handle,
            role=False,
            snd_settle_mode=1,
            rcv_settle_mode=self._attach.rcv_settle_mode,
            source=self._attach.source,
            target=self._attach.target,
            initial_delivery_count=0,
            max_message_size=MAX_MESSAGE_SIZE,
            properties=self._attach.properties,
        )

    def opened(self) -> None:  # noqa: B027 - a default, not a gap
        """Nothing to do before the client grants credit."""

    def on_flow(self, flow: Flow) -> None:
        if flow.link_credit is not None:
            # part 2 section 2.6.7: credit counts from the delivery count that the receiver knew of
            self._credit = max(0, (flow.delivery_count or 0) + flow.link_credit - self._delivery_count)
        self.pump()
        if flow.drain and self._peek() is None:
            self._delivery_count += self._credit
            self._credit = 0
        if flow.drain or flow.echo:
            self._session.send_flow(self._attach.handle, self._delivery_count, self._credit)

    def on_transfer(self, transfer: Transfer, payload: bytes) -> None:  # noqa: B027 - a default, not a gap
        """The client cannot send here; ignored."""

    def closed(self) -> None:
        self._credit = 0  # a pump may still be scheduled; it must not send on the dead handle

    def pump(self) -> None:
        while self._credit > 0 and (payload := self._peek()) is not None:
            if not self._session.try_deliver(self._attach.handle, payload):
                return
            self._advance()
            self._credit -= 1
            self._delivery_count += 1

    @abstractmethod
    def _peek(self) -> bytes | None:
        """Return the next message to send, encoded; None while there is none."""

    @abstractmethod
    def _advance(self) -> None:
        """Move past the message that was sent."""


class ReplyLink(OutgoingLink):
    """Carries the answers of a request-response node."""

    def __init__(self, session: SessionPort, attach: Attach) -> None:
        super().__init__(session, attach)
        self._replies: deque[bytes] = deque()

    def respond(self, reply: bytes) -> None:
        """Send an answer, or keep it until there is credit."""
        self._replies.append(reply)
        self.pump()

    def _peek(self) -> bytes | None:
        return self._replies[0] if self._replies else None

    def _advance(self) -> None:
        self._replies.popleft()


class ConsumerLink(OutgoingLink):
    """Reads a partition from a sequence number on, woken by the log."""

    def __init__(
        self,
        session: SessionPort,
        attach: Attach,
        log: PartitionLog,
        start: int,
        clock: Clock,
        on_closed: Callable[["ConsumerLink"], None],
    ) -> None:
        super().__init__(session, attach)
        self._log = log
        self._clock = clock
        self._next = start
        self._peeked: StoredMessage | None = None
        self._on_closed = on_closed
        self._woken = False
        self._measured = RUNTIME_METRIC in _symbols(attach.desired_capabilities)

    @property
    def epoch(self) -> int | None:
        epoch = (self._attach.properties or {}).get(EPOCH)
        return epoch if isinstance(epoch, int) else None

    def steal(self, description: str) -> None:
        self._session.detach(self._attach.handle, LINK_STOLEN, description)

    def opened(self) -> None:
        self._log.subscribe(self._wake)

    def closed(self) -> None:
        super().closed()
        self._log.unsubscribe(self._wake)
        self._on_closed(self)

    def pump(self) -> None:
        self._woken = False  # before reading: an append after this schedules another pump
        super().pump()

    def _wake(self) -> None:
        """Called in whatever thread appends; at most one pump is scheduled at a time."""
        if not self._woken:
            self._woken = True
            with contextlib.suppress(RuntimeError):  # the loop closed between the append and this call
                self._session.loop.call_soon_threadsafe(self.pump)

    def _peek(self) -> bytes | None:
        self._peeked = self._log.read(self._next)
        if self._peeked is None:
            return None
        return self._with_metrics(self._peeked.payload) if self._measured else self._peeked.payload

    def _advance(self) -> None:
        assert self._peeked is not None
        self._next = self._peeked.sequence_number + 1

    def _with_metrics(self, payload: bytes) -> bytes:
        state = self._log.state()
        metrics = {
            Symbol("last_enqueued_sequence_number"): state.last_sequence_number,
            Symbol("last_enqueued_offset"): str(state.last_offset),
            Symbol("last_enqueued_time_utc"): Timestamp(state.last_enqueued_ms),
            Symbol("runtime_info_retrieval_time_utc"): Timestamp(milliseconds(self._clock.now())),
        }
        cut = header_size(payload)
        return payload[:cut] + section(DELIVERY_ANNOTATIONS, metrics) + payload[cut:]


def _symbols(value: object) -> tuple[object, ...]:
    """A field that may be repeated is one symbol or an array of them."""
    return value.items if isinstance(value, Array) else (value,)
