"""Runs a detection's own cases through a real lake, a real database and the real engine, all in a temporary folder."""

import contextlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from acrwatch.core.address import NO_ADDRESS, parse_address
from acrwatch.core.identity import identity_kind
from acrwatch.core.operation import operation_of
from detections.behavioural import discover, needing_places
from detections.case_control import ControlEvent
from detections.case_spec import Case, CaseEvent, CaseMistakeError, read_case
from detections.context import Context
from detections.detection import Detection
from detections.engine import Engine
from detections.places import CASE_PLACES
from storage.lake import Lake
from storage.schema import ARROW_SCHEMA, CATEGORIES
from storage.state import alerts, runs, stages
from storage.state.alerts import Alert
from storage.state.database import Database
from storage.state.stages import Step

# Any moment will do; cases count from it. Not midnight, so that cases of some hours do not all share one date.
START: Final = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
_DATABASE: Final = "state.db"
_STREAM: Final = "cases"
# Texts of a case's event that are columns as they stand.
_COPIED: Final = ("user_agent", "repository", "tag", "digest", "media_type", "user_tenant_id")
_SUBSCRIPTION: Final = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one case: how it differed from what it says; nothing where it passed."""

    detection: str
    case: str
    differences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether everything came out as the case says."""
        return not self.differences


def run_cases(detection: Detection) -> list[Result]:
    """Run every case of a detection. Raises CaseMistakeError for a case that cannot be read."""
    return [run_case(detection, read_case(given)) for given in detection.metadata.tests]


def run_case(detection: Detection, case: Case) -> Result:
    """Run one case. A detection that must know where addresses are finds CASE_PLACES."""
    slug = detection.metadata.slug
    if slug in needing_places():
        detection = discover(CASE_PLACES)[slug]
    with tempfile.TemporaryDirectory(prefix="acrwatch-case-") as folder:
        bench = _Bench(Path(folder), detection, case.context)
        try:
            differences = _differences(case, *bench.play(case))
        finally:
            bench.database.close()
    return Result(slug, case.name, tuple(differences))


def case_mistakes(detection: Detection) -> list[str]:
    """Return what is wrong with a detection's cases: unreadable ones, and none that fires or none that is silent."""
    return unreadable_cases(detection) or unshown(detection)


def unreadable_cases(detection: Detection) -> list[str]:
    """Return, for each case that does not say what it should, what is wrong with it."""
    mistakes = []
    for given in detection.metadata.tests:
        try:
            read_case(given)
        except CaseMistakeError as error:
            mistakes.append(str(error))
    return mistakes


def unshown(detection: Detection) -> list[str]:
    """Return what the cases do not show, as far as they can be read: that it fires, that it stays silent."""
    found = []
    for given in detection.metadata.tests:
        with contextlib.suppress(CaseMistakeError):
            found.append(read_case(given))
    missing = {"no case fires": any(case.alerts for case in found)}
    missing["no case stays silent"] = any(not case.alerts for case in found)
    return [words for words, shown in missing.items() if not shown]


@cache
def _empty_database() -> bytes:
    """Return the file of a state database without rows. Making its tables takes longer than a case."""
    with tempfile.TemporaryDirectory(prefix="acrwatch-case-") as folder:
        database = Database(f"sqlite:///{Path(folder) / _DATABASE}")
        database.migrate()
        database.close()
        return (Path(folder) / _DATABASE).read_bytes()


@dataclass(slots=True)
class _Hands:
    """A clock that stands where it is put."""

    time: datetime = START

    def now(self) -> datetime:
        return self.time


