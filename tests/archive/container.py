"""A container in memory that behaves as the service does, and counts what it is asked."""

import gzip
import itertools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from ingest.archive.address import Address
from ingest.archive.blobs import GoneError, OutOfRangeError, Range
from ingest.archive.layout import Listed, hour_of, root_of

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
ADDRESS = Address("acrwatchtest.blob.core.windows.net", "insights-logs-containerregistryloginevents", None)
ROOT = (
    "resourceId=/SUBSCRIPTIONS/00000000-0000-0000-0000-000000000000/RESOURCEGROUPS/RG/PROVIDERS/"
    "MICROSOFT.CONTAINERREGISTRY/REGISTRIES/CONTOSO/"
)
EXPORT = "WorkspaceResourceId=/subscriptions/0/resourcegroups/rg/providers/microsoft.operationalinsights/workspaces/ws/"


def hourly(hour: int, *, day: int = 22, root: str = ROOT) -> str:
    """Return the name of the blob of an hour of November 2026."""
    return f"{root}y=2026/m=11/d={day:02}/h={hour:02}/m=00/PT1H.json"


def line(number: int, pad: int = 0) -> bytes:
    """Return a login unlike that of any other number, as a line."""
    record = {
        "time": f"2026-11-22T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}.0000000Z",
        "category": "ContainerRegistryLoginEvents",
        "operationName": "Login",
        "resourceId": ROOT.removeprefix("resourceId=").rstrip("/"),
        "identity": f"user{number}@example.com",
        "callerIpAddress": "192.0.2.7",
        "correlationId": f"c{number}" + "x" * pad,
        "resultDescription": "200",
    }
    return json.dumps(record).encode() + b"\n"


def lines(*numbers: int) -> bytes:
    return b"".join(map(line, numbers))


class Memory:
    """See ingest.archive.blobs.Blobs. `before_read` is called with the name of what is going to be read."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.refused: dict[str, Exception] = {}
        self.modified = NOW
        self.asked: list[tuple[str, int, int]] = []
        self.prefixes: list[str] = []
        self.before_read: Callable[[str], object] = lambda _name: None
        self._etags: dict[str, str] = {}
        self._versions = map(str, itertools.count(1))

    def append(self, name: str, content: bytes) -> None:
        self.replace(name, self.content.get(name, b"") + content)

    def replace(self, name: str, content: bytes) -> None:
        self.content[name], self._etags[name] = content, next(self._versions)

    def delete(self, name: str) -> None:
        del self.content[name]

    def roots(self) -> list[str]:
        cut = (name[: name.index("/m=") + 1] for name in self.content if "/m=" in name)
        return sorted({root for prefix in cut if (root := root_of(prefix)) is not None})

    def listed(self, prefix: str) -> Iterator[Listed]:
        self.prefixes.append(prefix)
        for name in sorted(self.content):
            hour = hour_of(name)
            if name.startswith(prefix) and hour is not None:
                yield Listed(name, len(self.content[name]), self._etags[name], self.modified, hour)

    def read(self, name: str, start: int, length: int) -> Range:
        self.before_read(name)
        if name in self.refused:
            raise self.refused[name]
        if name not in self.content:
            raise GoneError(f"blob {name} is gone")
        if start >= len(self.content[name]):
            raise OutOfRangeError(f"blob {name} has become shorter")
        data = self.content[name][start : start + length]
        self.asked.append((name, start, len(data)))
        return Range(data, self._etags[name])

    def close(self) -> None:
        pass


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime = NOW) -> None:
        self.moment = now

    def now(self) -> datetime:
        return self.moment

    def forward(self, **span: float) -> None:
        self.moment += timedelta(**span)


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)
