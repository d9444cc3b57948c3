"""Does each source answer, let us in, and hold what comes next after what is stored."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from acrwatch.cli.checks.result import FAIL, OK, WARN, Result
from acrwatch.cli.checks.stores import CLOCK_DIFFERENCE
from acrwatch.cli.session import Session
from acrwatch.core.wording import counted

if TYPE_CHECKING:
    from acrwatch.core.config import SourceConfig
    from ingest.eventhub.probe import Probed

# A hub answers within a second; a token and a TLS handshake on a slow link take a few.
SECONDS: Final = 8.0
_NO_ROWS: Final = (
    "Does the registry's diagnostic setting send both audit categories there, to resource-specific tables?"
)
# The source commits every few seconds; messages that wait this long are not being read.
_WAITED: Final = timedelta(minutes=10)


class _NothingStored:
    """Stands for a lake that does not exist yet."""

    def position(self, _stream: str) -> int | None:
        return None


def source(session: Session, one: "SourceConfig", *, offline: bool) -> Iterator[Result]:
    """Look at one configured source. Raises AcrWatchError."""
    name = f"{one.where} {one.type}"
    if one.type == "loganalytics":
        yield from _workspaces(session, name, one, offline=offline)
    elif one.type == "archive":
        yield _archive(name, one, offline=offline)
    elif one.type != "eventhub":
        yield Result(name, OK, "its settings are in order")
    elif offline:
        from ingest.eventhub.address import from_settings

        yield Result(name, OK, f"{from_settings(one.values).name}: its settings are in order (not asked: --offline)")
    else:
        from ingest.eventhub.probe import probe
        from storage.lake import Lake

        root = Path(session.config.store.path)
        address, probed = probe(one.values, Lake.open(root) if root.exists() else _NothingStored(), seconds=SECONDS)
        yield Result(name, OK, f"{address.name} answers and lets us in: {counted(len(probed), 'partition')}")
        yield from _positions(session, name, probed)


def _workspaces(session: Session, name: str, one: "SourceConfig", *, offline: bool) -> Iterator[Result]:
    from ingest.loganalytics.access import from_settings
    from ingest.loganalytics.probe import probe

    if offline:
        workspaces = counted(len(from_settings(one.values).workspaces), "workspace")
        yield Result(name, OK, f"{workspaces}: its settings are in order (not asked: --offline)")
        return
    for table in probe(one.values, now=session.clock.now(), seconds=SECONDS):
        where = f"table {table.table} of workspace {table.workspace}"
        if table.taken is not None:
            yield Result(name, OK, f"{where} answers, lets us in, and holds rows of the last day")
        elif table.exists:
            yield Result(name, WARN, f"{where} answers, but holds no row of the last day", _NO_ROWS)
        else:
            yield Result(name, WARN, f"{where} does not exist: nothing was ever written to it", _NO_ROWS)


def _archive(name: str, one: "SourceConfig", *, offline: bool) -> Result:
    from ingest.archive.address import from_settings

    address = from_settings(one.values)
    if offline:
        return Result(name, OK, f"{address.name}: its settings are in order (not asked: --offline)")
    from ingest.archive.service import AT_ONCE, Container

    container = Container(address, retry=AT_ONCE)
    try:
        roots = container.roots()
    finally:
        container.close()
    if not roots:
        what = f"{address.name} answers, but holds no blob as Azure Monitor files them"
        return Result(name, WARN, what, "Check the name, and that the diagnostic setting names this account")
    return Result(name, OK, f"{address.name} answers and lets us in; filed below {counted(len(roots), 'resource')}")


def _positions(session: Session, name: str, probed: Sequence["Probed"]) -> Iterator[Result]:
    now = session.clock.now()
    for one in probed:
        if one.went_back:
            what = f"partition {one.partition} ends at message {one.last}, but {one.stored} is stored"
            yield Result(name, FAIL, what, "The hub was made anew or failed over: run `acrwatch ingest reset`")
        elif one.lost:
            what = f"partition {one.partition}: {counted(one.lost, 'message')} expired in the hub before being stored"
            yield Result(name, WARN, what, "Backfill that time from a storage archive; raise the hub's retention")
    waiting = sum(one.waiting for one in probed if not one.went_back)
    newest = max((one.last_time for one in probed if not one.empty), default=None)
    if newest is None:
        yield Result(
            name, WARN, "the hub holds no message", "Without a diagnostic setting nothing comes: see `acrwatch init`"
        )
        return
    if newest - now > CLOCK_DIFFERENCE:
        yield Result("clock", WARN, "the hub took its newest message in our future", "Keep this machine's clock by NTP")
    behind = [one for one in probed if one.waiting and now - one.last_time > _WAITED]
    if behind:
        what = f"{_wait(waiting)}, the newest for over {_WAITED // timedelta(minutes=1)} min"
        yield Result(name, WARN, what, "Is `acrwatch run` running? Its log says why if it does not read")
    else:
        yield Result(name, OK, f"{_wait(waiting)} to be stored; the newest came at {newest:%Y-%m-%d %H:%M:%S}Z")


def _wait(messages: int) -> str:
    return "1 message waits" if messages == 1 else f"{messages} messages wait"
