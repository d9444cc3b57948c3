"""A Spark Connect server of the test's own, and a lake of awkward events that both engines read."""

import importlib
import ipaddress
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from acrwatch.core.address import parse_address
from acrwatch.core.identity import identity_kind
from acrwatch.core.registry import RegistryContext
from detections.case import event_row
from detections.case_control import ControlEvent
from detections.case_spec import read_case
from detections.context import Context, with_shipped
from detections.rule import load_rules
from detections.rule_activity import ActivityRule
from storage.activity import CATEGORY, members
from storage.lake import Lake
from storage.lake.snapshot import Snapshot
from storage.query import Reader
from storage.schema import ARROW_SCHEMA, CATEGORIES
from storage.spark import SparkReader

START = datetime(2026, 3, 1, 21, 0, tzinfo=UTC)
END = START + timedelta(days=3)
# Case that folds otherwise elsewhere, wildcards and quotes as letters, lines, digits that are no ASCII.
NAMES = ("ci", "CI", "Ci-Bot", "ΟΔΟΣ", "οδος", "οδοσ", "İstanbul", "istanbul", "straße", "STRASSE", "ẞ", "a%b", "a_b",
         "a\\b", "o'neil", 'say "no"', "two\nlines", "tab\there", "c\u0663", "K1", "\u212a1", "user@example.com",
         "contoso", "00000000-0000-0000-0000-000000000001", "naïve\U0001f600", None)  # fmt: skip
ADDRESSES = ("198.51.100.7", "198.51.100.255", "203.0.113.9", "203.0.113.9:443", "::ffff:203.0.113.9", "2001:db8::1",
             "2001:DB8:0:0:0:0:0:1", "[2001:db8:1::5]:8443", "2001:db8:ffff::", "not an address", None)  # fmt: skip
AGENTS = ("docker/24.0 go/1.20", "Docker/24.0", "oras/1.1", "curl/8.4\ttest", "containerd/v1.7.0+\r", "", None)
SOURCES = ("hub/0", "hub/1", "hub/0", "hub/1", "backfill/one", "backfill-alert/one")
OPERATIONS = ("pull", "pull", "push", "delete", "untag", "login", "import", "other")
CONTEXT = with_shipped({
    "contoso": RegistryContext(
        {"allowed_ranges": tuple(map(ipaddress.ip_network, ("198.51.100.0/24", "2001:db8::/47")))},
        {"protected_tags": ("v1*", "LATEST"), "push_identities": ("οδοσ", "A_B", "İSTANBUL")},
        ("private_only",),
    ),
})  # fmt: skip


@dataclass(frozen=True)
class World:
    """A lake's snapshot, its events of registries themselves as plain values, and the context they are judged in."""

    snapshot: Snapshot
    rows: Sequence[dict[str, Any]]
    context: Context


def _row(number: int, chance: random.Random, time: datetime, **given: Any) -> dict[str, Any]:
    registry = chance.choice(("contoso", "contoso", "fabrikam"))
    identity, operation = chance.choice(NAMES), chance.choice(OPERATIONS)
    row = {
        "event_id": number.to_bytes(16),
        "event_time": time,
        "category": CATEGORIES[operation != "login"],
        "operation_name": operation.upper(),
        "resource_id": f"/subscriptions/s/registries/{registry}",
        "identity": identity,
        "caller_ip_address": chance.choice(ADDRESSES),
        "user_agent": chance.choice(AGENTS) or None,
        "duration_ms": chance.choice((None, 0.5, 12.0, 900.25)),
        "repository": chance.choice(("app", "App", "team/app", "ci", None)),
        "tag": chance.choice(("v1", "V1.2", "latest", "lat_est", "ci", None)),
        "digest": chance.choice((f"sha256:{number:064x}", None)),
        "size": chance.choice((None, 0, 7, 2**40)),
        "registry": registry,
        "operation": operation,
        "status_code": chance.choice((200, 200, 201, 401, 403, 404, 429, None)),
        **given,
    }
    address, late = parse_address(row["caller_ip_address"] or ""), chance.random() < 0.1
    return row | {
        "event_date": row["event_time"].date(),
        "result_type": "HttpStatusCode",
        "succeeded": 200 <= (row["status_code"] or 0) < 300,
        "identity_kind": identity_kind(row["registry"], row["identity"], ()),
        "caller_ip": address.text,
        "ip_key": address.key,
        "ingested_at": END + timedelta(days=9),
        "enqueued_time": row["event_time"] + timedelta(hours=30 if late else 0),
        "source": SOURCES[number % len(SOURCES)],
        "sequence_number": number,
    }


