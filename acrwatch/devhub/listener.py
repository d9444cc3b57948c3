"""The listening socket and its connections, and the faults that tests ask for. Runs on the event loop only."""

import asyncio
import contextlib
import ipaddress
import logging
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Final

from acrwatch.core.errors import ConfigError
from acrwatch.devhub.attaching import Attached
from acrwatch.devhub.broker import Broker
from acrwatch.devhub.connection import Connection

logger = logging.getLogger(__name__)

_HANDSHAKE_TIMEOUT: Final = 5.0  # seconds; on loopback it takes milliseconds
_BACKLOG: Final = 100  # connections that wait to be taken, as asyncio has it


def loopback_address(host: str) -> str:
    """Return the address to bind for a host name.

    Raises:
        ConfigError: it is not a loopback address. This endpoint is for development: nobody else may reach it.
    """
    address = "127.0.0.1" if host == "localhost" else host
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(address).is_loopback:
            return address
    raise ConfigError(f"The development hub listens on loopback only, not on '{host}'", remedy="Use 127.0.0.1")


def bind(address: str, port: int) -> socket.socket:
    """Return a socket that holds the port but does not listen yet: connecting to it is refused.

    Raises:
        ConfigError: the port is taken or not allowed.
    """
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((address, port))
    except (OSError, OverflowError) as error:
        sock.close()
        raise _unusable((address, port), error) from error
    return sock


def _unusable(address: tuple[str, int], error: Exception) -> ConfigError:
    return ConfigError(
        f"Cannot listen on {address[0]} port {address[1]}: {error}", remedy="Choose another port, or 0 for any"
    )


class Listener:
    """Accepts connections on a bound socket, under TLS if there is a context for it."""

    def __init__(
        self, broker: Broker, sock: socket.socket, idle_timeout: float, tls: ssl.SSLContext | None = None
    ) -> None:
        self._broker = broker
        self._idle_timeout = idle_timeout
        self._tls = tls
        self._socket = sock
        self._address: tuple[str, int] = sock.getsockname()[:2]
        self._listening = False
        self._openings: dict[asyncio.Task[None], socket.socket] = {}
        self._connections: set[Connection] = set()
        self.connections_made = 0

    async def accept(self) -> None:
        """Listen; harmless if it does already.

        Accepting is done here, for a connection that `asyncio.Server` is about to open when it is closed is leaked
        (CPython 3.11).

        Raises:
            ConfigError: somebody else took the port.
        """
        if self._listening:
            return
        try:
            self._socket.listen(_BACKLOG)
        except OSError as error:
            raise _unusable(self._address, error) from error
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket, self._take)
        self._listening = True

    async def refuse(self) -> None:
        """Stop listening but keep the port, so that nobody else takes it; open connections stay."""
        if self._listening:
            self._stop_listening()
            self._socket = bind(*self._address)

    async def abort(self, *, reset: bool) -> None:
        """Drop all connections, those being opened too, and wait until they are gone."""
        openings = dict(self._openings)
        for opening in openings:
            opening.cancel()
        await asyncio.gather(*openings, return_exceptions=True)
        for half_open in openings.values():
            half_open.close()
        dropped = tuple(self._connections)
        for connection in dropped:
            connection.abort(reset=reset)
        await _until_lost(dropped)

    async def recreate_hub(self, name: str) -> None:
        """Empty a hub and drop all connections, so that no link goes on with the old log.

        Raises:
            NotFoundError: there is none of that name.
        """
        self._broker.recreate(name)
        await self.abort(reset=False)

    async def detach_links(self, chosen: Callable[[Attached], bool], condition: str, description: str) -> int:
        """Close the chosen links with an error; return how many."""
        return sum(connection.detach_links(chosen, condition, description) for connection in self._connections)

    async def freeze(self) -> None:
        """Let all connections go silent without closing them."""
        for connection in self._connections:
            connection.freeze()

    async def close_connections(self) -> None:
        """Send Close to all connections and wait until they are gone."""
        closed = tuple(self._connections)
        for connection in closed:
            connection.close()
        await _until_lost(closed)

    async def stop(self) -> None:
        """Let go of the port and of all connections."""
        self._stop_listening()
        await self.abort(reset=False)

    def connection_count(self) -> int:
        """Return how many connections are open."""
        return len(self._connections)

    def _stop_listening(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._listening = False

    def _take(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):  # it has gone again
            connection, _ = self._socket.accept()
            opening = asyncio.get_running_loop().create_task(self._open(connection))
            self._openings[opening] = connection
            opening.add_done_callback(self._openings.pop)

    async def _open(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._new_connection,
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=_HANDSHAKE_TIMEOUT if self._tls else None,
            )
        except OSError as error:  # of TLS, too
            logger.debug("A connection could not be opened: %s", error)
            connection.close()

    def _new_connection(self) -> Connection:
        loop = asyncio.get_running_loop()
        return Connection(self._broker, loop, self._idle_timeout, self._made, self._connections.discard)

    def _made(self, connection: Connection) -> None:
        self._connections.add(connection)
        self.connections_made += 1


async def _until_lost(connections: Iterable[Connection]) -> None:
    """Wait for these alone: clients reconnect meanwhile, and those connections stay."""
    for connection in connections:
        await connection.lost.wait()
