"""Mistakes in rule files are refused by name, all at once, before anything runs."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acrwatch.core.errors import ConfigError
from detections.rule import load_rules

Write = Callable[..., str]
PULL = {"s": {"operation": "pull"}, "condition": "s"}


def _mistakes(folder: Path, text: str) -> str:
    (folder / "test-rule.yml").write_text(text)
    with pytest.raises(ConfigError) as raised:
        load_rules([folder])
    return str(raised.value)


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ({"colour": "red"}, "unknown field 'colour'"),
        ({"extra": "x"}, "unknown field 'extra'"),
        ({"identity|re": "(?<=a)b"}, "invalid perl operator"),
        ({"identity|cidr": "10.0.0.0/8"}, "cidr on field 'identity'"),
        ({"identity|gt": 5}, "a comparison with a number on field 'identity'"),
        ({"identity": True}, "true or false on field 'identity'"),
        ({"succeeded": "yes"}, "text on field 'succeeded'"),
        ({"event_time": "2026*"}, "text on field 'event_time'"),
        ({"identity|expand": "x%admin_usernames%"}, "a placeholder within other text"),
        ({"identity|expand": "%allowed_ranges%"}, "%allowed_ranges% is a list of ranges: it goes with caller_ip"),
        ({"caller_ip|expand": "%push_identities%"}, "%push_identities% is a list of values"),
        ({"registry|expand": "%push_identities%"}, "%registries_with_push_identities% tells"),
        ({"identity|expand": "%admin_disabled%"}, "%admin_disabled% is a flag: it goes with registry"),
        ({"identity|hour": 3}, "a part of the time on field 'identity'"),
        ({"identity|nonsense": "x"}, "nonsense"),
    ],
)
def test_a_construct_without_translation_is_named_with_its_file(
    tmp_path: Path, write_rule: Write, selection: Any, words: str
) -> None:
    message = _mistakes(tmp_path, write_rule({"s": selection, "condition": "s"}))
    assert re.search(r"test-rule\.yml:\d+: ", message)
    assert words in message


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("x_slug: test-rule", "x_slug: another", "x_slug 'another' is not the file's name 'test-rule'"),
        ("x_runbook: []", "x_runbok: []", "unknown key 'x_runbok'"),
        ('"registry", ', '"colour", ', "x_group_by names fields that are unknown or no text: colour"),
        ('"registry", ', '"event_time", ', "x_group_by names fields that are unknown or no text: event_time"),
        ("{identity} did", "{nobody} did", "x_reason uses unknown names: nobody"),
        ("{identity} did", "{identity", "x_reason is no template: unexpected '{' in field name"),
        ("{identity} did", "{span:d}", "x_reason shapes a value, '{span:d}': write {span}"),
        ("{identity} did", "{registry!z}", "x_reason shapes a value, '{registry!z}'"),
        ("{identity} did", "{registry!r}", "x_reason shapes a value, '{registry!r}'"),
        ("{identity} did", "{span:>3000000000}", "x_reason shapes a value, '{span:>3000000000}'"),
        ("{identity} did", "{count:>3000000000}", "x_reason shapes a value, '{count:>3000000000}'"),
        ("{identity} did", "{count:{span}}", "x_reason shapes a value, '{count:{span}}'"),
        ("{identity} did", "{count.real}", "x_reason uses unknown names: count.real"),
        ("{identity} did", "{}", "x_reason uses unknown names: "),
        ("{identity} did", "{identity}" * 201, "x_reason has 2,0"),
        ("x_entities: {identity: identity}", "x_entities: [identity]", "x_entities must map types to fields"),
        ("{identity: identity}", "{who: jwt_id}", "x_entities names fields that alerts do not hold: jwt_id"),
        ("product: azure", "product: windows", "logsource must be product azure"),
        ("x_group_for: 1h", "x_group_for: soon", "expected a time span"),
        ("x_group_for: 1h", "x_group_for: 99999999999d", "x_group_for: expected a time span of at most 36500d"),
        ("x_runbook: []", "x_runbook: [{a: b}]", "x_runbook must be a list of texts, found \"{'a': 'b'}\": quote it"),
        ("x_blind_spots: []", "x_blind_spots: [5]", "x_blind_spots must be a list of texts, found '5': quote it"),
        ('"registry", ', "5, ", "x_group_by must be a list of texts, found '5'"),
        ("x_entities: {identity: identity}", "x_entities: {5: identity}", "x_entities must map types to fields"),
        ("x_entities: {identity: identity}", "x_entities: {who: [identity]}", "x_entities must map types to fields"),
        ("level: low", "level: [", "while parsing"),
        ("title: A rule of a test", "", "itle"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, write_rule: Write, old: str, new: str, words: str) -> None:
    text = write_rule(PULL)
    assert old in text
    assert words in _mistakes(tmp_path, text.replace(old, new))


@pytest.mark.parametrize("text", ["", "[]", "5", "a: [", "title: 5"])
def test_a_file_that_is_no_rule_at_all_is_a_mistake_like_any_other(tmp_path: Path, text: str) -> None:
    assert "test-rule.yml:1: " in _mistakes(tmp_path, text)


def test_the_mistakes_of_all_files_are_told_together(tmp_path: Path, write_rule: Write) -> None:
    (tmp_path / "first.yml").write_text("a: [")
    (tmp_path / "second.yml").write_text(write_rule(PULL))
    message = _mistakes(tmp_path, write_rule({"s": {"colour": "red"}, "condition": "s"}))
    assert all(f"{name}.yml:" in message for name in ("first", "second", "test-rule"))


CORRELATION = """
title: base
name: base
logsource: {{product: azure, service: containerregistry}}
detection: {{s: {{operation: delete}}, condition: s}}
---
title: counted
id: 11111111-2222-3333-4444-555555555555
correlation:
  type: {type}
  rules: {rules}
  group-by: {correlated}
  timespan: {timespan}
  condition: {condition}
