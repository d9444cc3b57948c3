"""Rule files: Sigma documents parsed by pySigma, with our `x_` keys, turned into detections.

One file is one detection: a Sigma rule, or a Sigma rule followed by a `value_count` correlation over it. All mistakes
of all files are collected before any is reported, so that one bad rule does not hide nine others.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from sigma.collection import SigmaCollection
from sigma.conditions import SigmaCondition
from sigma.correlations import (
    SigmaCorrelationCondition,
    SigmaCorrelationConditionOperator,
    SigmaCorrelationRule,
    SigmaCorrelationType,
)
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

from acrwatch.core.errors import ConfigError
from acrwatch.core.setting import duration
from detections.compile import UnsupportedError, predicate
from detections.detection import Detection, Metadata
from detections.fields import FIELDS
from detections.reason import template_mistakes
from detections.rule_event import EventRule
from detections.rule_value_count import ValueCountRule

SHIPPED: Final = Path(__file__).parent / "rules"

_REQUIRED: Final = (
    "x_slug",
    "x_group_by",
    "x_group_for",
    "x_entities",
    "x_reason",
    "x_runbook",
    "x_blind_spots",
    "x_tests",
)
_OPTIONAL: Final = ("x_unjudged", "x_nearby")


class RuleMistakeError(ValueError):
    """One thing wrong with one rule file."""


def load_rules(paths: Iterable[Path] = (SHIPPED,)) -> dict[str, Detection]:
    """Load every `*.yml` below these paths, by slug.

    Raises ConfigError that lists every mistake of every file: unparsable YAML or Sigma, constructs or fields without a
    translation, missing or unknown `x_` keys, a slug that is not the file's name or is taken.
    """
    found: dict[str, Detection] = {}
    mistakes: list[str] = []
    for file in [f for path in paths for f in (sorted(path.glob("*.yml")) if path.is_dir() else [path])]:
        try:
            rule = parse_rule(file.read_text(encoding="utf-8"), file.stem)
            if rule.metadata.slug in found:
                raise RuleMistakeError(f"slug {rule.metadata.slug!r} is taken by another rule")
            found[rule.metadata.slug] = rule
        except (OSError, ValueError, SigmaError) as error:
            mistakes.append(f"{file.name}: {error}")
    if mistakes:
        raise ConfigError("Rules cannot be loaded:\n  " + "\n  ".join(mistakes), remedy="Correct the rule files")
    return found


def parse_rule(text: str, stem: str) -> Detection:
    """Return the detection that one document describes. Raises ValueError or SigmaError with the first mistake."""
    documents = SigmaCollection.from_yaml(text).rules
    head = documents[-1]
    keys = {k: v for k, v in head.custom_attributes.items() if k.startswith("x_")}
    _check_keys(keys, stem)
    metadata = _metadata(head, keys, hashlib.sha256(text.encode()).hexdigest())
    if isinstance(head, SigmaCorrelationRule):
        if len(documents) != 2 or not isinstance(documents[0], SigmaRule):
            raise RuleMistakeError("a correlation needs exactly one rule before it")
        return _value_count(head, documents[0], metadata)
    if len(documents) != 1:
        raise RuleMistakeError(f"expected one rule, found {len(documents)} documents")
    compiled = _conditions(head)
    optional = {name: compiled(str(keys[name])) for name in _OPTIONAL if name in keys}
    return EventRule(
        metadata,
        where=compiled(head.detection.condition[0]),
        unjudged=optional.get("x_unjudged"),
        nearby_where=optional.get("x_nearby"),
    )


def _check_keys(keys: Mapping[str, Any], stem: str) -> None:
    missing = [name for name in _REQUIRED if name not in keys]
    unknown = sorted(keys.keys() - {*_REQUIRED, *_OPTIONAL})
    if missing or unknown:
        raise RuleMistakeError(
            f"missing keys: {', '.join(missing) or 'none'}; unknown keys: {', '.join(unknown) or 'none'}"
        )
    if keys["x_slug"] != stem:
        raise RuleMistakeError(f"x_slug {keys['x_slug']!r} is not the file's name {stem!r}")
    if wrong := [field for field in keys["x_group_by"] if field not in FIELDS]:
        raise RuleMistakeError(f"x_group_by names unknown fields: {', '.join(wrong)}")
    if wrong := template_mistakes(str(keys["x_reason"]), keys["x_group_by"]):
        raise RuleMistakeError(f"x_reason uses unknown names: {', '.join(wrong)}")


def _metadata(head: SigmaRule | SigmaCorrelationRule, keys: Mapping[str, Any], version: str) -> Metadata:
    return Metadata(
        slug=keys["x_slug"],
        id=str(head.id),
        version=version,
        title=head.title,
        description=head.description or "",
        level=str(head.level or "medium").lower(),
        status=str(head.status or "experimental").lower(),
        author=head.author or "",
        date=str(head.date or ""),
        group_by=tuple(keys["x_group_by"]),
        group_for=duration(keys["x_group_for"]),
        entities=dict(keys["x_entities"]),
        reason=" ".join(str(keys["x_reason"]).split()),
        tags=tuple(f"{tag.namespace}.{tag.name}" for tag in head.tags),
        references=tuple(head.references),
        falsepositives=tuple(head.falsepositives),
        blind_spots=tuple(keys["x_blind_spots"]),
        runbook=tuple(keys["x_runbook"]),
        tests=tuple(keys["x_tests"]),
    )


def _conditions(rule: SigmaRule) -> Callable[[str], str]:
    def compiled(condition: str) -> str:
        return predicate(SigmaCondition(condition, rule.detection).parsed)

    return compiled


def _value_count(head: SigmaCorrelationRule, base: SigmaRule, metadata: Metadata) -> ValueCountRule:
    condition = head.condition
    if not isinstance(condition, SigmaCorrelationCondition):
        raise UnsupportedError("extended correlation conditions")
    if head.type is not SigmaCorrelationType.VALUE_COUNT:
        raise UnsupportedError(f"correlation type {head.type.name.lower()}")
    if condition.op is not SigmaCorrelationConditionOperator.GTE or not isinstance(condition.fieldref, str):
        raise UnsupportedError("value_count needs a condition with gte and one field")
    if condition.fieldref not in FIELDS:
        raise UnsupportedError(f"unknown field {condition.fieldref!r}")
    if tuple(head.group_by or ()) != metadata.group_by:
        raise RuleMistakeError("x_group_by must equal the correlation's group-by")
    return ValueCountRule(
        metadata,
        where=_conditions(base)(base.detection.condition[0]),
        field=condition.fieldref,
        threshold=int(condition.count),
        window=timedelta(seconds=head.timespan.seconds),
    )
