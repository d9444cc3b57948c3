"""One TCP connection: protocol headers, SASL, Open and Close, heartbeats, and the way to its sessions.

Source: OASIS AMQP 1.0 part 2 section 2.4 and part 5 section 5.3. SASL is ANONYMOUS: rights come from `$cbs`, per
connection.
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from typing import Final, cast

from acrwatch.devhub.attaching import Attached
from acrwatch.devhub.broker import Access, Broker
from acrwatch.devhub.frames import (
    AMQP_FRAME,
    AMQP_HEADER,
    EMPTY_FRAME,
    MAX_FRAME_SIZE,
    MIN_MAX_FRAME_SIZE,
    SASL_FRAME,
    SASL_HEADER,
    Frame,
    FrameReader,
    frame_bytes,
)
from acrwatch.devhub.performatives import (
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Flow,
    Open,
    Performative,
    SaslInit,
    SaslMechanisms,
    SaslOutcome,
    Transfer,
    decode_performative,
    error_value,
)
from acrwatch.devhub.refusal import (
    CONNECTION_FORCED,
    DECODE_ERROR,
    FRAMING_ERROR,
    INVALID_FIELD,
    NOT_ALLOWED,
    RefusedError,
)
from acrwatch.devhub.session import Session
from acrwatch.devhub.wire_types import AmqpDecodeError, Array, Symbol

logger = logging.getLogger(__name__)

_MAX_CHANNELS: Final = 256
_UNSENT_LIMIT: Final = 1_048_576  # bytes waiting for the socket before links pause
_FLUSH_AT: Final = 131_072  # small frames are gathered up to here: one system call instead of hundreds
_CLOSE_GRACE: Final = 1.0  # seconds
# Seconds between two looks at the tokens: the clock may be one that tests move, so no timer can be set by it.
_TOKEN_CHECK: Final = 0.25
_ANONYMOUS: Final = Symbol("ANONYMOUS")


class Connection(asyncio.Protocol):
    """The server side of one connection. Runs on the event loop only."""

    def __init__(
        self,
        broker: Broker,
        loop: asyncio.AbstractEventLoop,
        idle_timeout: float,
        on_made: Callable[["Connection"], None],
        on_lost: Callable[["Connection"], None],
    ) -> None:
        """`on_made` is called once the connection is open, under TLS after its handshake, and only then `on_lost`."""
        self.loop = loop
        self.lost = asyncio.Event()
        self.peer_max_frame_size = MIN_MAX_FRAME_SIZE
        self._broker = broker
        self._access = Access(broker)
        self._idle_timeout = idle_timeout
        self._on_made = on_made
        self._on_lost = on_lost
        self._reader = FrameReader()
        self._step: Callable[[], bool] = self._await_header
        self._sessions: dict[int, Session] = {}
        self._transport: asyncio.Transport | None = None
        self._unsent: list[bytes | memoryview] = []
        self._unsent_size = 0
        self._paused = False
        self._frozen = False
        self._heartbeat: asyncio.TimerHandle | None = None
        self._token_check: asyncio.TimerHandle | None = None
        self._peer_idle_timeout: float | None = None
        self._last_read = loop.time()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_UNSENT_LIMIT)
        self._schedule_heartbeat()
        self._token_check = self.loop.call_later(_TOKEN_CHECK, self._check_tokens)
        self._on_made(self)

    def connection_lost(self, exc: Exception | None) -> None:
        logger.debug("Connection lost: %s", exc)
        self._cancel_timers()
        self._end_sessions()
        self._transport = None
        self.lost.set()
        self._on_lost(self)

    def data_received(self, data: bytes) -> None:
        self._last_read = self.loop.time()
        self._reader.feed(data)
        try:
            while self._transport is not None and self._step():
                pass
        except AmqpDecodeError as error:
            self._break_off(DECODE_ERROR, error.message)
        except RefusedError as error:
            self._break_off(error.condition, error.description)

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        for session in tuple(self._sessions.values()):
            session.pump()

    # what sessions need

    @property
    def can_write(self) -> bool:
        return not self._paused and not self._frozen

    def send(self, channel: int, performative: Performative) -> None:
        self.write(frame_bytes(channel, performative.encode()))

    def write(self, *parts: bytes | memoryview) -> None:
        if not self._unsent:
            self.loop.call_soon(self._flush)
        self._unsent.extend(parts)
        self._unsent_size += sum(map(len, parts))
        if self._unsent_size >= _FLUSH_AT:
            self._flush()

    def _flush(self) -> None:
        if self._frozen:
            return
        unsent, self._unsent, self._unsent_size = self._unsent, [], 0
        if unsent and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(unsent))

    # ending

    def close(
        self, condition: str = CONNECTION_FORCED, description: str = "The connection was closed by the service"
    ) -> None:
        """Send Close with an error, wait a little for the client's Close, hang up."""
        logger.debug("Closing connection: %s: %s", condition, description)
        self._end_sessions()
        self.send(0, Close(error=error_value(condition, description)))
        self._flush()
        self._step = self._await_close
        # Hanging up at once could let a TCP reset overtake the Close while the client is sending.
        self.loop.call_later(_CLOSE_GRACE, self._hang_up)

    def _break_off(self, condition: str, description: str) -> None:
        """Close at once: what follows on this stream cannot be trusted."""
        self.close(condition, description)
        self._hang_up()

    def abort(self, *, reset: bool) -> None:
        """Drop the connection without a word: with a TCP reset, or else a plain end of stream."""
        if self._transport is None:
            return
        sock: socket.socket | None = self._transport.get_extra_info("socket")
        # Under TLS there is none any more once the client has hung up, and the moment before it is one that is closed.
        if reset and sock is not None and sock.fileno() != -1:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def freeze(self) -> None:
        """Go silent for good without closing: nothing is read, written or answered from now on."""
        self._frozen = True
        self._cancel_timers()
        if self._transport is not None:
            self._transport.pause_reading()

    def detach_links(self, chosen: Callable[[Attached], bool], condition: str, description: str) -> int:
        """Close the chosen links with an error; return how many."""
        return sum(session.detach_where(chosen, condition, description) for session in self._sessions.values())

    def _end_sessions(self) -> None:
        for session in self._sessions.values():
            session.closed()
        self._sessions.clear()

    def _hang_up(self) -> None:
        self._flush()
        if self._transport is not None:
            self._transport.close()

    # reading, one step at a time; a step returns whether it found something

    def _await_header(self) -> bool:
        header = self._reader.protocol_header()
        if header is None:
            return False
        if header == SASL_HEADER:
            self.write(SASL_HEADER)
            self.write(frame_bytes(0, SaslMechanisms(mechanisms=Array((_ANONYMOUS,))).encode(), SASL_FRAME))
            self._step = self._await_sasl_init
        elif header == AMQP_HEADER:
            self.write(AMQP_HEADER)
            self._step = self._await_open
        else:  # part 2 section 2.2: answer with what is supported, then close
            self.write(SASL_HEADER)
            self._hang_up()
        return True

    def _await_sasl_init(self) -> bool:
        frame = self._next_frame(SASL_FRAME)
        if frame is None:
            return False
        init, _ = decode_performative(frame.body, sasl=True)
        accepted = isinstance(init, SaslInit) and init.mechanism == _ANONYMOUS
        self.write(frame_bytes(0, SaslOutcome(code=0 if accepted else 1).encode(), SASL_FRAME))
        self._step = self._await_header
        if not accepted:
            self._hang_up()
        return True

    def _await_open(self) -> bool:
        frame = self._next_frame(AMQP_FRAME)
        if frame is None:
            return False
        performative, _ = decode_performative(frame.body)
        if not isinstance(performative, Open):
            raise RefusedError(NOT_ALLOWED, "The first frame must be an Open")
        self._open(performative)
        self._step = self._await_frame
        return True

    def _open(self, request: Open) -> None:
        if request.max_frame_size < MIN_MAX_FRAME_SIZE:
            raise RefusedError(INVALID_FIELD, f"max-frame-size must be at least {MIN_MAX_FRAME_SIZE}")
        self.peer_max_frame_size = min(request.max_frame_size, MAX_FRAME_SIZE)
        self._peer_idle_timeout = request.idle_timeout_ms / 1000 if request.idle_timeout_ms else None
        self._schedule_heartbeat()
        self.send(
            0,
            Open(
                container_id="acrwatch-devhub",
                max_frame_size=MAX_FRAME_SIZE,
                channel_max=_MAX_CHANNELS - 1,
                idle_timeout_ms=int(self._idle_timeout * 1000),
            ),
        )

    def _await_close(self) -> bool:
        frame = self._next_frame(AMQP_FRAME)
        if frame is None:
            return False
        if frame.body and isinstance(decode_performative(frame.body)[0], Close):
            self._hang_up()
        return True

    def _next_frame(self, kind: int) -> Frame | None:
        frame = self._reader.frame()
        if frame is not None and frame.kind != kind:
            raise RefusedError(FRAMING_ERROR, f"Frame type {frame.kind} is not expected here")
        return frame

    def _await_frame(self) -> bool:
        frame = self._next_frame(AMQP_FRAME)
        if frame is None:
            return False
        if frame.body:
            self._dispatch(frame)
        return True

    def _dispatch(self, frame: Frame) -> None:
        performative, payload_start = decode_performative(frame.body)
        match performative:
            case Begin():
                self._begin(frame.channel, performative)
            case Close():
                self.send(0, Close())
                self._hang_up()
            case Open():
                raise RefusedError(NOT_ALLOWED, "A second Open")
            case _ if frame.channel in self._sessions:
                self._to_session(frame.channel, performative, frame.body[payload_start:])
            case _:
                # The Azure client sends the Detach of a link after the End of its session.
                logger.debug("Ignored %s on unknown channel %d", type(performative).__name__, frame.channel)

    def _begin(self, channel: int, begin: Begin) -> None:
        if channel in self._sessions or channel >= _MAX_CHANNELS:
            raise RefusedError(NOT_ALLOWED, f"Channel {channel} is in use or above {_MAX_CHANNELS - 1}")
        self._sessions[channel] = Session(self, channel, begin, self._broker, self._access)

    def _to_session(self, channel: int, performative: Performative, payload: bytes) -> None:
        session = self._sessions[channel]
        match performative:
            case Transfer():
                session.on_transfer(performative, payload)
            case Flow():
                session.on_flow(performative)
            case Attach():
                session.on_attach(performative)
            case Detach():
                session.on_detach(performative)
            case Disposition():
                pass  # everything is sent settled
            case End():
                self._sessions.pop(channel).closed()
                self.send(channel, End())

    # timers

    def _cancel_timers(self) -> None:
        for timer in (self._heartbeat, self._token_check):
            if timer is not None:
                timer.cancel()

    def _check_tokens(self) -> None:
        for session in self._sessions.values():
            session.detach_expired()
        self._token_check = self.loop.call_later(_TOKEN_CHECK, self._check_tokens)

    def _schedule_heartbeat(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        # Half of what either side tolerates, part 2 section 2.4.5.
        interval = min(self._idle_timeout, self._peer_idle_timeout or self._idle_timeout) / 2
        self._heartbeat = self.loop.call_later(interval, self._on_heartbeat)

    def _on_heartbeat(self) -> None:
        silence = self.loop.time() - self._last_read
        if silence > self._idle_timeout:
            self.close(CONNECTION_FORCED, f"Nothing was received for {silence:.0f} seconds")
            return
        self.write(EMPTY_FRAME)
        self._schedule_heartbeat()