def _rows() -> list[dict[str, Any]]:
    """Return events at random, and a burst across a midnight of one identity with gaps of a microsecond around it."""
    chance = random.Random(20260301)
    rows = [
        _row(number, chance, START + timedelta(seconds=chance.randrange(3 * 86_400), microseconds=chance.randrange(10)))
        for number in range(200)
    ]
    midnight = datetime(2026, 3, 3, tzinfo=UTC)
    burst = {"operation": "delete", "identity": "user@example.com", "status_code": 200, "registry": "contoso"}
    steps = [timedelta(seconds=30 * n) for n in range(-10, 10)] + [timedelta(minutes=5, microseconds=1)]
    rows += [_row(1000 + n, chance, midnight + step, tag=f"t{n}", **burst) for n, step in enumerate(steps)]
    pair = ({"operation": "delete", "identity": "ci"}, {"operation": "pull", "repository": "ci"})
    return rows + [_row(2000 + n, chance, START + n * timedelta(minutes=10), **one) for n, one in enumerate(pair)]


def _control_rows() -> list[dict[str, Any]]:
    """Return records of two writes: one whose first record says what was asked, in the other order; one that failed."""
    chance = random.Random(7)
    rules = [{"value": "2001:db8::/32", "note": 'ünî "\\\n\u2028'}, 1.5, 2**40, True, None, [], {}]
    asked = members(request={"adminuserenabled": True, "networkruleset": {"defaultaction": "Allow", "iprules": rules}})
    given = [("one", "Success", 200, None), ("one", "Start", None, asked), ("two", "Start", None, asked)]
    return [
        _row(
            3000 + n,
            chance,
            START + timedelta(hours=5, seconds=-n),
            category=CATEGORY,
            operation="registries/write",
            operation_name="MICROSOFT.CONTAINERREGISTRY/REGISTRIES/WRITE",
            identity="user@example.com",
            registry="contoso",
            correlation_id=action,
            status_code=status,
            extra=extra,
        )
        | {"result_type": result, "resource_id": "/subscriptions/s/registries/contoso"}
        for n, (action, result, status, extra) in enumerate(given)
    ]


def _cases_of_the_control_plane() -> list[dict[str, Any]]:
    """Return the events of a case of each rule on the Activity Log that fires, three hours after the one before: some
    stand on both sides of a midnight, the first of all on both sides of START."""
    rows: list[dict[str, Any]] = []
    rules = {slug: rule for slug, rule in load_rules().items() if isinstance(rule, ActivityRule)}
    for n, (slug, rule) in enumerate(sorted(rules.items())):
        begin = START + timedelta(hours=3 * n, seconds=-10)
        for event in next(case for case in map(read_case, rule.metadata.tests) if case.alerts).events:
            number = 4000 + len(rows)
            if isinstance(event, ControlEvent):
                row = event.row(begin, "", number)
                row["correlation_id"] = f"{slug} {row['correlation_id']}"
            else:
                row = event_row(event, number, CONTEXT)
                row["event_time"] = row["enqueued_time"] = begin + event.at
            place = {"event_date": row["event_time"].date(), "source": f"hub/{number % 2}"}
            rows.append(dict.fromkeys(ARROW_SCHEMA.names) | row | place)
    return rows


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    lake = Lake.open(tmp_path_factory.mktemp("engines") / "a lake")
    rows, cases = _rows(), _cases_of_the_control_plane()
    for part in (rows[:100], rows[100:], [*_control_rows(), *cases]):
        reached: dict[str, int] = {}
        for row in part:
            reached[row["source"]] = max(row["sequence_number"], reached.get(row["source"], 0))
        lake.commit(pa.Table.from_pylist(part, ARROW_SCHEMA), reached)
    within = [row for row in cases if row["category"] != CATEGORY]
    return World(lake.snapshot(), [*rows, *within], CONTEXT)


@pytest.fixture(scope="module")
def spark_url() -> Iterator[str]:
    """Sail, which speaks Spark Connect, on a port of its own; or the server that ACRWATCH_SPARK_URL names, on this
    machine, for its files are read there."""
    if given := os.environ.get("ACRWATCH_SPARK_URL"):
        yield given
        return
    os.environ.setdefault("RUST_LOG", "error")
    server = importlib.import_module("pysail.spark").SparkConnectServer(ip="127.0.0.1", port=0)
    server.start(background=True)
    host, port = server.listening_address
    yield f"sc://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def spark(spark_url: str, world: World) -> Iterator[SparkReader]:
    with SparkReader(world.snapshot, spark_url) as reader:
        yield reader


@pytest.fixture(scope="module")
def duck(world: World) -> Iterator[Reader]:
    with Reader(world.snapshot) as reader:
        yield reader