x_slug: test-rule
x_group_by: {group_by}
x_entities: {{}}
x_reason: "{reason}"
x_runbook: []
x_blind_spots: []
x_tests: []
{more}
"""


def grouped_as(name: str, reason: str) -> dict[str, str]:
    """Return what makes the correlation group by an alias, with a reason."""
    condition = f"{{gte: 5, field: target}}\n  aliases: {{{name}: {{base: actor}}}}"
    return {"condition": condition, "correlated": f"[{name}]", "group_by": f"[{name}]", "reason": reason}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"type": "value_sum"}, "correlation type value_sum"),
        ({"type": "event_count"}, "a field in the condition of event_count"),
        ({"type": "temporal", "condition": "{gte: 2}"}, "temporal gte 2 over 1 rules"),
        ({"type": "temporal", "condition": "not base"}, "not in a correlation's condition"),
        ({"condition": "{lt: 5, field: target}"}, "condition lt: an event that arrives late"),
        ({"condition": "{gte: 0, field: target}"}, "value_count gte 0"),
        ({"condition": "{gte: 5, field: colour}"}, "unknown field 'colour'"),
        ({"rules": "[nothing]"}, "nothing"),
        ({"timespan": "99999999999d"}, "timespan 99999999999d: expected at most 36500d"),
        ({"timespan": "101y"}, "timespan 101y: expected at most 36500d"),
        ({"correlated": "[size]", "group_by": "[size]"}, "group-by 'size', which is no text"),
        ({"more": "x_group_for: 1m"}, "shorter than the timespan"),
        ({"group_by": "[registry]"}, "x_group_by must equal the correlation's group-by"),
        (grouped_as("count", "{count:call}"), "x_reason shapes a value, '{count:call}'"),
        (grouped_as("who.it", "{who.it}"), "x_reason uses unknown names: who.it"),
        (grouped_as('"0"', "{0}"), "x_reason uses unknown names: 0"),
        ({"more": "x_nearby: s"}, "a correlation cannot have x_nearby"),
    ],
)
def test_a_correlation_without_translation_is_refused(tmp_path: Path, change: dict[str, str], words: str) -> None:
    good = {"type": "value_count", "condition": "{gte: 5, field: target}", "group_by": "[actor]"}
    good |= {"reason": "{count}", "timespan": "10m", "more": "", "rules": "[base]", "correlated": "[actor]"}
    (tmp_path / "test-rule.yml").write_text(CORRELATION.format(**good))
    assert "test-rule" in load_rules([tmp_path])
    assert words in _mistakes(tmp_path, CORRELATION.format(**{**good, **change}))
