"""A small world for detections: real lake, real database, real engine, a clock that tests move."""

import ipaddress
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import select

from acrwatch.core.address import parse_address
from acrwatch.core.identity import identity_kind
from acrwatch.core.registry import RegistryContext
from detections.behavioural import discover
from detections.context import Context
from detections.detection import Detection
from detections.engine import Engine, Passed
from detections.notices import Publishing
from detections.rule import SHIPPED, load_rules, parse_rule
from storage.lake import Lake
from storage.schema import ARROW_SCHEMA
from storage.state import alerts
from storage.state.alerts import Alert
from storage.state.database import Database
from storage.state.tables import deliveries
from tests.sqlite import database_in

MISSION_RULES = ("admin-user-login", "mass-delete", "pull-outside-allowed-ranges")
START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
CONTEXT = Context({"contoso": RegistryContext({"allowed_ranges": (ipaddress.ip_network("198.51.100.0/24"),)})})


@dataclass(frozen=True)
class Happening:
    """One event of a test. `number` makes its id, so the same happening is the same event however it arrives."""

    number: int
    at: timedelta = timedelta()
    operation: str = "pull"
    identity: str | None = "ci"
    ip: str | None = "198.51.100.7"
    registry: str = "contoso"
    status: int = 200
    repository: str | None = "app"
    tag: str | None = "v1"
    user_agent: str | None = None
    delay: timedelta = timedelta()  # from happening to the hub

    @property
    def time(self) -> datetime:
        return START + self.at

    @property
    def event_id(self) -> bytes:
        return blake2b(str(self.number).encode(), digest_size=16).digest()

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300

    def row(self, source: str, sequence: int) -> dict[str, Any]:
        address = parse_address(self.ip or "")
        return {
            "event_id": self.event_id,
            "event_date": self.time.date(),
            "event_time": self.time,
            "category": "ContainerRegistryRepositoryEvents",
            "operation_name": self.operation,
            "resource_id": f"/subscriptions/s/registries/{self.registry}",
            "identity": self.identity,
            "caller_ip_address": self.ip,
            "user_agent": self.user_agent,
            "repository": self.repository,
            "tag": self.tag,
            "registry": self.registry,
            "operation": self.operation,
            "status_code": self.status,
            "succeeded": self.succeeded,
            "identity_kind": identity_kind(self.registry, self.identity, ()),
            "caller_ip": address.text,
            "ip_key": address.key,
            "ingested_at": self.time + self.delay,
            "source": source,
            "sequence_number": sequence,
            "enqueued_time": self.time + self.delay,
        }


@dataclass
class Hands:
    """A clock that stands where a test puts it."""

    time: datetime = START + timedelta(days=100)

    def now(self) -> datetime:
        return self.time


