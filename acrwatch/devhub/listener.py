"""The listening socket and its connections, and the faults that tests ask for. Runs on the event loop only."""

import asyncio
import contextlib
import ipaddress
import socket

from acrwatch.core.errors import ConfigError
from acrwatch.devhub.broker import Broker
from acrwatch.devhub.connection import Connection


def loopback_address(host: str) -> str:
    """Return the address to bind for a host name.

    Raises:
        ConfigError: it is not a loopback address. This endpoint has no TLS and must not be reachable from elsewhere.
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
    """Accepts connections on a bound socket."""

    def __init__(self, broker: Broker, sock: socket.socket, idle_timeout: float) -> None:
        self._broker = broker
        self._idle_timeout = idle_timeout
        self._socket = sock
        self._address: tuple[str, int] = sock.getsockname()[:2]
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._all_lost = asyncio.Event()

    async def accept(self) -> None:
        """Listen; harmless if it does already.

        Raises:
            ConfigError: somebody else took the port.
        """
        if self._server is None:
            loop = asyncio.get_running_loop()
            try:
                self._server = await loop.create_server(self._new_connection, sock=self._socket)
            except OSError as error:
                raise _unusable(self._address, error) from error

    async def refuse(self) -> None:
        """Stop listening but keep the port, so that nobody else takes it; open connections stay."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._socket = bind(*self._address)

    async def abort(self, *, reset: bool) -> None:
        """Drop all connections and wait until they are gone."""
        for connection in tuple(self._connections):
            connection.abort(reset=reset)
        await self._until_all_lost()

    async def freeze(self) -> None:
        """Let all connections go silent without closing them."""
        for connection in self._connections:
            connection.freeze()

    async def close_connections(self) -> None:
        """Send Close to all connections and wait until they are gone."""
        for connection in tuple(self._connections):
            connection.close()
        await self._until_all_lost()

    async def stop(self) -> None:
        """Let go of the port and of all connections."""
        if self._server is not None:
            self._server.close()
        self._socket.close()
        await self.abort(reset=False)

    def connection_count(self) -> int:
        """Return how many connections are open."""
        return len(self._connections)

    async def _until_all_lost(self) -> None:
        self._all_lost.clear()
        while self._connections:
            await self._all_lost.wait()

    def _new_connection(self) -> Connection:
        connection = Connection(self._broker, asyncio.get_running_loop(), self._idle_timeout, self._lost)
        self._connections.add(connection)
        return connection

    def _lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._all_lost.set()
