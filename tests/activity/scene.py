"""Records of both planes, and a small world that decodes, stores and judges them as the service does."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from acrwatch.core.model import Message
from detections.context import Context
from detections.detection import Detection
from detections.engine import Engine
from detections.notices import Publishing
from detections.rule import SHIPPED, load_rules
from ingest.normalise import Normaliser
from storage.lake import Lake
from storage.state import alerts
from storage.state.alerts import Alert
from tests.sqlite import database_in

START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
REGISTRY = "/subscriptions/0/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/contoso"
ALICE, ALICE_ID = "alice@example.com", "00000000-0000-0000-0000-0000000000a1"

Record: TypeAlias = dict[str, Any]


def event(at: timedelta, operation: str, identity: str = ALICE, status: int = 200) -> Record:
    """Return a record of the registry itself."""
    return {
        "time": _time(at),
        "category": "ContainerRegistryRepositoryEvents",
        "operationName": operation,
        "resourceId": REGISTRY,
        "identity": identity,
        "callerIpAddress": "203.0.113.9",
        "resultType": "HttpStatusCode",
        "resultDescription": str(status),
        "correlationId": f"{operation}/{at}/{identity}",
        "properties": {"repository": "app"},
    }


def action(at: timedelta, request: Mapping[str, Any] | None, *results: str, name: str = "write") -> list[Record]:
    """Return the records of one control-plane action: one for each result, a minute apart, the request on the first."""
    records = []
    for number, result in enumerate(results or ("Start", "Success")):
        held = {"requestbody": json.dumps({"properties": request})} if number == 0 and request is not None else {}
        records.append({
            "time": _time(at + number * timedelta(minutes=1)),
            "category": "Administrative",
            "operationName": f"MICROSOFT.CONTAINERREGISTRY/REGISTRIES/{name.upper()}",
            "resourceId": REGISTRY.upper(),
            "resultType": result,
            "callerIpAddress": "203.0.113.9",
            "correlationId": f"{name}/{at}",
            "identity": {"claims": {"upn": ALICE, "oid": ALICE_ID}},
            "properties": held,
        })  # fmt: skip
    return records


def _time(at: timedelta) -> str:
    return (START + at).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


@dataclass
class StandingClock:
    """A clock that does not move."""

    def now(self) -> datetime:
        return START + timedelta(hours=12)


@cache
def some_rules() -> Mapping[str, Detection]:
    """Return one rule of each kind: on what was asked, on what was done, and on what the log lacks."""
    slugs = ("admin-user-enabled", "credentials-listed-or-regenerated", "registry-written-unseen")
    return load_rules([SHIPPED / f"{slug}.yml" for slug in slugs])


@dataclass
class Scene:
    """A lake, a database and an engine over some rules on the control plane, or the rules given."""

    folder: Path
    detections: Mapping[str, Detection] = field(default_factory=some_rules)
    numbers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lake = Lake.open(self.folder / "lake")
        self.database = database_in(self.folder / "state.db")
        self.clock = StandingClock()
        self.normaliser = Normaliser()

    def judge(self, records: Sequence[Record], stream: str = "eventhub/ns/hub/0/0") -> None:
        """Store these as one message of a stream, and judge until nothing is left."""
        number = self.numbers[stream] = self.numbers.get(stream, 0) + 1
        message = Message(stream, number, json.dumps({"records": list(records)}).encode(), "0", None, START)
        found = self.normaliser.batch([message], now=self.clock.now())
        assert not found.rejects
        self.lake.commit(found.events, {stream: number})
        engine = Engine(
            self.lake, self.database, self.detections, Context(), self.clock, publishing=Publishing(("siem",))
        )
        assert engine.run_until_done().failed == ()

    def standing(self) -> list[Alert]:
        """Return the alerts that stand, by rule and time."""
        with self.database.connect() as connection:
            found = alerts.find(connection, blocks=True)
            return sorted(found, key=lambda alert: (alert.rule, alert.first_seen, alert.group_key))

    def picture(self) -> list[tuple[Any, ...]]:
        """Return what must be the same however records arrived."""
        return [
            (a.rule, a.group_key, a.first_seen, a.last_seen, a.count, a.evidence, a.facts, a.reason)
            for a in self.standing()
        ]
