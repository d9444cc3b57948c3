"""A small registry's three days: events by who did what when, some records of the control plane, some alerts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import pyarrow as pa

from acrwatch.core.address import parse_address
from acrwatch.core.identity import identity_kind
from storage.activity import CATEGORY
from storage.schema import ARROW_SCHEMA
from storage.state.alerts import Alert

START = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DIGEST = "sha256:" + "4f" * 32


@dataclass(frozen=True)
class Happening:
    """One event. `number` makes its id."""

    number: int
    at: timedelta = timedelta()
    operation: str = "pull"
    identity: str | None = "ci"
    ip: str | None = "198.51.100.7"
    registry: str = "contoso"
    status: int = 200
    repository: str | None = "app"
    tag: str | None = "v1"
    digest: str | None = None
    user_agent: str | None = "docker/27"
    category: str = "ContainerRegistryRepositoryEvents"

    @property
    def time(self) -> datetime:
        return START + self.at

    @property
    def event_id(self) -> str:
        return blake2b(str(self.number).encode(), digest_size=16).hexdigest()

    def row(self) -> dict[str, Any]:
        address = parse_address(self.ip or "")
        given = {
            "event_id": bytes.fromhex(self.event_id),
            "event_date": self.time.date(),
            "event_time": self.time,
            "category": self.category,
            "operation_name": self.operation.title(),
            "resource_id": f"/subscriptions/s/registries/{self.registry}",
            "login_server": f"{self.registry}.azurecr.io",
            "identity": self.identity,
            "caller_ip_address": self.ip,
            "user_agent": self.user_agent,
            "result_description": str(self.status),
            "repository": self.repository,
            "tag": self.tag,
            "digest": self.digest,
            "size": 528 if self.digest else None,
            "registry": self.registry,
            "operation": self.operation,
            "status_code": self.status,
            "succeeded": 200 <= self.status < 300,
            "identity_kind": identity_kind(self.registry, self.identity, ()),
            "caller_ip": address.text,
            "ip_key": address.key,
            "ingested_at": self.time + timedelta(minutes=5),
            "source": "eventhub/example/audit/0/0",
            "sequence_number": self.number,
            "enqueued_time": self.time + timedelta(minutes=4),
        }
        return {name: given.get(name) for name in ARROW_SCHEMA.names}


def table(happenings: Sequence[Happening]) -> pa.Table:
    """Return them as rows of the lake."""
    return pa.Table.from_pylist([one.row() for one in happenings], schema=ARROW_SCHEMA)


MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
# Pulls by the pipeline every hour of 52, from one network; now and then a failed login by a person from a v6 address.
EVERYDAY = [Happening(n, at=n * HOUR, digest=DIGEST if n % 2 else None) for n in range(52)]
PEOPLE = [
    Happening(100 + n, at=n * 5 * HOUR + MINUTE, operation="login", identity="Ana@example.com", ip="2001:db8::9",
              registry="fabrikam", status=401 if n % 3 == 0 else 200, repository=None, tag=None, user_agent=None)
    for n in range(10)
]  # fmt: skip
# Twenty-five images deleted within five minutes on the third day, from an address nobody used before.
DELETED = [
    Happening(200 + n, at=timedelta(days=2, hours=1, seconds=12 * n + 5), operation="delete",
              identity="mallory@example.com", ip="203.0.113.50", repository=f"app{n % 5}", tag=f"v{n}",
              user_agent="curl/8")
    for n in range(25)
]  # fmt: skip
NOBODY = [Happening(300, at=timedelta(days=1, seconds=90), identity=None, ip=None, user_agent=None)]
CONTROL = [Happening(400, at=timedelta(days=1), operation="other", category=CATEGORY)]
ALL = [*EVERYDAY, *PEOPLE, *DELETED, *NOBODY, *CONTROL]
EVENTS = sorted((one for one in ALL if one.category != CATEGORY), key=lambda one: one.time)

DELETING = Alert(
    id="0193a1b2c3d4deadbeef",
    rule="mass-delete",
    rule_id="11111111-0000-4000-8000-000000000000",
    rule_version="0" * 64,
    context_version=None,
    title="Many images deleted in a short time",
    severity="critical",
    tags=("attack.t1485",),
    group_key="[]",
    entities=(
        {"type": "identity", "value": "mallory@example.com"},
        {"type": "ip", "value": "203.0.113.50"},
        {"type": "registry", "value": "contoso"},
    ),
    registries=("contoso",),
    status="new",
    close_reason=None,
    merged_into=None,
    historical=False,
    first_seen=DELETED[0].time,
    last_seen=DELETED[-1].time,
    count=25,
    evidence=tuple((one.time.isoformat(), one.event_id) for one in DELETED),
    evidence_rows=(((DELETED[0].time.isoformat(), DELETED[0].event_id), {"identity": "mallory@example.com"}),),
    facts={"peaks": {"distinct": 25}},
    reason="mallory@example.com deleted 25 distinct images of contoso within 5 minutes; the threshold is 20 in 10.",
    revision=1,
    created_at=NOW - 30 * MINUTE,
    updated_at=NOW - 30 * MINUTE,
    raised_at=NOW - 30 * MINUTE,
    closed_at=None,
    changed_after_close=False,
)
ELSEWHERE = replace(
    DELETING, id="0193a1b2c3d5aaaaaaaa", rule="anomalous-source-ip", severity="medium", title="New network",
    entities=({"type": "ip", "value": "203.0.113.50"},), registries=("fabrikam",), evidence=(), evidence_rows=(),
    count=1, first_seen=START + timedelta(days=1), last_seen=START + timedelta(days=1), status="active",
    created_at=NOW - HOUR, reason="An address nobody used before.",
)  # fmt: skip
UNRELATED = replace(
    ELSEWHERE, id="0193a1b2c3d6bbbbbbbb", rule="admin-user-login", severity="low", created_at=NOW - 2 * HOUR,
    entities=({"type": "registry", "value": "contoso"},), registries=("contoso",), status="closed",
    close_reason="test", historical=True,
)  # fmt: skip
ALERTS = (DELETING, ELSEWHERE, UNRELATED)
