"""The development hub as one object: a thread with its own event loop, and methods safe to call from any thread."""

import asyncio
import base64
import logging
import secrets
import threading
from collections.abc import Collection, Coroutine, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from acrwatch.core.clock import Clock, SystemClock
from acrwatch.core.errors import ConfigError
from acrwatch.devhub.attaching import Attached
from acrwatch.devhub.auth import SasVerifier
from acrwatch.devhub.broker import Broker
from acrwatch.devhub.entra import AUDIENCE, LIFETIME, TokenIssuer
from acrwatch.devhub.hub import milliseconds
from acrwatch.devhub.listener import Listener, bind, loopback_address
from acrwatch.devhub.log import Retention
from acrwatch.devhub.message import simple_message
from acrwatch.devhub.refusal import DETACH_FORCED

if TYPE_CHECKING:
    from acrwatch.devhub.tls import LocalAuthority

logger = logging.getLogger(__name__)
T = TypeVar("T")

MAX_PARTITIONS: Final = 32  # what Event Hubs' standard tier allows
_CALL_TIMEOUT: Final = 10.0  # seconds; calls into the loop take milliseconds


class DevHub:
    """A local Event Hubs endpoint for development and tests: AMQP 1.0 on loopback, everything in memory.

    Use as a context manager, or call `start()` and `stop()`. The log lives as long as the object: stopping and
    starting again keeps messages and, if it is free, the port.

    Args:
        hubs: name to number of partitions (1 to 32).
        host: a loopback address.
        port: 0 takes any free one.
        key_name: the shared access policy.
        key: its key; generated if None.
        clock: enqueued times and token expiry come from it.
        retention: what each partition keeps; everything by default.
        consumer_groups: the groups that exist in every hub.
        idle_timeout: seconds of silence after which a connection is closed.
        tls: serve TLS with a certificate made for this object; `ca_pem` is what clients must trust. Such clients need
            `custom_endpoint_address=hub.endpoint`, `transport_type=TransportType.Amqp` and `connection_verify=FILE`.

    Raises:
        ConfigError: a hub, the host or the port is not possible.
    """

    def __init__(
        self,
        *,
        hubs: Mapping[str, int] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        key_name: str = "RootManageSharedAccessKey",
        key: str | None = None,
        clock: Clock | None = None,
        retention: Retention | None = None,
        consumer_groups: Collection[str] = ("$Default",),
        idle_timeout: float = 240.0,
        tls: bool = False,
    ) -> None:
        hubs = {"acr-audit": 4} if hubs is None else hubs
        _check_hubs(hubs)
        self._clock = SystemClock() if clock is None else clock
        self._address = loopback_address(host)
        self._port = port
        self._key_name = key_name
        self._key = key or base64.b64encode(secrets.token_bytes(32)).decode()
        self._idle_timeout = idle_timeout
        self._issuer = TokenIssuer()
        self._authority = _authority() if tls else None
        verifier = SasVerifier(key_name, self._key)
        self._broker = Broker(hubs, consumer_groups, verifier, self._issuer, self._clock, retention or Retention())
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._listener: Listener | None = None
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"DevHub({self._address}:{self._port})"

    def start(self) -> None:
        """Listen, in a thread of its own; harmless when started already.

        Raises:
            ConfigError: the port is taken.
        """
        if self._loop is not None:
            return
        sock = bind(self._address, self._port)
        self._port = sock.getsockname()[1]
        self._stopped.clear()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"devhub-{self._port}", daemon=True)
        self._thread.start()
        context = self._authority.server_context() if self._authority else None
        self._listener = Listener(self._broker, sock, self._idle_timeout, context)
        try:
            self._run(self._listener.accept())
        except ConfigError:
            self.stop()
            raise
        logger.info("Development hub listens on %s port %d", self._address, self._port)

    def stop(self) -> None:
        """Close the port and all connections and end the thread; harmless when stopped already."""
        if self._loop is None or self._listener is None or self._thread is None:
            return
        self._run(self._listener.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CALL_TIMEOUT)
        self._loop.close()
        self._loop = self._thread = self._listener = None
        self._stopped.set()

    def serve_forever(self) -> None:
        """Serve until `stop()` is called from another thread, or until interrupted (KeyboardInterrupt passes on)."""
        with self:
            self._stopped.wait()

    @property
    def port(self) -> int:
        """The TCP port; 0 before the first start if it was to be any."""
        return self._port

    @property
    def connection_string(self) -> str:
        """What clients connect with. It holds the key: do not log it.

        Under TLS clients ignore the port in it: give them `endpoint` as well.
        """
        plain = "" if self._authority else ";UseDevelopmentEmulator=true"
        return f"Endpoint={self.endpoint};SharedAccessKeyName={self._key_name};SharedAccessKey={self._key}{plain}"

    @property
    def endpoint(self) -> str:
        """`sb://HOST:PORT`, for the clients' `custom_endpoint_address`."""
        host = "localhost" if self._address == "127.0.0.1" else self._address
        return f"sb://[{host}]:{self._port}" if ":" in host else f"sb://{host}:{self._port}"

    @property
    def ca_pem(self) -> bytes:
        """The certificate of the authority to trust, PEM; the same across restarts.

        Raises:
            ConfigError: there is no TLS.
        """
        if self._authority is None:
            raise ConfigError("The development hub serves without TLS", remedy="Make it with tls=True")
        return self._authority.ca_pem

    def write_ca(self, path: Path) -> None:
        """Write `ca_pem` to a file.

        Raises:
            ConfigError: there is no TLS, or the file cannot be written.
        """
        try:
            path.write_bytes(self.ca_pem)
        except OSError as error:
            raise ConfigError(
                f"Cannot write the certificate to '{path}': {error.strerror}", remedy="Name a file that you may write"
            ) from error

    def issue_token(self, *roles: str, lifetime: timedelta = LIFETIME, audience: str = AUDIENCE) -> str:
        """Return an Entra-style token that this hub accepts, valid from the hub's present on.

        `roles` are RECEIVER, SENDER and OWNER of acrwatch.devhub.entra.

        Raises:
            ConfigError: an unknown role.
        """
        return self._issuer.issue(roles, self._clock.now(), lifetime=lifetime, audience=audience)

    @property
    def connection_count(self) -> int:
        """How many connections are open now."""
        return self._listener.connection_count() if self._listener else 0

    @property
    def connections_made(self) -> int:
        """How many connections were opened since the last start."""
        return self._listener.connections_made if self._listener else 0

    def append(
        self,
        hub: str,
        body: bytes,
        *,
        partition: int | None = None,
        enqueued_time: datetime | None = None,
        properties: Mapping[str, object] | None = None,
    ) -> int:
        """Store a message as if it had been sent, and return its sequence number.

        Works whether started or not. Without `partition`, partitions take turns. `enqueued_time` (aware) allows
        back-dating.

        Raises:
            NotFoundError: no such hub or partition.
            ConfigError: `enqueued_time` has no time zone.
        """
        if enqueued_time is not None and enqueued_time.tzinfo is None:
            raise ConfigError(f"The enqueued time {enqueued_time} has no time zone", remedy="Pass an aware datetime")
        target = self._broker.hub(hub)
        log = target.route(None) if partition is None else target.partition(partition)
        return log.append([simple_message(body, properties)], milliseconds(enqueued_time or self._clock.now()))

    def last_sequence_number(self, hub: str, partition: int) -> int:
        """Return the newest sequence number of a partition, -1 if it never had a message.

        Raises:
            NotFoundError: no such hub or partition.
        """
        return self._broker.hub(hub).partition(partition).state().last_sequence_number

    def truncate(self, hub: str, partition: int, before: int) -> int:
        """Drop all messages of a partition with sequence numbers below `before`, as retention does; return how many.

        Consumers under way go on with the oldest message left. Works whether started or not.

        Raises:
            NotFoundError: no such hub or partition.
        """
        return self._broker.hub(hub).partition(partition).truncate(before)

    def recreate_hub(self, name: str) -> None:
        """Delete a hub and make it anew: empty, sequence numbers from 0. All connections are dropped.

        Raises:
            NotFoundError: no such hub.
        """
        self._run(self._started().recreate_hub(name))

    def detach_links(
        self,
        hub: str,
        *,
        partition: int | None = None,
        consumer_group: str | None = None,
        condition: str = DETACH_FORCED,
        description: str = "The link was detached by the service",
    ) -> int:
        """Fault: close links of a hub with an error and leave their connections open; return how many.

        Producers and consumers alike, unless `partition` or `consumer_group` narrows it down.
        """

        def chosen(attached: Attached) -> bool:
            address = attached.address
            return (
                address.hub.casefold() == hub.casefold()
                and partition in (None, int(address.partition or -1))
                and (consumer_group or "").casefold() in ("", (address.group or "").casefold())
            )

        return self._run(self._started().detach_links(chosen, condition, description))

    def abort_connections(self, *, reset: bool = True) -> None:
        """Fault: drop all connections, with a TCP reset or else an end of stream."""
        self._run(self._started().abort(reset=reset))

    def close_connections(self) -> None:
        """Fault: end all connections the polite way, with an AMQP Close (`amqp:connection:forced`)."""
        self._run(self._started().close_connections())

    def freeze_connections(self) -> None:
        """Fault: open connections go silent for good without being closed; new ones work."""
        self._run(self._started().freeze())

    def refuse_connections(self) -> None:
        """Fault: refuse new connections until `accept_connections`. Open ones stay; the port stays reserved."""
        self._run(self._started().refuse())

    def accept_connections(self) -> None:
        """Accept new connections again, on the same port."""
        self._run(self._started().accept())

    def _started(self) -> Listener:
        if self._listener is None:
            raise ConfigError(
                "The development hub is not started", remedy="Call start() or use it as a context manager"
            )
        return self._listener

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_CALL_TIMEOUT)


def _authority() -> "LocalAuthority":
    from acrwatch.devhub.tls import LocalAuthority  # imports `cryptography`, which hubs without TLS do without

    return LocalAuthority(SystemClock().now())  # clients judge it by the real time, whatever the hub's clock says


def _check_hubs(hubs: Mapping[str, int]) -> None:
    for name, partitions in hubs.items():
        if not name or "/" in name or name.startswith("$"):
            raise ConfigError(f"'{name}' is no name for a hub", remedy="Use letters, digits, '.', '-' and '_'")
        if not 1 <= partitions <= MAX_PARTITIONS:
            raise ConfigError(f"Hub '{name}' cannot have {partitions} partitions", remedy=f"Use 1 to {MAX_PARTITIONS}")
