"""The types of the fixtures in conftest."""

import subprocess
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeAlias

import pyarrow as pa

from storage.lake import Lake

REPOSITORY = Path(__file__).parents[2]


class MakeEvents(Protocol):
    """See `lake_writer.make_events`."""

    def __call__(
        self,
        numbers: Iterable[int],
        *,
        stream: str = ...,
        sequence: int | None = ...,
        at: datetime = ...,
        enqueued: datetime | None = ...,
        stored: datetime | None = ...,
    ) -> pa.Table: ...


class Start(Protocol):
    """Starts `lake_writer.py` with these arguments and, by keyword, additions to its environment."""

    def __call__(self, *arguments: object, **environment: str) -> subprocess.Popen[str]: ...


Finish: TypeAlias = Callable[["subprocess.Popen[str]"], dict[str, int]]
Stored: TypeAlias = Callable[[Lake], Counter[bytes]]
Ids: TypeAlias = Callable[[Iterable[int]], Counter[bytes]]
