"""How fast messages become events: `python -m benchmarks.decode`, or with `--rows` rows of Log Analytics.

Prints thousands of records per second and core for 200-record messages of about 925 bytes a record, derived columns
and Arrow table included, beside the bare msgspec typed decode of the same bytes in the same minute: on a shared
machine the ratio says more than the rate.

With `--rows` the same records come as rows, as queries and as exports write them. Both are decoded as they are and by
the tolerant path alone, which was their only one, in turn; and an answer of the client becomes messages.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any

import msgspec
import pyarrow as pa

from acrwatch.core.model import Message
from benchmarks.machine import described
from ingest.batch import Derivations, EventBatch
from ingest.envelope import Damage, unwrap
from ingest.loganalytics.query import TAKEN, Answer
from ingest.loganalytics.rows import chunks, log_rows
from ingest.normalise import Normaliser
from ingest.tolerant import read_record
from ingest.wire import WireRecord
from storage.schema import COLUMNS

RECORDS = 200
MESSAGES = 10
ROUNDS = 25
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PAIRS = 9
GUID = "{:08x}-0000-4000-8000-{:012x}"
TABLE = "ContainerRegistryRepositoryEvents"
NAMES = {column.wire: column.log_analytics for column in COLUMNS if column.wire and column.log_analytics}
OF_THE_ROW = {
    "TenantId": GUID.format(1, 99), "SourceSystem": "Azure", "Type": TABLE, "_BilledSize": 931.0, "_IsBillable": "True",
    "_Internal_WorkspaceResourceId": "/subscriptions/s/resourcegroups/r/providers/microsoft.operationalinsights/w",
}  # fmt: skip


class Envelope(msgspec.Struct):
    """The bare decode to compare with."""

    records: list[WireRecord]


def record(random: Random, index: int) -> dict[str, object]:
    """Return one pull: 60 identities, 400 addresses, 200 repositories, digests and correlation ids never twice."""
    unique = random.getrandbits(48)
    return {
        "time": f"2025-12-30T14:{index // 60 % 60:02d}:{index % 60:02d}.{random.randrange(10**7):07d}Z",
        "category": "ContainerRegistryRepositoryEvents",
        "resourceId": "/SUBSCRIPTIONS/00000000-0000-0000-0000-000000000009/RESOURCEGROUPS/DOCKER/PROVIDERS"
        "/MICROSOFT.CONTAINERREGISTRY/REGISTRIES/EXAMPLE",
        "operationName": "Pull",
        "identity": GUID.format(random.randrange(60), 7),
        "location": "westeurope",
        "resultType": "HttpStatusCode",
        "resultDescription": "404" if random.random() < 0.02 else "200",
        "durationMs": f"{random.random() * 90:.6f}",
        "callerIpAddress": f"203.0.113.{random.randrange(200)}",
        "correlationId": GUID.format(unique >> 16, unique),
        "properties": {
            "tag": f"v1.{random.randrange(50)}",
            "digest": f"sha256:{random.getrandbits(256):064x}",
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "repository": f"team/service-{random.randrange(200)}",
            "artifactType": "acr.docker",
            "tenantId": GUID.format(1, 11),
            "loginServer": "example.azurecr.io",
            "userAgent": "containerd/1.7.23 azsdk-go-azcontainerregistry/v0.2.2 (go1.23.5; linux)",
        },
        "RegionStamp": "weu-3",
    }


def nanoseconds(work: Callable[[], object]) -> float:
    """Return the best of ROUNDS runs, per record."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best / (RECORDS * MESSAGES) * 1e9


def answer_of(records: Sequence[dict[str, Any]]) -> Answer:
    """Return what the client answers for these records."""
    rows = [_row(record) for record in records]
    columns = (*(name for name in rows[0] if name != TAKEN), "JwtId", "Size", TAKEN)
    return Answer(columns, tuple(tuple(row.get(name) for name in columns) for row in rows))


def _row(record: dict[str, Any]) -> dict[str, Any]:
    members = {**record, **record["properties"]}
    row = {NAMES[name]: value for name, value in members.items() if name in NAMES}
    moment = datetime.fromisoformat(f"{record['time'][:26]}+00:00")
    told = {"TimeGenerated": moment, TAKEN: moment + timedelta(minutes=5), "_ResourceId": record["resourceId"].lower()}
    return {**row, **told, **OF_THE_ROW}


