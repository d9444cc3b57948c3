"""A day of registry records with bursts of deletes among them, as JSON lines, and what is true of them.

Planted: 12 bursts of 25 deletes in 8 minutes and one that begins before noon and ends after it; three near misses of
19; one identity that deletes 60 times over 20 hours. Logins by admin users and pulls from elsewhere (v4 and v6, by five
identities) are spread over the day. Seeded; the same for the same number of records.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

DAY: Final = datetime(2026, 11, 3, tzinfo=UTC)
RANGES: Final = ("198.51.100.0/24", "2001:db8:1::/48")
REGISTRIES: Final = ("contoso", "fabrikam")
BURSTS: Final = 13
_BURST, _BURST_SPAN = 25, timedelta(minutes=8)
_NEAR_MISSES, _NEAR_MISS = 3, 19
_SLOW: Final = 60
_SUBSCRIPTION: Final = "/SUBSCRIPTIONS/00000000-0000-0000-0000-000000000000/RESOURCEGROUPS/RG"


@dataclass(frozen=True, slots=True)
class Truth:
    """What must be found: admin logins, pulls from elsewhere, and who deleted in bursts."""

    admin: int
    outside: int
    identities: tuple[str, ...]


def write_records(path: Path, number: int) -> Truth:
    """Write so many records, in order of time, and return what is true of them."""
    chance = random.Random(number)
    deletes = sorted(_deletes(chance), key=lambda one: one[0])
    admin, outside = number // 1_100, number // 143
    others = number - len(deletes) - admin - outside
    kinds = ["admin"] * admin + ["outside"] * outside + ["usual"] * others
    chance.shuffle(kinds)
    step = timedelta(days=1) / len(kinds)
    usual = ((DAY + n * step, kind) for n, kind in enumerate(kinds))
    with path.open("w", encoding="utf-8") as out:
        waiting = iter(deletes)
        delete = next(waiting, None)
        for time, kind in usual:
            while delete is not None and delete[0] <= time:
                out.write(_line(chance, delete[0], "delete", delete[1]))
                delete = next(waiting, None)
            out.write(_line(chance, time, kind))
        if delete is not None:
            out.writelines(_line(chance, *one[:1], "delete", one[1]) for one in (delete, *waiting))
    return Truth(admin, outside, tuple(sorted(f"burst{n}@example.com" for n in range(BURSTS))))


def _deletes(chance: random.Random) -> Iterator[tuple[datetime, str]]:
    starts = [timedelta(hours=11, minutes=56), *(timedelta(minutes=chance.randrange(1_400)) for _ in range(BURSTS - 1))]
    for n, start in enumerate(starts):
        yield from ((DAY + start + k * _BURST_SPAN / _BURST, f"burst{n}@example.com") for k in range(_BURST))
    for n in range(_NEAR_MISSES):
        start = timedelta(minutes=chance.randrange(1_400))
        yield from ((DAY + start + k * timedelta(seconds=25), f"near{n}@example.com") for k in range(_NEAR_MISS))
    yield from ((DAY + k * timedelta(minutes=20), "slow@example.com") for k in range(_SLOW))


def _line(chance: random.Random, time: datetime, kind: str, identity: str = "") -> str:
    registry = chance.choice(REGISTRIES)
    v6 = chance.random() < 0.3
    host = chance.randrange(1, 250)
    address = f"2001:db8:1::{host:x}" if v6 else f"198.51.100.{host}"
    if kind == "outside":
        address = f"2001:db8:ffff::{host:x}" if v6 else f"203.0.113.{host}"
    operation = {"admin": "Login", "outside": "Pull", "delete": "Delete"}.get(kind) or chance.choice(
        ("Pull", "Pull", "Push", "Login")
    )
    who = {"admin": registry, "delete": identity, "outside": f"visitor{host % 5}@example.com"}.get(
        kind
    ) or f"build{chance.randrange(300)}@example.com"
    category = "Login" if operation == "Login" else "Repository"
    record: dict[str, Any] = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S.%f0Z"),
        "category": f"ContainerRegistry{category}Events",
        "resourceId": f"{_SUBSCRIPTION}/PROVIDERS/MICROSOFT.CONTAINERREGISTRY/REGISTRIES/{registry.upper()}",
        "operationName": operation,
        "identity": who,
        "location": "westeurope",
        "resultType": "HttpStatusCode",
        "resultDescription": "200",
        "durationMs": str(chance.randrange(1, 500)),
        "callerIpAddress": address,
        "correlationId": f"{chance.getrandbits(128):032x}",
        "properties": {
            "loginServer": f"{registry}.azurecr.io",
            "userAgent": "docker/27.4.1",
            **({} if category == "Login" else _of_repository(chance)),
        },
    }
    return json.dumps(record, separators=(",", ":")) + "\n"


def _of_repository(chance: random.Random) -> dict[str, str]:
    return {
        "repository": f"team{chance.randrange(12)}/app{chance.randrange(40)}",
        "tag": f"v{chance.getrandbits(40):x}",
        "digest": f"sha256:{chance.randrange(40_000):064x}",
    }