@dataclass
class Bench:
    """Stores and an engine over them."""

    folder: Path
    detections: Mapping[str, Detection]
    context: Context = CONTEXT
    publishing: Publishing = field(default_factory=Publishing)
    chunk_rows: int = 250_000
    clock: Hands = field(default_factory=Hands)
    sequences: dict[str, int] = field(default_factory=dict)
    url: str = ""  # an SQLite database in the folder unless told otherwise

    def __post_init__(self) -> None:
        self.lake = Lake.open(self.folder / "lake")
        if self.url:
            self.database = Database(self.url)
            self.database.migrate()
        else:
            self.url = f"sqlite:///{self.folder / 'state.db'}"
            self.database = database_in(self.folder / "state.db")

    def engine(self, detections: Mapping[str, Detection] | None = None) -> Engine:
        return Engine(
            self.lake,
            self.database,
            self.detections if detections is None else detections,
            self.context,
            self.clock,
            publishing=self.publishing,
            chunk_rows=self.chunk_rows,
        )

    def store(self, happenings: Sequence[Happening], source: str = "hub/0") -> None:
        """One commit, one message per event."""
        first = self.sequences.get(source, 0) + 1
        self.sequences[source] = first + len(happenings) - 1
        rows = [happening.row(source, first + n) for n, happening in enumerate(happenings)]
        self.lake.commit(pa.Table.from_pylist(rows, ARROW_SCHEMA), {source: self.sequences[source]})

    def judge(self, *happenings: Happening) -> Passed:
        """Store these, if any, and run the engine until nothing is left."""
        if happenings:
            self.store(happenings)
        return self.engine().run_until_done()

    def standing(self) -> list[Alert]:
        """Standing alerts by first event, building blocks among them."""
        with self.database.connect() as connection:
            found = alerts.find(connection, blocks=True)
            return sorted(found, key=lambda alert: (alert.rule, alert.first_seen, alert.group_key))

    def all(self) -> list[Alert]:
        with self.database.connect() as connection:
            return sorted(alerts.find(connection, include_withdrawn=True), key=lambda alert: alert.id)

    def only(self) -> Alert:
        (alert,) = self.standing()
        return alert

    def picture(self) -> list[tuple[Any, ...]]:
        """What P4 promises to be the same however events arrived."""
        return [
            (a.rule, a.group_key, a.first_seen, a.last_seen, a.count, a.historical, json.dumps(a.evidence), a.reason)
            for a in self.standing()
        ]

    def close(self, alert: Alert, at: datetime, verdict: str = "true_positive") -> None:
        """A person closes an alert."""
        closed = replace(alert, status=alerts.CLOSED, close_reason=verdict, closed_at=at, updated_at=at)
        with self.database.begin() as connection:
            alerts.save(connection, replace(closed, revision=alert.revision + 1))

    def notices(self) -> list[tuple[str, dict[str, Any]]]:
        """Type and data of what the outbox holds, in order; folded ones too."""
        with self.database.connect() as connection:
            rows = connection.execute(select(deliveries).order_by(deliveries.c.sequence)).mappings().all()
        return [(row["type"], json.loads(row["body"])["data"]) for row in rows]


RULE = """
title: A rule of a test
id: 11111111-2222-3333-4444-555555555555
status: test
logsource: {{product: azure, service: containerregistry}}
detection: {detection}
level: low
x_slug: test-rule
x_group_by: {group_by}
x_group_for: 1h
x_entities: {{identity: identity}}
x_reason: "{reason}"
x_runbook: []
x_blind_spots: []
x_tests: []
{more}
"""


def rule_text(
    detection: Mapping[str, Any],
    *,
    group_by: Sequence[str] = ("registry", "identity"),
    reason: str = "{identity} did {operations}",
    more: str = "",
) -> str:
    return RULE.format(detection=json.dumps(detection), group_by=json.dumps(list(group_by)), reason=reason, more=more)


@pytest.fixture
def make_rule() -> Callable[..., Detection]:
    def made(detection: Mapping[str, Any], **options: Any) -> Detection:
        return parse_rule(rule_text(detection, **options), "test-rule")

    return made


@pytest.fixture
def write_rule() -> Callable[..., str]:
    return rule_text


@pytest.fixture
def happening() -> type[Happening]:
    return Happening


@pytest.fixture
def everything() -> dict[str, Detection]:
    """The four mission detections: what the engine promises it promises of any, and these are of every kind."""
    found = {**load_rules([SHIPPED / f"{slug}.yml" for slug in MISSION_RULES]), **discover()}
    return {slug: found[slug] for slug in (*MISSION_RULES, "anomalous-source-ip")}


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def bench(detections: Mapping[str, Detection], **options: Any) -> Bench:
        folder = tmp_path / f"bench{len(made)}"
        folder.mkdir()
        made.append(Bench(folder, detections, **options))
        return made[-1]

    yield bench
    for one in made:
        one.database.close()


@pytest.fixture
def admin_bench(make_bench: Callable[..., Bench], everything: dict[str, Detection]) -> Bench:
    """The admin rule alone, with a destination: the simplest way to make an alert is a login as `contoso`."""
    only = {"admin-user-login": everything["admin-user-login"]}
    return make_bench(only, publishing=Publishing(("siem",), "https://acrwatch.example.com"))