def exported(answer: Answer) -> bytes:
    """Return rows as an export of Log Analytics appends them to a blob."""
    lines = []
    for values in answer.rows:
        row = dict(zip(answer.columns, values, strict=True))
        row |= {"TimeGenerated": f"{row['TimeGenerated']:%Y-%m-%dT%H:%M:%S.%f}0Z"}
        lines.append(json.dumps({name: value for name, value in row.items() if name != TAKEN}).encode())
    return b"\n".join(lines)


def tolerant(messages: Sequence[Message]) -> pa.Table:
    """Return the events that the tolerant path alone makes of messages."""
    batch = EventBatch(Derivations({}), NOW)
    for message in messages:
        rows = [read_record(piece) for piece in unwrap(message.body) if not isinstance(piece, Damage)]
        batch.add(message, list(zip(*rows, strict=True)))
    return batch.table()


def compare_rows(batches: Sequence[Sequence[dict[str, Any]]]) -> None:
    """Print what a row costs, as it is decoded and by the tolerant path, in turn; and what comes before that."""
    answers = [answer_of(records) for records in batches]
    queried = [chunk.body for answer in answers for chunk in chunks(log_rows(answer, TABLE))]
    normaliser = Normaliser()
    print(f"{described()}\n\n| rows | tolerant, µs | fast, µs | times faster |\n|---|--:|--:|--:|")
    shapes = {
        "of a query": queried,
        "of a query, one in 200 odd": [body.replace(b"{", b'{"NewColumn":1,', 1) for body in queried],
        "of an export": [exported(answer) for answer in answers],
    }
    for name, bodies in shapes.items():
        messages = [Message("s", number, body) for number, body in enumerate(bodies)]
        if _ids(normaliser.batch(messages, now=NOW).events) != _ids(tolerant(messages)):
            raise SystemExit(f"rows {name}: the two paths come to other ids")
        slow_way, fast_way = partial(tolerant, messages), partial(normaliser.batch, messages, now=NOW)
        pairs = [(_microseconds(slow_way), _microseconds(fast_way)) for _ in range(PAIRS)]
        slow, fast = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratios = sorted(one / other for one, other in pairs)
        shown = f"{statistics.median(ratios):.1f} ({ratios[0]:.1f} - {ratios[-1]:.1f})"
        print(f"| {name} | {slow:.1f} | {fast:.1f} | **{shown}** |")
    made = [_microseconds(lambda: [list(chunks(log_rows(answer, TABLE))) for answer in answers]) for _ in range(PAIRS)]
    print(f"| answer to messages | | {statistics.median(made):.1f} | |")


def _ids(events: pa.Table) -> list[bytes]:
    return sorted(events["event_id"].to_pylist())


def _microseconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return (time.process_time() - start) / (RECORDS * MESSAGES) * 1e6


def main() -> None:
    """Measure the usual shape, the same with one unknown member per message, and every record tolerant."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--rows", action="store_true", help="rows of Log Analytics instead of the hub's messages")
    random = Random(7)
    batches = [[record(random, m * RECORDS + i) for i in range(RECORDS)] for m in range(MESSAGES)]
    if options.parse_args().rows:
        compare_rows(batches)
        return
    odd = [[{**records[0], "newMember": 1}, *records[1:]] for records in batches]
    strange = [[{**record, "newMember": 1} for record in records] for records in batches]
    bare = msgspec.json.Decoder(Envelope)
    bodies = [json.dumps({"records": records}, separators=(",", ":")).encode() for records in batches]
    floor = nanoseconds(lambda: [bare.decode(body) for body in bodies])
    print(f"{'bytes per record':<34}{sum(map(len, bodies)) / RECORDS / MESSAGES:>8.0f}")
    print(f"{'bare msgspec typed decode':<34}{1e6 / floor:>8.0f} krec/s")
    for name, shape in (("usual shape", batches), ("one odd record per message", odd), ("every record odd", strange)):
        messages = [Message("s", i, json.dumps({"records": records}).encode()) for i, records in enumerate(shape)]
        normaliser = Normaliser()
        took = nanoseconds(lambda n=normaliser, m=messages: n.batch(m, now=NOW))  # type: ignore[misc]
        print(f"{name:<34}{1e6 / took:>8.0f} krec/s, {took / floor:.1f} times the bare decode")


if __name__ == "__main__":
    main()
