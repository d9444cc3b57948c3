"""What the reader of an archive asks of a container, and what can be in the way of an answer."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from acrwatch.core.errors import AcrWatchError, NotFoundError
from ingest.archive.layout import Listed


class GoneError(NotFoundError):
    """A blob that was listed is not there any more."""


class OutOfRangeError(AcrWatchError):
    """A blob is shorter than what was asked of it."""


class RefusedBlobError(AcrWatchError):
    """The service lets us read others, but not this blob: it lies in the archive tier, for instance."""


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of a blob, and the version of it that they are of."""

    data: bytes
    etag: str


class Blobs(Protocol):
    """What the reader asks of a container. Each method raises AuthError, NotFoundError, RemoteUnreachableError."""

    def roots(self) -> list[str]:
        """Return the prefixes below which blobs are filed by year, in order."""
        ...

    def listed(self, prefix: str) -> Iterator[Listed]:
        """Yield the blobs of the layout whose names begin so, in the order of their names."""
        ...

    def read(self, name: str, start: int, length: int) -> Range:
        """Return at most so many bytes from `start`. Raises GoneError, OutOfRangeError, RefusedBlobError too."""
        ...

    def close(self) -> None:
        """Close the connections. Safe to call twice."""
        ...
