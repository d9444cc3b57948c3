"""P4: the same events stand for the same alerts, however they were split, ordered and repeated, by any road.

And what stands is what a plain reading of three of the rules finds, without SQL, increments or merging.
"""

import ipaddress
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from acrwatch.core.model import Message
from acrwatch.core.registry import RegistryContext
from acrwatch.simulate import encode_messages, history, in_arrival_order, live_attacks, simulate
from detections.context import Context
from detections.suppressing import drafted
from ingest.normalise import Normaliser
from storage.state import alerts, stages, suppressions
from tests.detections.conftest import START

Make = Callable[..., Any]
HOUR, MINUTE, DAY = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)
# Worlds do not shrink to anything readable: the seed tells them apart.
FEW = settings(max_examples=4, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate])
ALLOWED = ipaddress.ip_network("198.51.100.0/24")
ADDRESSES = ("198.51.100.7", "198.51.100.8", "203.0.113.9", "203.0.113.10", "192.0.2.1", "2001:db8:1::1", None)


def _world(rng: random.Random, happening: Make) -> list[Any]:
    """Some 250 events of three weeks: admin uses, pulls, failures, bursts of deletions, a service with a history."""
    made: list[dict[str, Any]] = [{"at": day * DAY, "identity": "ci"} for day in range(22)]
    for _ in range(80):
        made.append({
            "at": rng.choice((0, 1, 15, 20)) * DAY + rng.randrange(40) * 11 * MINUTE,
            "identity": rng.choice(("contoso", "Contoso", "ci", "ana@example.com", None)),
            "operation": rng.choice(("login", "pull", "push")),
            "ip": rng.choice(ADDRESSES),
            "status": rng.choice((200, 201, 401)),
            "registry": rng.choice(("contoso", "contoso", "fabrikam")),
        })  # fmt: skip
    for name in ("ana@example.com", "Ana@example.com", "cleaner"):
        for _ in range(50):
            made.append({
                "at": 20 * DAY + rng.randrange(2) * 3 * HOUR + rng.randrange(1500) * timedelta(seconds=1),
                "identity": name,
                "operation": rng.choice(("delete", "untag", "purge")),
                "tag": f"v{rng.randrange(60)}",
                "registry": rng.choice(("contoso", "fabrikam")),
                "status": rng.choice((202, 202, 202, 404)),
            })  # fmt: skip
    for n in range(25):  # one burst that is sure to be found
        burst = {"at": 15 * DAY + n * timedelta(seconds=15), "identity": "cleaner", "operation": "delete"}
        made.append({**burst, "tag": f"b{n}"})
    made += _staff(rng)
    late = [DAY + MINUTE if rng.random() < 0.1 else timedelta() for _ in made]
    return [happening(n, delay=delay, **given) for n, (given, delay) in enumerate(zip(made, late, strict=True))]


def _staff(rng: random.Random) -> list[dict[str, Any]]:
    """A registry whose identities mostly share a network, so that newcomers from another one may be surprising; who
    comes when, and whether enough share it, is up to chance. All are judged by what the others did."""
    made: list[dict[str, Any]] = []
    loners = rng.choice((0, 0, 1, 5))
    for person in range(16):
        began = rng.choice((0, 0, 0, 3, 12, 15, 17, 20))
        home = "198.18.1.1" if person >= loners else f"198.18.{100 + person}.1"
        for day in sorted(rng.sample(range(began, 34), 5)):
            ip = rng.choice((home, home, home, "198.18.2.1", f"198.18.3{rng.randrange(3)}.1"))
            registry = rng.choice(("studio", "studio", "studio", "annexe"))
            at = day * DAY + rng.randrange(600) * MINUTE
            name = f"p{person}@example.com" if person % 2 else f"token{person}"
            made.append({"at": at, "identity": name, "registry": registry, "ip": ip})
    for n in range(3):
        foreign = {"identity": f"new{n}", "registry": "studio", "ip": f"203.0.113.{n}"}
        made.append({**foreign, "at": (15 + 6 * n) * DAY})
    return made


