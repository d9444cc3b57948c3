"""Messages from an Azure event hub, from the positions stored in the lake.

Processes that share a state database divide the partitions of a consumer group among themselves.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from acrwatch.core.errors import AcrWatchError, ConfigError
from acrwatch.core.model import Message
from acrwatch.core.setting import Setting, duration, integer, secret, text
from ingest.eventhub import access
from ingest.eventhub.address import Address, Start, from_settings, parse_start
from ingest.eventhub.buffer import MessageBuffer
from ingest.eventhub.credentials import MakeTokenSource
from ingest.eventhub.positions import Committer, Stored, current_epoch, stored
from ingest.eventhub.positions import reset as open_epoch
from ingest.notices import Notices
from ingest.opening import Opening
from storage.state import positions

log = logging.getLogger(__name__)

TYPE: Final = "eventhub"

# Half a commit: what memory the source may hold beside what is being stored and what is decoded ahead.
BUFFER_MESSAGES: Final = 20_000
BUFFER_BYTES: Final = 16 * 1024 * 1024


def _optional(parse: Any) -> Any:
    return lambda value: None if value is None else parse(value)


def _prefetch(value: object) -> int:
    number = integer(value)
    if not 1 <= number <= 10_000:
        raise ValueError("expected a number from 1 to 10000")
    return number


SETTINGS: Final[tuple[Setting[Any], ...]] = (
    Setting("connection_string", secret, None, "Connection string with a key that may listen; or use the next."),
    Setting("fully_qualified_namespace", text, None, "NAMESPACE.servicebus.windows.net, reached by Entra ID."),
    Setting(
        "credential",
        access.parse_credential,
        access.DEFAULT,
        "Where Entra ID's tokens come from: default (environment, workload or managed identity, az login, whichever "
        "answers first), managed_identity, workload_identity, or environment (AZURE_CLIENT_ID and the like).",
    ),
    Setting("client_id", text, None, "Client id of a user-assigned managed identity, or of the workload identity."),
    Setting("eventhub", text, None, "Name of the event hub; may stand in the connection string as EntityPath."),
    Setting("consumer_group", text, "$Default", "Consumer group; use one that nothing else reads."),
    Setting("start", parse_start, "earliest", "earliest, latest or an ISO time; only where no position is stored."),
    Setting("commit_interval", duration, timedelta(seconds=5), "Messages are stored at least this often."),
    Setting("prefetch", _prefetch, 300, "Messages asked for ahead, per partition; memory grows with it."),
    Setting("transport", access.parse_transport, access.AMQP, "amqp (port 5671) or websocket (port 443)."),
    Setting(
        "custom_endpoint_address",
        access.parse_endpoint,
        None,
        "sb://HOST[:PORT] to connect to instead of the namespace, such as a gateway before it. Without a port, 443.",
    ),
    Setting(
        "connection_verify", access.parse_file, None, "PEM file of the authority to trust instead of the system's."
    ),
    Setting("http_proxy", access.parse_proxy, None, "http://[USER:PASSWORD@]HOST:PORT; needs transport = websocket."),
)


class EventHubSource:
    """See ingest.sources.Source. Reading happens on a thread of its own, between `start` and `stop`."""

    def __init__(
        self,
        address: Address,
        opening: Opening,
        *,
        start: Start = "earliest",
        prefetch: int = 300,
        timing: Any = None,
        token_source: MakeTokenSource | None = None,
    ) -> None:
        """`timing` is an ingest.eventhub.reader.Timing; None for the usual one. `token_source` makes what tokens come
        from, where another than the address names is wanted, such as one whose clock a test moves."""
        self.name = address.name
        self._address = address
        self._opening = opening
        self._start = start
        self._prefetch = prefetch
        self._timing = timing
        self._token_source = token_source
        self._notices = Notices(opening.database, opening.clock)
        self._buffer = MessageBuffer(BUFFER_MESSAGES, BUFFER_BYTES)
        self._reader: Any = None

    def start(self) -> None:
        from ingest.eventhub.reader import Reader, Timing  # imports the Azure client, which takes half a second

        self._buffer = MessageBuffer(BUFFER_MESSAGES, BUFFER_BYTES)
        self._reader = Reader(
            self._address,
            self._start,
            self._prefetch,
            self._stored,
            self._buffer,
            self._notices,
            self._opening.database,
            self._timing or Timing(),
            self._token_source,
        )
        self._reader.start()

    def poll(self, timeout: float) -> Sequence[Message]:
        self._notices.flush()
        taken = self._buffer.take(timeout)
        if not taken and self._reader is not None:
            failure = self._reader.failure()
            if isinstance(failure, AcrWatchError):
                raise failure.with_traceback(None)
            if failure is not None:
                raise AcrWatchError(f"reading {self.name} ended with {failure!r}", remedy="Report it") from failure
        return taken

    def stored(self, messages: Sequence[Message]) -> None:
        """Nothing to do: the positions went into the lake with the rows."""

    def caught_up(self) -> bool:
        return self._reader is not None and self._reader.caught_up() and self._buffer.empty()

    def stop(self) -> None:
        if self._reader is not None:
            self._reader.stop()
            self._reader = None
        try:
            self._notices.flush()
        except AcrWatchError as error:
            log.warning("%s: incidents wait for the next start: %s", self.name, error)

    def _stored(self, partition: str) -> Stored:
        with self._opening.database.connect() as connection:
            hints = positions.hints(connection, f"{self.name}/{partition}/")
        return stored(self._opening.lake, hints, self._address, partition)


def open(values: Mapping[str, object], opening: Opening) -> EventHubSource:  # noqa: A001 - the contract's word
    """Return the source these settings describe. Raises ConfigError where they contradict each other."""
    start, prefetch = values["start"], values["prefetch"]
    return EventHubSource(
        from_settings(values),
        opening,
        start=start,  # type: ignore[arg-type]
        prefetch=prefetch,  # type: ignore[arg-type]
    )


def reset(values: Mapping[str, object], lake: Committer, partitions: Sequence[str] = ()) -> dict[str, str]:
    """Open a new epoch for these partitions of the hub that the settings describe; for all that have one if none given.

    A running process begins to read the hub from its beginning within half a minute. Returns the new stream of each
    partition. Raises ConfigError if nothing of the hub, or of one of these partitions, is stored, StoreError.
    """
    address = from_settings(values)
    known = known_partitions(lake, address)
    chosen = partitions or known
    if not chosen:
        raise ConfigError(f"nothing is stored of {address.name}", remedy="There is nothing to reset")
    if unknown := sorted(set(chosen) - set(known)):
        raise ConfigError(
            f"nothing is stored of partition {', '.join(unknown)} of {address.name}",
            remedy=f"Something is stored of: {', '.join(known) or 'none'}",
        )
    return open_epoch(lake, address, chosen)


def known_partitions(lake: Committer, address: Address) -> list[str]:
    """Return the partitions of which a position is stored. Azure numbers them from 0 without holes, 2048 at most."""
    found = []
    for number in range(2048):
        epoch = current_epoch(lake, address, str(number))
        if epoch == 0 and lake.position(f"{address.name}/{number}/0") is None:
            if number >= 32:  # a quiet partition may have none stored; beyond the usual 32 one hole ends the search
                break
            continue
        found.append(str(number))
    return found