class _Bench:
    """A lake, a database and an engine for one case."""

    def __init__(self, folder: Path, detection: Detection, context: Context) -> None:
        self.lake = Lake.open(folder / "lake")
        (folder / _DATABASE).write_bytes(_empty_database())
        self.database = Database(f"sqlite:///{folder / _DATABASE}")
        self.clock = _Hands()
        with self.database.begin() as connection:  # a case asks what a rule finds, whether it is told or not
            slug, now = detection.metadata.slug, self.clock.now()
            stages.take(connection, Step(slug, stages.ACTIVE, stages.ALWAYS, now, "case", "a case of the rule"))
        self.context = context
        self.engine = Engine(
            self.lake, self.database, {detection.metadata.slug: detection}, context, self.clock, chunk_rows=10_000
        )
        self.sequence = 0

    def play(self, case: Case) -> tuple[list[Alert], int]:
        """Return the standing alerts, oldest first, and the number of unjudged events."""
        if case.closing is None:
            self._judge(case.events)
        else:
            border = case.closing.at
            self._judge([event for event in case.events if event.at <= border])
            self._close(START + border, case.closing.verdict)
            self._judge([event for event in case.events if event.at > border])
        with self.database.connect() as connection:
            standing = sorted(alerts.find(connection, blocks=True), key=lambda alert: (alert.first_seen, alert.id))
            unjudged = runs.unjudged(connection, since=START - timedelta(days=1))
        return standing, sum(unjudged.values())

    def _judge(self, events: Sequence[CaseEvent | ControlEvent]) -> None:
        if not events:
            return
        rows = []
        for event in sorted(events, key=lambda event: event.at):
            self.sequence += 1
            if isinstance(event, ControlEvent):
                rows.append(event.row(START, _STREAM, self.sequence))
            else:
                rows.append(event_row(event, self.sequence, self.context))
        self.clock.time = rows[-1]["event_time"] + timedelta(minutes=1)
        self.lake.commit(pa.Table.from_pylist(rows, ARROW_SCHEMA), {_STREAM: self.sequence})
        failed = self.engine.run_until_done().failed
        if failed:
            with self.database.connect() as connection:
                raise RuntimeError(runs.latest(connection)[failed[0]].error)

    def _close(self, now: datetime, verdict: str) -> None:
        with self.database.begin() as connection:
            for alert in alerts.find(connection):
                closed = replace(alert, status=alerts.CLOSED, close_reason=verdict, closed_at=now, updated_at=now)
                alerts.save(connection, replace(closed, revision=alert.revision + 1))


def event_row(event: CaseEvent, sequence: int, context: Context) -> dict[str, Any]:
    """Return the row that a case's event would be stored as."""
    texts, time = event.texts, START + event.at
    registry, identity, address = texts["registry"].casefold(), texts.get("identity"), texts.get("caller_ip")
    parsed = NO_ADDRESS if address is None else parse_address(address)
    operation = operation_of(texts["operation"])
    admins = {name.casefold() for name in context.of(registry).lists.get("admin_usernames", ())}
    return {
        "event_id": blake2b(str(sequence).encode(), digest_size=16).digest(),
        "event_date": time.date(),
        "event_time": time,
        "category": CATEGORIES[operation != "login"],
        "operation_name": texts["operation"],
        "resource_id": f"{_SUBSCRIPTION}/providers/Microsoft.ContainerRegistry/registries/{registry}",
        "identity": identity,
        "caller_ip_address": address,
        "result_type": "HttpStatusCode",
        "result_description": str(event.status),
        **{name: texts.get(name) for name in _COPIED},
        "registry": registry,
        "operation": operation,
        "status_code": event.status,
        "succeeded": 200 <= event.status < 300,
        "identity_kind": identity_kind(registry, identity, admins),
        "caller_ip": parsed.text,
        "ip_key": parsed.key,
        "ingested_at": time,
        "source": _STREAM,
        "sequence_number": sequence,
        "enqueued_time": time,
    }


def _differences(case: Case, standing: Sequence[Alert], unjudged: int) -> list[str]:
    found = []
    if len(standing) != case.alerts:
        found.append(f"expected {case.alerts} alerts, found {len(standing)}{_sentences(standing)}")
    if standing and case.reason not in standing[0].reason:
        found.append(f"expected the reason to hold {case.reason!r}, found {standing[0].reason!r}")
    if unjudged != case.unjudged:
        found.append(f"expected {case.unjudged} unjudged events, found {unjudged}")
    return found


def _sentences(standing: Sequence[Alert]) -> str:
    return "".join(f"\n    {alert.reason}" for alert in standing[:3])
