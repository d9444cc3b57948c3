"""The service as its reader needs it: the only importer of azure-storage-blob."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobPrefix, ContainerClient, ExponentialRetry

from acrwatch.core.errors import AcrWatchError, AuthError, NotFoundError, RemoteUnreachableError
from acrwatch.core.log import mask
from ingest.archive.address import Address
from ingest.archive.blobs import GoneError, OutOfRangeError, Range, RefusedBlobError
from ingest.archive.layout import Listed, hour_of, root_of

_T = TypeVar("_T")

# Of 503 "server busy" and 500: four more tries after about 1, 3, 5 and 9 s. Of a silent or broken connection: one, so
# that a stop is not held up for long. Then the pipeline waits, from 1 to 60 s, and goes on where it stood.
RETRY: Final = ExponentialRetry(
    initial_backoff=1,
    increment_base=2,
    retry_total=4,
    random_jitter_range=1,
    retry_status=4,
    retry_connect=1,
    retry_read=1,
)
# For a question that somebody waits for: once more, at once.
AT_ONCE: Final = ExponentialRetry(initial_backoff=0, increment_base=0, retry_total=1, random_jitter_range=0)
_SECONDS: Final = 10.0
_DEPTH: Final = 24  # segments of a path above the year: Azure's have eleven at the most


class _ReadingRefusals(RequestsTransport):  # type: ignore[misc]  # the client has no types
    """Reads a refusal to its end: the client leaves that of a blob's bytes unread, and with it a connection open until
    the garbage collector comes by; a busy service would cost one for each try."""

    def send(self, request: Any, **options: Any) -> Any:
        response = super().send(request, **options)
        if response.status_code >= 400:
            response.internal_response.content  # noqa: B018 - reading it gives the connection back
        return response


class Container:
    """See ingest.archive.blobs.Blobs. One may be used by several threads."""

    def __init__(self, address: Address, *, retry: Any = RETRY) -> None:
        """Make a client; nothing is asked yet. Raises ConfigError where no credential can be made."""
        self._address = address
        reached: dict[str, Any] = {"connection_timeout": _SECONDS, "read_timeout": _SECONDS}
        if address.ca_file is not None:
            reached["connection_verify"] = str(address.ca_file)
        transport = _ReadingRefusals(**reached)
        try:
            self._client = _client(address, {"retry_policy": retry, "user_agent": "acrwatch", "transport": transport})
        except ValueError as error:
            raise self._translated(error) from error

    def roots(self) -> list[str]:
        return self._asked(lambda: sorted(set(self._below("", _DEPTH))))

    def listed(self, prefix: str) -> Iterator[Listed]:
        with self._errors():
            for item in self._client.list_blobs(name_starts_with=prefix):
                hour = hour_of(item.name)
                if hour is not None:
                    yield Listed(item.name, item.size, item.etag.strip('"'), item.last_modified, hour)

    def read(self, name: str, start: int, length: int) -> Range:
        return self._asked(lambda: self._read(name, start, length), name)

    def close(self) -> None:
        self._client.close()

    def _below(self, prefix: str, depth: int) -> Iterator[str]:
        for item in self._client.walk_blobs(name_starts_with=prefix, delimiter="/"):
            if not isinstance(item, BlobPrefix):
                continue
            root = root_of(item.name)
            if root is not None:
                yield root
                return  # one year is enough to know the root by
            if depth:
                yield from self._below(item.name, depth - 1)

    def _read(self, name: str, start: int, length: int) -> Range:
        stream = self._client.download_blob(name, offset=start, length=length, max_concurrency=1)
        data: bytes = stream.readall()
        return Range(data, stream.properties.etag.strip('"'))

    def _asked(self, ask: Callable[[], _T], name: str = "") -> _T:
        with self._errors(name):
            return ask()

    @contextmanager
    def _errors(self, name: str = "") -> Iterator[None]:
        try:
            yield
        except AzureError as error:
            raise self._translated(error, name) from error

    def _translated(self, error: Exception, name: str = "") -> AcrWatchError:
        """Return our error for one of the client's: one line that names container and account, never a key."""
        status = getattr(error, "status_code", None)
        given = getattr(error, "error_code", None) or ""  # an enumeration's member, or the text of one it lacks
        code = str(getattr(given, "value", given))
        words = _first_line(error, code)
        where = f"container {self._address.container!r} of {self._address.account}"
        if isinstance(error, ClientAuthenticationError) or status in (401, 403):
            return AuthError(
                f"{where} refused our credentials ({words})",
                remedy="Give our identity the role 'Storage Blob Data Reader', or renew the signature (it needs the "
                "rights to read and to list)",
            )
        if isinstance(error, ResourceNotFoundError) or status == 404:
            if name and code != "ContainerNotFound":
                return GoneError(f"blob {name} in {where} is gone", remedy="A rule of the account's life cycle?")
            return NotFoundError(
                f"{where} does not exist ({words})",
                remedy="Check its name; Azure makes it with the first record of its category",
            )
        if name and status == 416:
            return OutOfRangeError(f"blob {name} in {where} has become shorter")
        if (
            name
            and isinstance(error, HttpResponseError)
            and status is not None
            and 400 <= status < 500
            and status != 429
        ):
            return RefusedBlobError(f"blob {name} in {where} cannot be read: {words}")
        return RemoteUnreachableError(
            f"{where} cannot be reached ({words})",
            remedy="Check the account's name, its firewall and the network; a running service tries again by itself",
        )


def _client(address: Address, options: dict[str, Any]) -> ContainerClient:
    if address.url is None:
        assert address.key is not None
        return ContainerClient.from_connection_string(address.key.reveal(), address.container, **options)
    if address.key is not None:
        return ContainerClient(f"{address.url}?{address.key.reveal()}", address.container, **options)
    from ingest.eventhub.credentials import blocking

    credential = blocking(address.credential, address.client_id)
    return ContainerClient(address.url, address.container, credential=credential, **options)


def _first_line(error: Exception, code: str) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return mask(f"{code}: {lines[0]}" if code else lines[0])[:300]