def _parts(rng: random.Random, happenings: Sequence[Any]) -> list[list[Any]]:
    """Shuffle, repeat a tenth, cut anywhere."""
    mixed = [*happenings, *rng.sample(happenings, len(happenings) // 10)]
    rng.shuffle(mixed)
    cuts = sorted(rng.sample(range(1, len(mixed)), rng.randrange(1, 9)))
    return [mixed[a:b] for a, b in zip([0, *cuts], [*cuts, len(mixed)], strict=True)]


def _network(ip: str | None) -> str | None:
    if ip is None:
        return None
    return str(ipaddress.ip_network((ip, 24 if ":" not in ip else 48), strict=False))


def _actor(h: Any) -> str:
    return h.identity.lower() if h.identity and "@" in h.identity else f"{h.registry}/{h.identity or ''}"


def _bursts(rule: str, members: Iterable[tuple[Any, Any]]) -> list[tuple[Any, ...]]:
    """Cut each group's matches where more than an hour lies between two."""
    groups: dict[Any, list[Any]] = {}
    for key, happening in members:
        groups.setdefault(key, []).append(happening)
    found = []
    for matches in groups.values():
        matches.sort(key=lambda h: (h.time, h.event_id.hex()))
        runs = [[matches[0]]]
        for before, after in pairwise(matches):
            if after.time - before.time > HOUR:
                runs.append([])
            runs[-1].append(after)
        for run in runs:
            ids = tuple(h.event_id.hex() for h in run)[:100]
            late = all(h.delay > DAY for h in run)
            found.append((rule, run[0].time, run[-1].time, len(run), late, ids))
    return found


def _deletions(happenings: Sequence[Any]) -> Iterable[tuple[str, Any]]:
    gone = [h for h in happenings if h.succeeded and h.operation in ("delete", "untag", "purge")]
    for h in gone:
        mine = [o for o in gone if _actor(o) == _actor(h)]
        starts = [o.time for o in mine if timedelta() <= h.time - o.time <= 10 * MINUTE]
        windows = ({(o.registry, o.tag) for o in mine if s <= o.time <= s + 10 * MINUTE} for s in starts)
        if max(map(len, windows)) >= 20:
            yield _actor(h), h


def _expected(happenings: Sequence[Any]) -> list[tuple[Any, ...]]:
    good = [h for h in happenings if h.succeeded]
    place = {h.number: (h.registry, h.identity, _network(h.ip)) for h in good}
    admin = [(place[h.number], h) for h in good if h.identity and h.identity.lower() == h.registry]
    pulls = [h for h in good if h.operation == "pull" and h.registry == "contoso" and h.ip]
    outside = [(place[h.number], h) for h in pulls if ipaddress.ip_address(h.ip) not in ALLOWED]
    return sorted(
        _bursts("admin-user-login", admin)
        + _bursts("pull-outside-allowed-ranges", outside)
        + _bursts("mass-delete", _deletions(happenings))
    )


@FEW
@given(seed=st.integers(0, 2**32))
def test_any_split_order_and_repetition_gives_the_alerts_a_plain_reading_finds(
    make_bench: Make, happening: Make, everything: dict[str, Any], seed: int
) -> None:
    rng = random.Random(seed)
    happenings = _world(rng, happening)
    whole, split = make_bench(everything), make_bench(everything)
    whole.judge(*happenings)
    for part in _parts(rng, happenings):
        split.store(part, source=f"hub/{rng.randrange(3)}")
        if rng.random() < 0.8:
            split.judge()
    split.judge()
    assert split.picture() == whole.picture()
    found = [
        (a.rule, a.first_seen, a.last_seen, a.count, a.historical, tuple(i for _, i in a.evidence))
        for a in split.standing()
        if a.rule != "anomalous-source-ip"
    ]
    assert sorted(found) == _expected(happenings)
    assert {a.rule for a in split.standing()} >= {"admin-user-login", "mass-delete", "pull-outside-allowed-ranges"}


@pytest.fixture(scope="module")
def simulated() -> tuple[pa.Table, Context]:
    """Five weeks of simulated traffic with attacks, normalised, and the ranges it was made with."""
    end = datetime(2026, 3, 2, 12, tzinfo=UTC)
    scenario = history(end, days=35, events_per_day=60)
    records = [item.record for item in in_arrival_order(simulate(scenario))]
    live = replace(scenario, start=end, end=end + HOUR, attacks=live_attacks(end + 5 * MINUTE))
    records += [item.record for item in in_arrival_order(simulate(live))]
    bodies = encode_messages(records)
    messages = [Message("hub/0", n, body) for n, body in enumerate(bodies)]
    events = Normaliser().batch(messages, now=end + HOUR).events
    # Enqueued when they happened: nothing is late, so that the order of arrival may be any.
    at = events.schema.get_field_index("enqueued_time")
    events = events.set_column(at, "enqueued_time", events.column("event_time"))
    ranges = scenario.allowed_ranges()
    return events, Context(
        {name: RegistryContext({"allowed_ranges": tuple(map(ipaddress.ip_network, r))}) for name, r in ranges.items()}
    )


def _commit(bench: Any, events: pa.Table, source: str) -> None:
    first = bench.sequences.get(source, 0) + 1
    bench.sequences[source] = first + len(events) - 1
    places = {
        "source": pa.array([source] * len(events)),
        "sequence_number": pa.array(range(first, first + len(events))),
    }
    for name, values in places.items():
        at = events.schema.get_field_index(name)
        events = events.set_column(at, events.schema.field(name), values)
    bench.lake.commit(events, {source: bench.sequences[source]})


@pytest.mark.parametrize("seed", [1])
def test_simulated_traffic_in_any_split_gives_the_same_alerts(
    make_bench: Make, everything: dict[str, Any], simulated: tuple[pa.Table, Context], seed: int
) -> None:
    events, context = simulated
    rng = random.Random(seed)
    whole, split = (make_bench(everything, context=context) for _ in range(2))
    _commit(whole, events, "hub/0")
    whole.judge()
    order = list(range(len(events)))
    rng.shuffle(order)
    cuts = sorted(rng.sample(range(1, len(order)), 6))
    for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True):
        _commit(split, events.take(order[a:b] + order[:20]), f"hub/{rng.randrange(3)}")
        split.judge()
    assert split.picture() == whole.picture()
    assert {alert.rule for alert in whole.standing()} == set(everything)


def test_what_is_told_suppressed_and_staged_is_the_same_in_any_split(
    make_bench: Make, happening: Make, everything: dict[str, Any]
) -> None:
    rng = random.Random(11)
    happenings = _world(rng, happening)
    whole, split = make_bench(everything), make_bench(everything)
    for bench in (whole, split):
        _set_apart(bench)
    whole.judge(*happenings)
    for part in _parts(rng, happenings):
        split.store(part, source=f"hub/{rng.randrange(3)}")
        split.judge()
    for status in ("suppressed", "staged", None):
        found = [_told(bench, status) for bench in (whole, split)]
        assert found[0] == found[1]
        assert found[0], status
    assert {rule for rule, *_ in _told(whole, "suppressed")} >= {"mass-delete", "anomalous-source-ip"}


def _set_apart(bench: Any) -> None:
    """Suppress a burst of deletions and all that comes from one network; stage the admin rule for two days."""
    spans = {"cleaner": ({"identity": "Cleaner"}, 15, 16), "foreign": ({"network": "203.0.113.0/24"}, 0, 22)}
    with bench.database.begin() as connection:
        for conditions, first, last in spans.values():
            times = {"starts_at": START + first * DAY, "expires_at": START + last * DAY}
            draft = drafted(conditions, owner="ana", reason="planned", by="ana", now=START, **times)
            suppressions.add(connection, draft)
        for stage, day in ((stages.STAGED, 14), (stages.ACTIVE, 16)):
            since = START + day * DAY
            stages.take(connection, stages.Step("admin-user-login", stage, since, START, "ana", "trial"))


def _told(bench: Any, status: str | None) -> list[tuple[Any, ...]]:
    with bench.database.connect() as connection:
        found = alerts.find(connection, status=status)
    return sorted((a.rule, a.group_key, a.first_seen, a.last_seen, a.count, a.suppressed_by, a.reason) for a in found)
