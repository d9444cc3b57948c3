"""Sessions: windows, handles, and the way from a frame to its link. Source: OASIS AMQP 1.0 part 2, section 2.5."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from acrwatch.devhub.attaching import Attached, make_link
from acrwatch.devhub.broker import Access, Broker
from acrwatch.devhub.consumer import ReplyLink
from acrwatch.devhub.frames import transfer_frames
from acrwatch.devhub.performatives import (
    Attach,
    Begin,
    Detach,
    Flow,
    Performative,
    Transfer,
    error_value,
)
from acrwatch.devhub.refusal import NOT_ALLOWED, UNATTACHED_HANDLE, UNAUTHORIZED, RefusedError

# Transfer frames the client may send before a new Flow. The Azure client counts whole deliveries instead of frames, so
# it overruns any window: the window is announced anew at half, and an overrun is not punished.
WINDOW: Final = 4096
_SERIAL: Final = 2**32  # transfer and delivery ids wrap, part 2 section 2.8.10
_MAX_LINKS: Final = 256


class ConnectionPort(Protocol):
    """What a session needs of its connection."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that all of this runs on."""
        ...

    @property
    def peer_max_frame_size(self) -> int:
        """The largest frame to send."""
        ...

    @property
    def can_write(self) -> bool:
        """False while the socket is behind."""
        ...

    def send(self, channel: int, performative: Performative) -> None:
        """Send a performative."""
        ...

    def write(self, *parts: bytes | memoryview) -> None:
        """Send raw frame bytes."""
        ...


class Session:
    """One session of one connection. Link handles are the client's, used for both directions."""

    def __init__(self, connection: ConnectionPort, channel: int, begin: Begin, broker: Broker, access: Access) -> None:
        self._connection = connection
        self._channel = channel
        self._broker = broker
        self._access = access
        self._links: dict[int, Attached] = {}
        self._next_incoming_id = begin.next_outgoing_id
        self._incoming_left = WINDOW
        self._next_outgoing_id = 0
        self._outgoing_left = begin.incoming_window
        self._next_delivery_id = 0
        self._rest: deque[tuple[bytes, memoryview]] = deque()
        self._rest_handle: int | None = None
        self.send(
            Begin(
                remote_channel=channel,
                next_outgoing_id=0,
                incoming_window=WINDOW,
                outgoing_window=WINDOW,
                handle_max=_MAX_LINKS,
            )
        )

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._connection.loop

    def send(self, performative: Performative) -> None:
        self._connection.send(self._channel, performative)

    def send_flow(self, handle: int | None, delivery_count: int | None, credit: int | None) -> None:
        self._incoming_left = WINDOW
        self.send(
            Flow(
                next_incoming_id=self._next_incoming_id,
                incoming_window=WINDOW,
                next_outgoing_id=self._next_outgoing_id,
                outgoing_window=WINDOW,
                handle=handle,
                delivery_count=delivery_count,
                link_credit=credit,
            )
        )

    def try_deliver(self, handle: int, payload: bytes) -> bool:
        if self._rest or self._outgoing_left <= 0 or not self._connection.can_write:
            return False
        size = self._connection.peer_max_frame_size
        self._rest_handle = handle
        self._rest.extend(transfer_frames(self._channel, handle, self._next_delivery_id, payload, size))
        self._next_delivery_id = (self._next_delivery_id + 1) % _SERIAL
        self._send_rest()
        return True

    def _send_rest(self) -> None:
        """Send frames of the current delivery as far as the window goes.

        A delivery must be begun even if the window does not hold all of it: the Azure client opens its window again
        only once it is used up to the last frame.
        """
        while self._rest and self._outgoing_left > 0:
            self._connection.write(*self._rest.popleft())
            self._next_outgoing_id = (self._next_outgoing_id + 1) % _SERIAL
            self._outgoing_left -= 1

    def respond(self, node: str, reply: bytes) -> None:
        for attached in self._links.values():
            if isinstance(attached.link, ReplyLink) and attached.address.hub == node:
                attached.link.respond(reply)
                return
        raise RefusedError(NOT_ALLOWED, f"No link to send the reply of {node} over")

    def detach(self, handle: int, condition: str, description: str) -> None:
        self._forget(handle)
        self.send(Detach(handle=handle, closed=True, error=error_value(condition, description)))

    def detach_where(self, chosen: Callable[[Attached], bool], condition: str, description: str) -> int:
        """Close all links that are chosen, with an error; return how many."""
        handles = [handle for handle, attached in self._links.items() if chosen(attached)]
        for handle in handles:
            self.detach(handle, condition, description)
        return len(handles)

    def detach_expired(self) -> None:
        """Close links whose token expired without another in its place."""
        message = "Unauthorized access. The token of the link has expired (ExpiredToken)."
        self.detach_where(lambda attached: not attached.is_allowed(self._access), UNAUTHORIZED, message)

    def on_attach(self, attach: Attach) -> None:
        """Attach a link, or refuse it with an empty Attach and a Detach that says why."""
        if attach.handle in self._links or len(self._links) >= _MAX_LINKS:
            raise RefusedError(
                UNATTACHED_HANDLE, f"Handle {attach.handle} is in use, or there are {_MAX_LINKS} links already"
            )
        try:
            attached = make_link(self, attach, self._broker, self._access)
        except RefusedError as error:
            self.send(Attach(name=attach.name, handle=attach.handle, role=not attach.role, initial_delivery_count=0))
            self.detach(attach.handle, error.condition, error.description)
            return
        self._links[attach.handle] = attached
        self.send(attached.link.reply())
        attached.link.opened()

    def on_flow(self, flow: Flow) -> None:
        """Take the client's window, then the link's credit."""
        received = flow.next_incoming_id or 0
        under_way = (self._next_outgoing_id - received) % _SERIAL
        self._outgoing_left = max(0, flow.incoming_window - under_way)
        self._send_rest()
        if flow.handle is None and flow.echo:
            self.send_flow(None, None, None)
        elif flow.handle in self._links:
            self._links[flow.handle].link.on_flow(flow)
        self.pump()

    def on_transfer(self, transfer: Transfer, payload: bytes) -> None:
        """Hand a frame to its link. One for a link that was just detached from here is dropped."""
        self._next_incoming_id = (self._next_incoming_id + 1) % _SERIAL
        self._incoming_left -= 1
        if transfer.handle in self._links:
            self._links[transfer.handle].link.on_transfer(transfer, payload)
        if self._incoming_left <= WINDOW // 2:
            self.send_flow(None, None, None)

    def on_detach(self, detach: Detach) -> None:
        """Detach a link; an answer to our own Detach finds none and is ignored."""
        if self._forget(detach.handle):
            self.send(Detach(handle=detach.handle, closed=detach.closed))

    def pump(self) -> None:
        """Let every link send what it can."""
        for attached in tuple(self._links.values()):
            attached.link.pump()

    def closed(self) -> None:
        """Close all links without a word: the session or its connection is gone."""
        for handle in tuple(self._links):
            self._forget(handle)

    def _forget(self, handle: int) -> bool:
        attached = self._links.pop(handle, None)
        if handle == self._rest_handle:
            self._rest.clear()
        if attached is not None:
            attached.link.closed()
        return attached is not None
