"""Trying a rule on its own `x_tests`: the events go the whole way, from records through a lake to alerts.

A case has a `name`, `events`, the number of `alerts` they must raise, and perhaps a `reason` that one of them must
contain, the number of `unjudged` events, and a `context` of registries. An event names columns of the events table by
their own names; left out are contoso, 203.0.113.9, status 200. `at` is its time from the beginning; with `repeat` it
comes so often, `every` so far apart, and `{n}` in a text is its number.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from acrwatch.core.model import Message
from acrwatch.core.setting import duration, networks, texts

if TYPE_CHECKING:
    from detections.context import Context
    from detections.detection import Detection

_BEGIN: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
_ID: Final = "/SUBSCRIPTIONS/TEST/RESOURCEGROUPS/TEST/PROVIDERS/MICROSOFT.CONTAINERREGISTRY/REGISTRIES/{}"
_DEFAULTS: Final[Mapping[str, Any]] = {"registry": "contoso", "caller_ip": "203.0.113.9", "status": 200}
# Words of a case for what the events table splits into a raw and a derived column.
_WORDS: Final = {"operation": "operation_name", "caller_ip": "caller_ip_address", "status": "result_description"}
_TIMING: Final = ("at", "repeat", "every", "registry")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one case; `problem` is empty where it went as it should."""

    rule: str
    case: str
    problem: str

    @property
    def passed(self) -> bool:
        return not self.problem


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the events of a case led to."""

    reasons: tuple[str, ...]
    unjudged: int
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class _StandingClock:
    time: datetime

    def now(self) -> datetime:
        return self.time


def try_rule(rule: "Detection") -> Iterator[Verdict]:
    """Yield the verdict on each of a rule's cases."""
    for case in rule.metadata.tests:
        try:
            _check(case)
            problem = _problem(case, _seen(rule, case))
        except ValueError as error:
            problem = f"the case itself is wrong: {error}"
        yield Verdict(rule.metadata.slug, str(case.get("name", "unnamed")), problem)


def records(events: "list[Mapping[str, Any]]") -> Iterator[tuple[datetime, dict[str, Any]]]:
    """Yield the time and the record of each event of a case. Raises ValueError for a word that is no column."""
    for event in events:
        settings = {**_DEFAULTS, **event}
        start = _BEGIN + (duration(settings["at"]) if "at" in settings else timedelta())
        step = duration(settings["every"]) if "every" in settings else timedelta(seconds=1)
        for number in range(int(settings.get("repeat", 1))):
            yield start + number * step, _record(settings, start + number * step, number)


def _check(case: Mapping[str, Any]) -> None:
    missing = [word for word in ("events", "alerts") if word not in case]
    missing += ["operation of an event" for event in case.get("events", ()) if "operation" not in event]
    if missing:
        raise ValueError(f"{missing[0]} is missing")


def _record(settings: Mapping[str, Any], time: datetime, number: int) -> dict[str, Any]:
    from storage.schema import BY_NAME, CATEGORIES

    login = str(settings["operation"]).lower() == "login"
    name = str(settings["registry"])
    record = {
        "time": time.isoformat(),
        "category": CATEGORIES[0 if login else 1],
        "resourceId": _ID.format(name.upper()),
        "loginServer": f"{name}.azurecr.io",
        "correlationId": f"{time.isoformat()}/{number}",
    }
    for word, value in settings.items():
        if word not in _TIMING:
            column = BY_NAME.get(_WORDS.get(word, word))
            if column is None or column.wire is None:
                raise ValueError(f"{word!r} is no column that a record fills")
            record[column.wire] = str(value).replace("{n}", str(number))
    return record


def _seen(rule: "Detection", case: Mapping[str, Any]) -> _Seen:
    from detections.engine import Engine
    from ingest.normalise import Normaliser
    from storage.lake import Lake
    from storage.state import alerts, runs
    from storage.state.database import Database

    found = list(records(case["events"]))
    messages = [
        Message("trial", number, json.dumps(record).encode(), enqueued_time=time)
        for number, (time, record) in enumerate(found)
    ]
    clock = _StandingClock(max((time for time, _ in found), default=_BEGIN) + timedelta(minutes=1))
    context = _context(case.get("context", {}))
    admins = {name: registry.admin_usernames for name, registry in context.registries.items()}
    normalised = Normaliser(admin_usernames=admins).batch(messages, now=clock.now())
    if normalised.rejects:
        raise ValueError(f"an event was rejected: {normalised.rejects[0].detail}")
    with tempfile.TemporaryDirectory(prefix="acrwatch-") as folder:
        lake = Lake.open(Path(folder) / "lake")
        lake.commit(normalised.events, {})
        database = Database(f"sqlite:///{folder}/state.db")
        database.migrate()
        passed = Engine(lake, database, {rule.metadata.slug: rule}, context, clock).run_until_done()
        with database.connect() as connection:
            reasons = tuple(alert.reason for alert in alerts.find(connection))
            unjudged = sum(runs.unjudged(connection, since=_BEGIN).values())
            last = runs.latest(connection).get(rule.metadata.slug)
        database.close()
    return _Seen(reasons, unjudged, (last.error or "it failed") if passed.failed and last else "")


def _context(document: Mapping[str, Mapping[str, Any]]) -> "Context":
    from detections.context import Context, RegistryContext

    return Context(
        {
            name.casefold(): RegistryContext(
                networks(given.get("allowed_ranges", [])), texts(given.get("admin_usernames", []))
            )
            for name, given in document.items()
        }
    )


def _problem(case: Mapping[str, Any], seen: _Seen) -> str:
    said = "".join(f"; it said: {reason}" for reason in seen.reasons)
    if seen.trouble:
        return f"the rule failed: {seen.trouble}"
    if len(seen.reasons) != case["alerts"]:
        return f"expected {case['alerts']} alerts, got {len(seen.reasons)}{said}"
    if "reason" in case and not any(case["reason"] in reason for reason in seen.reasons):
        return f"no reason contains {case['reason']!r}{said}"
    if seen.unjudged != case.get("unjudged", seen.unjudged):
        return f"expected {case['unjudged']} unjudged events, got {seen.unjudged}"
    return ""
