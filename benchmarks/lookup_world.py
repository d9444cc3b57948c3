"""Events to look subjects up in: every column filled as records fill them, by columns and not by rows, so it is fast.

Of an audit log's shape: a third are logins with a token id, the others pulls and pushes by tag or digest; a few
thousand identities of very uneven eagerness, most with a handful of addresses, over twenty thousand in all; hub
positions, and some addresses that an investigator asks for. Seeded; the same for the same number of rows and dates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.schema import ARROW_SCHEMA, CATEGORIES

IDENTITIES: Final = 2_000
ADDRESSES: Final = 24_000
DIGESTS: Final = 40_000
REPOSITORIES: Final = 200
REGISTRIES: Final = 12
STREAMS: Final = 4

# One that only an attacker used, with one stolen identity, 120 times on three dates.
ATTACKER: Final = 11_003
NEVER_SEEN: Final = 11_004
ATTACKER_DATES: Final = 3
ATTACKER_EVENTS_A_DATE: Final = 40
STOLEN: Final = 1_500

_LOGIN_SHARE: Final = 0.33
_Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Words:
    """The values that repeat."""

    ips: pa.Array
    keys: pa.Array
    identities: pa.Array
    digests: pa.Array

    @classmethod
    def make(cls) -> "Words":
        """Return addresses, their keys, identities and digests, by number."""
        octets = [(198, 18 + n // 65536, n // 256 % 256, n % 256) for n in range(ADDRESSES)]
        hashes = np.random.default_rng(7).bytes(32 * DIGESTS).hex()
        return cls(
            ips=pa.array([".".join(map(str, four)) for four in octets]),
            keys=pa.array([bytes(10) + b"\xff\xff" + bytes(four) for four in octets], pa.binary()),
            identities=pa.array([f"user{n}@example.com" for n in range(IDENTITIES)]),
            digests=pa.array(["sha256:" + hashes[64 * n : 64 * n + 64] for n in range(DIGESTS)]),
        )


def events(
    rng: np.random.Generator, words: Words, day: date, rows: int, first: int, *, attacked: bool = False
) -> pa.Table:
    """Return one date's events by time; `first` numbers the first message of each stream."""
    who = (rng.pareto(1.1, rows) * 20).astype(np.int64) % IDENTITIES
    address = (who * 12 + rng.integers(0, 4, rows) ** 2) % (ADDRESSES - 2)
    address += 2 * (address >= ATTACKER)  # neither the attacker's nor the one never seen is anybody else's
    if attacked:
        theirs = rng.choice(rows, ATTACKER_EVENTS_A_DATE, replace=False)
        address[theirs], who[theirs] = ATTACKER, STOLEN
    what = (rng.pareto(1.1, rows) * 200).astype(np.int64) % DIGESTS
    midnight = int(datetime.combine(day, time(), UTC).timestamp()) * 1_000_000
    times = np.sort(rng.integers(0, 86_400_000_000, rows)) + midnight
    columns = {
        **_request(rng, day, times, who),
        **_subjects(words, who, address),
        **_image(rng, words, what),
        **_arrival(times, first),
    }
    return pa.table([columns[name] for name in ARROW_SCHEMA.names], schema=ARROW_SCHEMA)


def _request(rng: np.random.Generator, day: date, times: _Numbers, who: _Numbers) -> Mapping[str, Any]:
    rows = len(times)
    registry = who % REGISTRIES
    names = [f"contoso{n}" for n in range(REGISTRIES)]
    arm = "/SUBSCRIPTIONS/{}/RESOURCEGROUPS/REGISTRIES/PROVIDERS/MICROSOFT.CONTAINERREGISTRY/REGISTRIES/{}"
    subscription = "11111111-2222-3333-4444-555555555555"
    failed = rng.random(rows) < 0.02
    return {
        "event_id": _binary(rng.bytes(16 * rows), 16),
        "event_date": pa.array([day]).take(pa.array(np.zeros(rows, np.int64))),
        "event_time": _times(times),
        "resource_id": _of([arm.format(subscription, name.upper()) for name in names], registry),
        "login_server": _of([f"{name}.azurecr.io" for name in names], registry),
        "registry": _of(names, registry),
        "region": _of(["West Europe", "North Europe", "East US"], registry % 3),
        "user_tenant_id": _of([f"72f988bf-0000-4000-8000-{n:012}" for n in range(3)], registry % 3),
        "user_agent": _of([f"docker/27.{n}.0 go/go1.22.{n} kernel/6.8.0-{n} os/linux arch/amd64" for n in range(40)],
                          (who * 3 + rng.integers(0, 3, rows)) % 40),
        "correlation_id": _text(_guids(rng, rows), 36),
        "result_type": _of(["HttpStatusCode"], np.zeros(rows, np.int64)),
        "result_description": _of(["200", "401"], failed.astype(np.int64)),
        "status_code": pa.array(np.where(failed, 401, 200).astype(np.int16)),
        "succeeded": pa.array(~failed),
        "duration_ms": pa.array(np.round(rng.gamma(2.0, 30.0, rows), 4)),
        "extra": pa.nulls(rows, pa.string()),
    }  # fmt: skip


