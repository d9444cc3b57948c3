"""Correlations over correlations: counts that are counted, or put in order, themselves."""

import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from acrwatch.core.errors import ConfigError
from detections.rule import load_rules, parse_rule

Make = Callable[..., Any]
MINUTE = timedelta(minutes=1)
FEW = settings(max_examples=3, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate])

DOCUMENTS = """
title: Login
name: login
logsource: {{product: azure, service: containerregistry}}
detection: {{s: {{operation: login}}, condition: s}}
---
{pull}title: Many logins
name: many
correlation: {{type: {inner}, rules: [login], group-by: {inner_groups}, timespan: 5m, condition: {condition}}}
---
title: Nested
correlation: {{type: {outer}, rules: {rules}, group-by: [identity], timespan: 10m{more}}}
"""
PULL = """\
title: Pull
name: pull
logsource: {product: azure, service: containerregistry}
detection: {s: {operation: pull}, condition: s}
---
"""
ORDERED = {
    "pull": PULL,
    "inner": "event_count", "inner_groups": "[identity]", "condition": "{gte: 3}",
    "outer": "temporal_ordered", "rules": "[many, pull]", "more": "",
}  # fmt: skip
COUNTED = {
    "pull": "",
    "inner": "value_count", "inner_groups": "[identity, repository]", "condition": "{gte: 2, field: tag}",
    "outer": "value_count", "rules": "[many]", "more": ", condition: {gte: 2, field: repository}",
}  # fmt: skip


def _world(rng: random.Random, happening: Make) -> list[Any]:
    return [
        happening(
            number,
            at=rng.randrange(30) * MINUTE,
            operation=rng.choice(("login", "login", "pull", "delete")),
            identity=rng.choice(("ana", None)),
            repository=rng.choice(("app", "web", "api")),
            tag=rng.choice(("v1", "v2", "v3")),
        )
        for number in range(30)
    ]


def _ends_of_counts(happenings: Sequence[Any], kind: str) -> list[Any]:
    """The logins with which a count of five minutes is reached: in order of time, then of their ids."""
    logins = sorted((h for h in happenings if h.operation == "login"), key=lambda h: (h.at, h.event_id))
    found = []
    for place, last in enumerate(logins):
        held = [h for h in logins[: place + 1] if h.identity == last.identity and last.at - h.at <= 5 * MINUTE]
        tags = {h.tag for h in held if h.repository == last.repository}
        if len(held) >= 3 if kind == "ordered" else len(tags) >= 2:
            found.append(last)
    return found


def _expected(happenings: Sequence[Any], kind: str) -> set[str]:
    found: set[str] = set()
    for first in (ends := _ends_of_counts(happenings, kind)):
        if kind == "ordered":
            later = [h for h in happenings if h.operation == "pull" and h.identity == first.identity]
            pulls = [h for h in later if timedelta() <= h.at - first.at <= 10 * MINUTE]
            found |= {h.event_id.hex() for h in (first, *pulls) if pulls}
        else:
            mine = [h for h in ends if h.identity == first.identity]
            held = [h for h in mine if timedelta() <= h.at - first.at <= 10 * MINUTE]
            if len({h.repository for h in held}) >= 2:
                found |= {h.event_id.hex() for h in held}
    return found


@pytest.mark.parametrize(("kind", "words"), [("ordered", ORDERED), ("counted", COUNTED)])
@FEW
@given(seed=st.integers(0, 2**32))
def test_any_split_finds_what_a_plain_reading_finds(
    make_bench: Make, happening: Make, kind: str, words: dict[str, str], seed: int
) -> None:
    rng = random.Random(seed)
    happenings = _world(rng, happening)
    rule = parse_rule(DOCUMENTS.format(**words), "nested")
    whole, split = (make_bench({"nested": rule}) for _ in range(2))
    whole.judge(*happenings)
    mixed = [*happenings]
    rng.shuffle(mixed)
    cuts = sorted(rng.sample(range(1, len(mixed)), 3))
    for a, b in zip([0, *cuts], [*cuts, len(mixed)], strict=True):
        split.judge(*mixed[a:b])
    assert split.picture() == whole.picture()
    found = {event_id for alert in split.standing() for _, event_id in alert.evidence}
    assert found == _expected(happenings, kind)


def test_an_old_count_is_read_only_where_the_rest_could_be_met(make_bench: Make, happening: Make) -> None:
    """What the inner window reaches back for is read from dates that nothing else needs."""
    long = DOCUMENTS.format(**COUNTED).replace("timespan: 5m", "timespan: 30d")
    rule = parse_rule(long, "nested")
    bench = make_bench({"nested": rule})
    past = [happening(n, operation="login", repository=f"r{n}", tag="old") for n in range(2)]
    now = [happening(9 + n, at=timedelta(days=20), operation="login", repository=f"r{n}", tag="new") for n in range(2)]
    bench.judge(*past)
    bench.judge(now[0])
    assert bench.standing() == []
    bench.judge(now[1])
    assert bench.only().count == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"inner": "temporal", "condition": "{gte: 1}"}, "'many', which is a temporal: only counts can be correlated"),
        ({"inner_groups": "[repository]"}, "group-by identity, by which 'many' does not group"),
        ({"condition": "{lt: 3}"}, "condition lt: an event that arrives late"),
    ],
)
def test_a_correlation_within_another_that_has_no_translation_is_refused(
    tmp_path: Path, change: dict[str, str], words: str
) -> None:
    (tmp_path / "nested.yml").write_text(DOCUMENTS.format(**{**ORDERED, **change}))
    with pytest.raises(ConfigError) as raised:
        load_rules([tmp_path])
    assert words in str(raised.value)


def test_correlations_nest_once(tmp_path: Path) -> None:
    deeper = "---\ntitle: More\nname: more\ncorrelation: {type: event_count, rules: [many], group-by: [identity], "
    deeper += "timespan: 5m, condition: {gte: 2}}\n---\ntitle: Nested"
    text = DOCUMENTS.format(**{**ORDERED, "rules": "[more, pull]"}).replace("---\ntitle: Nested", deeper)
    (tmp_path / "nested.yml").write_text(text)
    with pytest.raises(ConfigError) as raised:
        load_rules([tmp_path])
    assert "'more', which is over a correlation itself" in str(raised.value)
