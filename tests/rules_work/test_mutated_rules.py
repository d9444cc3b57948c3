"""Shipped rules, changed at random: each loads or is a mistake with a line, and no other rule pays for it.

Seeded, so that a failure comes again. Longer runs, with other seeds, were done by hand.
"""

import copy
import logging
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from detections.lint import lint
from detections.rule import SHIPPED, read_rules

_VALUES: Final[tuple[Any, ...]] = (
    None, [], {}, 5, -1, 1.5, float("inf"), float("nan"), True, "", [[]], [{}], [None], {"a": {}}, 10**30, 2**63, "*",
    "%a%", "%admin_usernames%", "not s", "1 of them", "(", "[", "{count!r}", "{identity.a}", "{0}", "x" * 300,
    "99999999999d", "101y", "any", "temporal_ordered", {"gte": 1}, {1: 2}, b"x", "::/0", "ends\n", ["x", None],
)  # fmt: skip
_MODIFIERS: Final = ("re", "cidr", "expand", "gt", "contains|all", "base64offset", "windash", "exists", "fieldref",
                     "cased", "hour", "nonsense", "", "re|i")  # fmt: skip
_NAMES: Final = (
    "identity", "caller_ip", "event_time", "size", "succeeded", "colour", "correlation", "filter", "action",
    "condition", "rules", "aliases", "generate", "x_reason", "x_group_by", "x_entities",
)  # fmt: skip
_LETTERS: Final = "\"'[]{}:#&*!|>%@`,?-\t\\~"
_ROUNDS: Final = 60


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if len(path) > 1:
        yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in children:
        yield from _places(inner, (*path, key))


def _shaped_otherwise(documents: list[Any], chance: random.Random) -> str:
    """Return a rule with one part that is another value, has another name, holds itself, or is missing."""
    changed = copy.deepcopy(documents)
    *above, last = chance.choice([path for path in _places(changed) if path[1] != "x_tests" or chance.random() < 0.2])
    inner: Any = changed
    for key in above:
        inner = inner[key]
    kind = chance.randrange(5)
    if kind == 0 and isinstance(inner, dict):
        inner[f"{last}|{chance.choice(_MODIFIERS)}"] = inner.pop(last)
    elif kind == 1 and isinstance(inner, dict):
        inner[chance.choice(_NAMES)] = inner.pop(last)
    elif kind == 2:
        del inner[last]
    elif kind == 3:
        inner[last] = inner if chance.random() < 0.5 else "a\ud800b"
    else:
        inner[last] = copy.deepcopy(chance.choice(_VALUES))
    return yaml.safe_dump_all(changed, sort_keys=False, allow_unicode=True)


def _spelled_otherwise(text: str, chance: random.Random) -> str:
    """Return a rule with a letter more, a line less, or lines that stand elsewhere."""
    lines = text.splitlines()
    at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    kind = chance.randrange(4)
    if kind == 0:
        column = chance.randrange(len(lines[at]) + 1)
        lines[at] = lines[at][:column] + chance.choice(_LETTERS) + lines[at][column:]
    elif kind == 1:
        del lines[at]
    elif kind == 2:
        lines.insert(at, lines[other])
    else:
        lines[at], lines[other] = lines[other], lines[at]
    return "\n".join(lines)


@pytest.mark.parametrize("seed", [2])
def test_a_rule_changed_at_random_loads_or_is_a_mistake_of_its_file(
    folder: Path, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    chance = random.Random(seed)
    # Without their own names: these are called otherwise.
    texts = [re.sub("(?m)^x_slug: .*\n", "", file.read_text()) for file in sorted(SHIPPED.glob("*.yml"))]
    documents = [list(yaml.safe_load_all(text)) for text in texts]
    file, loaded = folder / "changed.yml", 0
    for number in range(_ROUNDS):
        if chance.random() < 0.7:
            text = _shaped_otherwise(chance.choice(documents), chance)
        else:
            text = _spelled_otherwise(chance.choice(texts), chance)
        file.write_text(text)
        rules = read_rules([folder])
        told = f"round {number} of seed {seed}:\n{text}"
        assert "ci-pulls" in rules.detections, told
        assert all(one.file == file and one.line <= len(text.splitlines()) + 1 for one in rules.mistakes), told
        assert not caplog.get_records("call") or caplog.records[-1].levelno < logging.ERROR, told  # not foreseen
        if "changed" in rules.detections:
            loaded += 1
            lint([file])
    assert loaded > _ROUNDS / 5