def _subjects(words: Words, who: _Numbers, address: _Numbers) -> Mapping[str, Any]:
    return {
        "identity": words.identities.take(pa.array(who)),
        "identity_kind": _of(["user"], np.zeros(len(who), np.int64)),
        "caller_ip_address": words.ips.take(pa.array(address)),
        "caller_ip": words.ips.take(pa.array(address)),
        "ip_key": words.keys.take(pa.array(address)),
    }


def _image(rng: np.random.Generator, words: Words, what: _Numbers) -> Mapping[str, Any]:
    rows = len(what)
    login = rng.random(rows) < _LOGIN_SHARE
    by_digest = rng.random(rows) < 0.5
    absent = pa.array(login)
    digests = words.digests.take(pa.array(what))
    tags = _of([f"v1.{n}.{n % 7}" for n in range(300)], what % 300)
    kind = np.where(login, 0, 1 + (rng.random(rows) < 0.05))

    def present(column: pa.Array) -> pa.Array:
        return pc.if_else(absent, pa.scalar(None, column.type), column)

    return {
        "category": _of(list(CATEGORIES), (~login).astype(np.int64)),
        "operation_name": _of(["Login", "Pull", "Push"], kind),
        "operation": _of(["login", "pull", "push"], kind),
        "jwt_id": pc.if_else(absent, _text(_guids(rng, rows), 36), pa.scalar(None, pa.string())),
        "repository": present(_of([f"team{n % 20}/app{n}" for n in range(REPOSITORIES)], what % REPOSITORIES)),
        "tag": present(pc.if_else(pa.array(by_digest), digests, tags)),
        "digest": present(digests),
        "media_type": present(_of(["application/vnd.docker.distribution.manifest.v2+json",
                                   "application/vnd.oci.image.index.v1+json"], what % 2)),
        "artifact_type": present(_of(["acr.docker"], np.zeros(rows, np.int64))),
        "size": present(pa.array(1_000 + what * 7 % 9_000)),
    }  # fmt: skip


def _arrival(times: _Numbers, first: int) -> Mapping[str, Any]:
    rows = len(times)
    message = np.arange(rows) // 20  # records of one message
    stream = message % STREAMS
    taken = times[np.minimum(message * 20 + 19, rows - 1)] + 300_000_000 + message % 1000 * 1000
    streams = [f"eventhub/audit.servicebus.windows.net/acr-audit/{n}/0" for n in range(STREAMS)]
    return {
        "ingested_at": _times(taken // 5_000_000 * 5_000_000 + 5_000_000),
        "source": _of(streams, stream),
        "partition_id": _of([str(n) for n in range(STREAMS)], stream),
        "sequence_number": pa.array(first + message // STREAMS),
        "enqueued_time": _times(taken),
    }


def _of(values: list[str], numbers: npt.NDArray[Any]) -> pa.Array:
    return pa.array(values).take(pa.array(numbers))


def _times(microseconds: _Numbers) -> pa.Array:
    return pa.array(microseconds).cast(ARROW_SCHEMA.field("event_time").type)


def _guids(rng: np.random.Generator, rows: int) -> bytes:
    """Return so many guids as text, one after the other."""
    digits = np.frombuffer(rng.bytes(16 * rows).hex().encode(), np.uint8).reshape(rows, 32)
    text = np.full((rows, 36), ord("-"), np.uint8)
    for at, first, last in ((0, 0, 8), (9, 8, 12), (14, 12, 16), (19, 16, 20), (24, 20, 32)):
        text[:, at : at + last - first] = digits[:, first:last]
    return text.tobytes()


def _text(values: bytes, width: int) -> pa.Array:
    return pa.Array.from_buffers(pa.string(), len(values) // width, [None, *_buffers(values, width)])


def _binary(values: bytes, width: int) -> pa.Array:
    return pa.Array.from_buffers(pa.binary(), len(values) // width, [None, *_buffers(values, width)])


def _buffers(values: bytes, width: int) -> tuple[pa.Buffer, pa.Buffer]:
    offsets = np.arange(0, len(values) + 1, width, dtype=np.int32)
    return pa.py_buffer(offsets.tobytes()), pa.py_buffer(values)
