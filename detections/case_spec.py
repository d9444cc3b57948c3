"""What a detection's own test cases say: read from its metadata, strictly, so that a misspelt key is no silent pass.

A case is a name, events, and what must stand after them:

    name: a pull from elsewhere
    alerts: 1                        # standing alerts
    reason: ci pulled from           # text the first alert's sentence holds
    unjudged: 0                      # events that could not be judged
    context: {contoso: {allowed_ranges: [198.51.100.0/24], flags: [admin_disabled]}}
    closed: {at: 61d, verdict: benign_positive}   # all alerts that stand then are closed so; later events follow
    events:
      - {at: 30m, operation: Pull, identity: ci, caller_ip: 203.0.113.9, repeat: 20, every: 20s, tag: 'v{n}'}

`at` counts from the case's beginning. `repeat` makes that many events, `every` apart, with `{n}` in texts counting
from 1; so a history of 60 days is `repeat: 60, every: 1d`. `context` has the settings of `[registries.NAME]`, `*` for
every registry; the shipped lists hold as they do in service. What happens in the control plane is written as
`detections/case_control.py` says.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any, Final

from acrwatch.core.registry import SETTINGS, RegistryContext, from_settings
from acrwatch.core.setting import LONGEST, duration
from detections.case_control import KEYS as CONTROL_KEYS
from detections.case_control import ControlEvent, control_events
from detections.context import Context, with_shipped

_TEXTS: Final = (
    "operation", "identity", "caller_ip", "registry", "repository", "tag", "digest", "media_type", "user_agent",
    "user_tenant_id",
)  # fmt: skip
_EVENT_KEYS: Final = frozenset({*_TEXTS, "at", "status", "repeat", "every"})
_CASE_KEYS: Final = frozenset({"name", "alerts", "reason", "unjudged", "context", "closed", "events"})
# A case of ours has some hundreds. The engine judges so many in seconds; a number mistyped must not fill the memory.
_MOST_EVENTS: Final = 100_000
_CONTEXT: Final = {setting.name: setting for setting in SETTINGS}


class CaseMistakeError(ValueError):
    """A case that does not say what it should, in words for the rule's author."""


@dataclass(frozen=True, slots=True)
class CaseEvent:
    """One event of a case: when, counted from its beginning, the HTTP status, and the texts it has."""

    at: timedelta
    status: int
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Closing:
    """A person's verdict on everything that stands at a moment of the case."""

    at: timedelta
    verdict: str


@dataclass(frozen=True, slots=True)
class Case:
    """One case: the events, and what must stand after them."""

    name: str
    events: tuple[CaseEvent | ControlEvent, ...]
    alerts: int
    reason: str
    unjudged: int
    context: Context
    closing: Closing | None


def read_case(given: Mapping[str, Any]) -> Case:
    """Return a case from its keys. Raises CaseMistakeError naming the case, the key and what is wrong."""
    name = given.get("name") if isinstance(given, Mapping) else None
    if not isinstance(name, str) or not name:
        raise CaseMistakeError("a case has no name")
    try:
        return _read(name, given)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        word = f"missing key {error}" if isinstance(error, KeyError) else str(error)
        raise CaseMistakeError(f"case {name!r}: {word}") from error


def _read(name: str, given: Mapping[str, Any]) -> Case:
    _known(given, _CASE_KEYS)
    events = tuple(islice((event for entry in given["events"] for event in _events(entry)), _MOST_EVENTS + 1))
    if len(events) > _MOST_EVENTS:
        raise ValueError(f"there are over {_MOST_EVENTS:,} events")
    if max((event.at for event in events), default=LONGEST) > LONGEST:
        raise ValueError(f"an event is more than {LONGEST.days}d after the case's beginning")
    if not events:
        raise ValueError("there are no events")
    return Case(
        name=name,
        events=events,
        alerts=_whole("alerts", given["alerts"]),
        reason=" ".join(str(given.get("reason", "")).split()),
        unjudged=_whole("unjudged", given.get("unjudged", 0)),
        context=with_shipped({registry: _registry(entry) for registry, entry in given.get("context", {}).items()}),
        closing=_closing(given["closed"]) if "closed" in given else None,
    )


def _registry(entry: Mapping[str, Any]) -> RegistryContext:
    _known(entry, frozenset(_CONTEXT))
    return from_settings({name: _CONTEXT[name].parse(value) for name, value in entry.items()})


def _closing(entry: Mapping[str, Any]) -> Closing:
    _known(entry, frozenset({"at", "verdict"}))
    return Closing(duration(entry["at"]), str(entry["verdict"]))


def _events(entry: Mapping[str, Any]) -> Iterator[CaseEvent | ControlEvent]:
    if "control" in entry:
        _known(entry, CONTROL_KEYS)
        yield from control_events(entry, _span(entry, "at"))
        return
    _known(entry, _EVENT_KEYS)
    start, step = _span(entry, "at"), _span(entry, "every")
    texts = {"registry": "contoso", **{name: str(entry[name]) for name in _TEXTS if entry.get(name) is not None}}
    if "operation" not in texts:
        raise ValueError("an event has no operation")
    for number in range(_whole("repeat", entry.get("repeat", 1))):
        if step > LONGEST / (number + 1):
            raise ValueError(f"an event is more than {LONGEST.days}d after the case's beginning")
        numbered = {name: text.replace("{n}", str(number + 1)) for name, text in texts.items()}
        yield CaseEvent(start + number * step, _whole("status", entry.get("status", 200)), numbered)


def _span(entry: Mapping[str, Any], key: str) -> timedelta:
    return timedelta() if entry.get(key) in (None, "0s") else duration(entry[key])


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is {value!r}, expected a whole number")
    return value


def _known(entry: Mapping[str, Any], keys: frozenset[str]) -> None:
    if wrong := sorted(map(str, entry.keys() - keys)):
        raise ValueError(f"unknown keys: {', '.join(wrong)}; known are {', '.join(sorted(keys))}")
