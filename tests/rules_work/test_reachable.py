"""Conditions that no event can meet are told from those that one may."""

from typing import Any

import pytest
import yaml
from sigma.conditions import SigmaCondition
from sigma.rule import SigmaDetections

from detections.reachable import contradiction, unknown_value


def _parsed(selections: str, condition: str) -> Any:
    return SigmaCondition(condition, SigmaDetections.from_dict({**yaml.safe_load(selections), "condition": condition}))


@pytest.mark.parametrize(
    ("selections", "condition", "why"),
    [
        ("{a: {operation: pull}, b: {operation: push}}", "a and b", "operation would have to be 'pull' and 'push'"),
        ("{a: {Identity: CI}, b: {identity: deployer}}", "a and b", "identity would have to be 'CI' and 'deployer'"),
        ("{a: {identity: ci}, b: {identity|startswith: x}}", "a and b", "identity would have to be 'ci' and 'x*'"),
        ("{a: {identity: ci}}", "a and not a", "identity would have to be 'ci' and not 'ci'"),
        ("{a: {identity|re: 'x+'}}", "a and not a", "identity would have to be /x+/ and not /x+/"),
        ("{a: {tag: null}, b: {tag: v1}}", "a and b", "tag would have to be absent and 'v1'"),
        ("{a: {tag|exists: false}, b: {tag|endswith: v}}", "a and b", "tag would have to be absent and '*v'"),
        ("{a: {operation: null}}", "a", "operation would have to be absent"),
        (
            "{a: {status_code: 200}, b: {status_code|gte: 400}}",
            "a and b",
            "status_code would have to be '200' and gte 400",
        ),
        ("{a: {size|gt: 5}, b: {size|lt: 6}}", "a and b", "size would have to be gt 5 and lt 6"),
        ("{a: {succeeded: true}, b: {succeeded: false}}", "a and b", "succeeded would have to be true and false"),
        (
            "{a: {caller_ip|cidr: 192.0.2.0/25}, b: {caller_ip|cidr: 192.0.2.128/25}}",
            "a and b",
            "caller_ip would have to be '192.0.2.0/25' and '192.0.2.128/25'",
        ),
        (
            "{a: {caller_ip: 198.51.100.9}, b: {caller_ip|cidr: 192.0.2.0/24}}",
            "a and b",
            "caller_ip would have to be '198.51.100.9' and '192.0.2.0/24'",
        ),
        (
            "{a: {category: ContainerRegistryLoginEvents}, b: {category: ContainerRegistryRepositoryEvents}}",
            "not (a or b)",
            "category would have to be not 'ContainerRegistryLoginEvents' and not 'ContainerRegistryRepositoryEvents'",
        ),
    ],
)
def test_a_condition_that_no_event_can_meet_is_told_with_the_reason(selections: str, condition: str, why: str) -> None:
    assert contradiction(_parsed(selections, condition).parsed) == why


@pytest.mark.parametrize(
    ("selections", "condition"),
    [
        ("{a: {operation: [pull, push]}, b: {operation: [push, delete]}}", "a and b"),
        ("{a: {operation: pull}, b: {operation: push}}", "a or b"),
        ("{a: {operation: pull}}", "not a"),
        ("{a: {identity: ci}, b: {identity|contains: c}}", "a and b"),
        ("{a: {identity: ci}, b: {identity|re: '^x'}}", "a and b"),
        ("{a: {identity|cased: CI}, b: {identity: ci}}", "a and b"),
        ("{a: {identity|cased: CI}, b: {identity: ci}}", "b and not a"),
        ("{a: {tag: null}, b: {tag: v1}}", "a and not b"),
        ("{a: {status_code|gte: 200}, b: {status_code|lt: 300}}", "a and b"),
        ("{a: {size|gte: 5}, b: {size|lte: 5}}", "a and b"),
        ("{a: {caller_ip|cidr: 192.0.2.0/24}, b: {caller_ip|cidr: 192.0.2.128/25}}", "a and b"),
        ("{a: {caller_ip|expand: '%allowed_ranges%'}, b: {caller_ip: 192.0.2.1}}", "b and not a"),
        ("{a: [kaniko, buildah]}", "a and not a"),
        ("{a: {identity|contains|all: [a, b]}}", "a"),
        ("{a: {event_time|hour: 3}, b: {event_time|hour: 4}}", "a and b"),
    ],
)
def test_a_condition_that_some_event_may_meet_is_left_alone(selections: str, condition: str) -> None:
    assert contradiction(_parsed(selections, condition).parsed) is None


def test_conditions_with_very_many_alternatives_are_not_taken_apart() -> None:
    many = ", ".join(f"v{n}" for n in range(100))
    selections = f"{{a: {{tag: [{many}]}}, b: {{digest: [{many}]}}, c: {{tag: null}}}}"
    assert contradiction(_parsed(selections, "a and b and c").parsed) is None


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("operation: [pull, deleet]", "operation is never 'deleet': did you mean 'delete'?"),
        ("identity_kind: person", "identity_kind is never 'person': known are admin, user,"),
        ("Category: Login*", "category is never 'Login*': known are ContainerRegistryLoginEvents,"),
    ],
)
def test_a_value_that_a_field_never_has_is_told_with_the_nearest(item: str, words: str) -> None:
    assert (unknown_value(_parsed(f"a: {{{item}}}", "a").parsed) or "").startswith(words)


@pytest.mark.parametrize(
    "item",
    ["operation: PULL", "operation: p*", "category: '*LoginEvents'", "operation_name: deleet", "operation|re: x"],
)
def test_a_value_that_may_occur_is_left_alone(item: str) -> None:
    assert unknown_value(_parsed(f"a: {{{item}}}", "a").parsed) is None
