"""Could each destination be reached, without sending it anything."""

import asyncio
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from acrwatch.cli import health
from acrwatch.cli.checks.result import FAIL, OK, WARN, Result
from acrwatch.cli.session import Session
from acrwatch.core.errors import RemoteUnreachableError
from acrwatch.core.wording import counted

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from acrwatch.core.config import DestinationConfig

SECONDS: Final = 5.0


def destination(session: Session, one: "DestinationConfig", *, offline: bool, ping: bool) -> Iterator[Result]:
    """Look at the settings of one destination and whether it can be reached. Raises AcrWatchError."""
    from acrwatch.delivery.sinks.discover import open_sinks

    name = f"destination {one.name}"
    for sink in open_sinks([one]).values():
        sink.close()
    if offline:
        yield Result(name, OK, "its settings are in order")
    elif ping:
        yield _ping(session, one, name)
    else:
        yield _reach(one, name)


def undelivered(session: Session, connection: "Connection") -> Iterator[Result]:
    """Tell of what was given up, and of what waits, for destinations that are configured or were."""
    from storage.state import outbox

    for (name, status), number in sorted(outbox.tally(connection).items()):
        if status == outbox.DEAD:
            what = f"given up: {counted(number, 'delivery', 'deliveries')}"
            yield Result(f"destination {name}", WARN, what, f"`acrwatch deliveries retry {name}`")
    for one in health.undelivered(session, connection):
        remedy = f"`acrwatch deliveries list --destination {one.destination}` says what it answered"
        if not one.configured:
            remedy = f"They are sent once a [[destinations]] is called {one.destination} again"
        yield Result(f"destination {one.destination}", WARN, one.words, remedy)


def _reach(one: "DestinationConfig", name: str) -> Result:
    from acrwatch.delivery.address import WebAddress

    for value in one.values.values():
        if isinstance(value, WebAddress):
            asyncio.run(_connect(value.reveal()))
            return Result(name, OK, f"{value} takes connections (nothing was sent)")
        if isinstance(value, Path) and value == one.values.get("path"):
            return _writable(value, name)
    return Result(name, OK, "its settings are in order")


def _writable(path: Path, name: str) -> Result:
    if path.is_dir():
        return Result(name, FAIL, f"{path} is a folder", "Give `path` a file's name, such as alerts.jsonl within it")
    target = path if path.exists() else path.absolute().parent
    if os.access(target, os.W_OK):
        return Result(name, OK, f"{path} can be written")
    return Result(name, FAIL, f"{path} cannot be written", "Check that the folder exists and who may write to it")


async def _connect(address: str) -> None:
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
    except (OSError, TimeoutError) as error:
        why = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or type(error).__name__
        raise RemoteUnreachableError(
            f"{host} port {port} cannot be reached ({why})",
            remedy="Check the address, name resolution and the firewall; alerts wait in the outbox meanwhile",
        ) from None


def _ping(session: Session, one: "DestinationConfig", name: str) -> Result:
    from acrwatch.delivery.sinks.discover import open_sinks
    from acrwatch.delivery.worker import ping

    sink = open_sinks([one])[one.name]
    try:
        outcome = ping(sink, clock=session.clock, rng=random.Random())  # noqa: S311 - makes an id, no secret
    finally:
        sink.close()
    if outcome.result == "sent":
        return Result(name, OK, "took a test.ping")
    return Result(name, FAIL, outcome.detail or "did not take a test.ping", "Check its settings and its own log")
