"""Correlations of every kind through the real engine, in any split, against a plain reading of the same events."""

import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from detections.rule import parse_rule
from detections.rule_correlation import CorrelationRule

Make = Callable[..., Any]
WINDOW = timedelta(minutes=10)
# Worlds do not shrink to anything readable: the seed tells them apart.
FEW = settings(max_examples=6, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate])

DOCUMENTS = """
title: Login
name: login
logsource: {{product: azure, service: containerregistry}}
detection: {{s: {{operation: login}}, condition: s}}
---
title: Pull
name: pull
logsource: {{product: azure, service: containerregistry}}
detection: {{s: {{operation: pull}}, condition: s}}
---
title: Push
name: push
logsource: {{product: azure, service: containerregistry}}
detection: {{s: {{operation: push}}, condition: s}}
---
title: Together
correlation:
  type: {type}
  rules: [login, pull, push]
  group-by: [identity]
  timespan: 10m
  {condition}
"""

KINDS = {
    "event_count": "condition: {gte: 4}",
    "value_count": "condition: {gt: 2, field: tag}",
    "temporal": "",
    "temporal_ordered": "",
    "temporal, some": "condition: {gte: 2}",
    "temporal, extended": "condition: login and (pull or push)",
}


def _rule(kind: str) -> CorrelationRule:
    text = DOCUMENTS.format(type=kind.split(",")[0], condition=KINDS[kind])
    rule = parse_rule(text, kind)
    assert isinstance(rule, CorrelationRule)
    return rule


def _world(rng: random.Random, happening: Make) -> list[Any]:
    return [
        happening(
            number,
            at=rng.randrange(40) * timedelta(minutes=1),
            operation=rng.choice(("login", "pull", "push", "delete")),
            identity=rng.choice(("ana", "bob", None)),
            tag=rng.choice(("v1", "v2", "v3", "v4", None)),
        )
        for number in range(30)
    ]


def _enough(kind: str, held: Sequence[Any]) -> bool:
    operations = {h.operation for h in held}
    match kind:
        case "event_count":
            return len(held) >= 4
        case "value_count":
            return len({h.tag for h in held}) > 2
        case "temporal":
            return len(operations) == 3
        case "temporal, some":
            return len(operations) >= 2
    return "login" in operations and len(operations) >= 2


def _expected(kind: str, happenings: Sequence[Any]) -> set[str]:
    """Ids of the events that some closed window holds together with enough others of their group."""
    counted = [h for h in happenings if h.operation != "delete" and (h.tag or kind != "value_count")]
    found: set[str] = set()
    for name in ("ana", "bob", None):
        mine = [h for h in counted if h.identity == name]
        if kind == "temporal_ordered":
            steps = [[h for h in mine if h.operation == step] for step in ("login", "pull", "push")]
            chains = [c for c in product(*steps) if c[0].at <= c[1].at <= c[2].at <= c[0].at + WINDOW]
            found |= {h.event_id.hex() for chain in chains for h in chain}
            continue
        for first in mine:
            held = [h for h in mine if timedelta() <= h.at - first.at <= WINDOW]
            if _enough(kind, held):
                found |= {h.event_id.hex() for h in held}
    return found


@pytest.mark.timeout(300)  # all kinds over six worlds: some 14 s of the processor, and longer on one that is busy
@FEW
@given(seed=st.integers(0, 2**32))
def test_any_split_finds_what_a_plain_reading_finds(make_bench: Make, happening: Make, seed: int) -> None:
    rng = random.Random(seed)
    happenings = _world(rng, happening)
    whole, split = (make_bench({kind: _rule(kind) for kind in KINDS}) for _ in range(2))
    whole.judge(*happenings)
    mixed = [*happenings, *rng.sample(happenings, 3)]
    rng.shuffle(mixed)
    cuts = sorted(rng.sample(range(1, len(mixed)), 3))
    for a, b in zip([0, *cuts], [*cuts, len(mixed)], strict=True):
        split.judge(*mixed[a:b])
    assert split.picture() == whole.picture()
    held = [(alert.rule, event_id) for alert in split.standing() for _, event_id in alert.evidence]
    found = {kind: {event_id for rule, event_id in held if rule == kind} for kind in KINDS}
    assert found == {kind: _expected(kind, happenings) for kind in KINDS}


ALIASES = """
title: Failed login
name: failed
logsource: {product: azure, service: containerregistry}
detection: {s: {operation: login, status_code: 401}, condition: s}
---
title: Deleted tag named like somebody
name: deleted
logsource: {product: azure, service: containerregistry}
detection: {s: {operation: delete}, condition: s}
---
title: Failed, then gone
correlation:
  type: temporal_ordered
  rules: [failed, deleted]
  group-by: [subject]
  aliases: {subject: {failed: identity, deleted: tag}}
  timespan: 10m
"""


def test_an_alias_joins_events_by_different_fields(make_bench: Make, happening: Make) -> None:
    bench = make_bench({"gone": parse_rule(ALIASES, "gone")})
    bench.judge(
        happening(1, operation="login", identity="v7", status=401),
        happening(2, at=timedelta(minutes=5), operation="delete", identity="ana", tag="v7"),
        happening(3, at=timedelta(minutes=5), operation="delete", identity="ana", tag="v8"),
    )
    alert = bench.only()
    assert "v7" in alert.group_key
    assert alert.count == 2
