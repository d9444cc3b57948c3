"""Traffic for `benchmarks.latency`: days of history, ordinary records, and records that complete a match among them."""

import itertools
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from acrwatch.simulate import Scenario, encode_messages, simulate
from acrwatch.simulate.wire import time_text

REGISTRIES: Final = ("contoso", "fabrikam")
RULES: Final = ("admin-user-login", "pull-outside-allowed-ranges", "mass-delete")
# What the mass-delete rule wants, each delete in a message of its own.
DELETES: Final = 20
# Of the history. The last day's records are sent again and again, each time with a time of its own, and so as new ones.
EVENTS_PER_DAY: Final = 5_000
_DAY: Final = timedelta(days=1)
# How many records of history go into one message.
_OF_HISTORY: Final = 200
# Records to a message: as `acrwatch.simulate` mixes them.
_SIZES: Final = (1, 1, 2, 3, 5, 8, 13, 30, 80, 250)
_TIME: Final = b"%TIME%"
_EPOCH: Final = datetime(2026, 11, 3, tzinfo=UTC)


def allowed_ranges() -> dict[str, list[str]]:
    """Return what `[registries.NAME] allowed_ranges` must say, so that only triggers fall outside."""
    return Scenario(start=_EPOCH, end=_EPOCH + _DAY, registries=REGISTRIES).allowed_ranges()


def history(days: int, until: datetime) -> Iterator[bytes]:
    """Yield messages with the ordinary records of these days, oldest first."""
    return encode_messages((item.record for item in simulate(_scenario(days, until))), per_message=_OF_HISTORY)


@dataclass(frozen=True, slots=True)
class Trigger:
    """A match to come: known again by its address, which nobody else has. `records` end with the completing one."""

    number: int
    rule: str
    address: str
    records: tuple[bytes, ...]


def trigger(number: int) -> Trigger:
    """Return the trigger of that number; rules take turns."""
    rule, address = RULES[number % len(RULES)], f"2001:db8:{0x8000 + number:x}::1"
    registry = REGISTRIES[number // len(RULES) % len(REGISTRIES)]
    if rule == "admin-user-login":
        records = [_record("Login", registry, registry, address)]
    elif rule == "pull-outside-allowed-ranges":
        records = [_record("Pull", registry, f"token-{number}", address, tag="v1")]
    else:
        person = f"user-{number}@example.com"
        records = [_record("Delete", registry, person, address, tag=f"v{n}") for n in range(DELETES)]
    marked = msgspec.json.encode({**records[-1], "correlationId": correlation(number)})
    return Trigger(number, rule, address, (*map(msgspec.json.encode, records[:-1]), marked))


def correlation(number: int) -> str:
    """Return the correlation id of the record that completes a trigger's match."""
    return f"trigger-{number}"


class Load:
    """Messages of 1 to 250 records, ordinary ones and those of triggers, in the order they are to be sent."""

    def __init__(self, seed: int, until: datetime) -> None:
        """Ordinary records are like those of the day before `until`."""
        self._chance = random.Random(seed)
        self._ordinary = _ordinary_records(until)
        self._waiting: deque[tuple[bytes, Trigger | None]] = deque()

    def put(self, one: Trigger) -> None:
        """Let a trigger's records go out with the next messages, one with each."""
        last = len(one.records) - 1
        self._waiting += [(record, one if place == last else None) for place, record in enumerate(one.records)]

    def size(self) -> int:
        """Return how many records the next message is to hold."""
        return self._chance.choice(_SIZES)

    def body(self, size: int, now: datetime) -> tuple[bytes, Trigger | None]:
        """Return a message of `size` records of this moment, and the trigger that it completes, if any."""
        records = list(itertools.islice(self._ordinary, size))
        completed = None
        if self._waiting:
            records[-1], completed = self._waiting.popleft()
        first = int(now.timestamp() * 1_000_000) * 10
        stamped = [record.replace(_TIME, time_text(first + n).encode()) for n, record in enumerate(records)]
        return b'{"records":[' + b",".join(stamped) + b"]}", completed


def _ordinary_records(until: datetime) -> Iterator[bytes]:
    """Yield records as benign callers make them, deletes left out (a day of them in seconds is a mass delete)."""
    found = (item.record for item in simulate(_scenario(1, until)))
    kept = [record for record in found if record["operationName"] in ("Login", "Pull", "Push")]
    return itertools.cycle([msgspec.json.encode({**record, "time": _TIME.decode()}) for record in kept])


def _scenario(days: int, until: datetime) -> Scenario:
    return Scenario(start=until - days * _DAY, end=until, events_per_day=EVENTS_PER_DAY, registries=REGISTRIES)


def _record(operation: str, registry: str, identity: str, address: str, *, tag: str = "<nil>") -> dict[str, Any]:
    kind = "Login" if operation == "Login" else "Repository"
    return {
        "time": _TIME.decode(),
        "category": f"ContainerRegistry{kind}Events",
        "resourceId": "/SUBSCRIPTIONS/00000000-0000-0000-0000-000000000009/RESOURCEGROUPS/BENCH/PROVIDERS/"
        f"MICROSOFT.CONTAINERREGISTRY/REGISTRIES/{registry.upper()}",
        "operationName": operation,
        "identity": identity,
        "location": "westeurope",
        "resultType": "HttpStatusCode",
        "resultDescription": "200",
        "durationMs": "38.212784",
        "callerIpAddress": address,
        "correlationId": "00000000-0000-0000-0000-000000000021",
        "properties": {"repository": "team/service", "tag": tag, "loginServer": f"{registry}.azurecr.io"},
        "RegionStamp": "weu-3",
    }
