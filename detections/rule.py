"""Rule files: Sigma documents parsed by pySigma, with our `x_` keys, turned into detections.

One file is one detection: a Sigma rule, or a Sigma rule followed by a `value_count` correlation over it. All mistakes
of all files are collected before any is reported, so that one bad rule does not hide nine others.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import yaml
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

from acrwatch.core.errors import ConfigError, StoreError
from acrwatch.core.setting import duration
from detections.compile import UnsupportedError, predicate
from detections.context import Context
from detections.detection import Detection, Metadata
from detections.events import NewEvents
from detections.fields import EVIDENCE_FIELDS, TEXT_FIELDS
from detections.reason import template_mistakes
from detections.rule_event import EventRule
from detections.rule_value_count import ValueCountRule
from storage.lake.snapshot import Snapshot
from storage.query import Reader, Slice

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
            _try_out(rule)
            if rule.metadata.slug in found:
                raise RuleMistakeError(f"slug {rule.metadata.slug!r} is taken by another rule")
            found[rule.metadata.slug] = rule
        except (OSError, ValueError, SigmaError, yaml.YAMLError, StoreError) as error:
            mistakes.append(f"{file.name}: {error}")
        except (AttributeError, KeyError, TypeError) as error:  # what pySigma raises where a part has another shape
            mistakes.append(f"{file.name}: not a rule: {error}")
    if mistakes:
        raise ConfigError("Rules cannot be loaded:\n  " + "\n  ".join(mistakes), remedy="Correct the rule files")
    return found


def parse_rule(text: str, stem: str) -> Detection:
    """Return the detection that one document describes. Raises ValueError or SigmaError with the first mistake."""
    documents = SigmaCollection.from_yaml(text).rules
    if not documents:
        raise RuleMistakeError("the file holds no rule")
    head = documents[-1]
    keys = {k: v for k, v in head.custom_attributes.items() if k.startswith("x_")}
    _check_keys(keys, stem)
    metadata = _metadata(head, keys, hashlib.sha256(text.encode()).hexdigest())
    if isinstance(head, SigmaCorrelationRule):
        if len(documents) != 2 or not isinstance(documents[0], SigmaRule):
            raise RuleMistakeError("a correlation needs exactly one rule before it")
        if wrong := keys.keys() & set(_OPTIONAL):
            raise RuleMistakeError(f"a correlation cannot have {', '.join(sorted(wrong))}")
        return _value_count(head, documents[0], metadata)
    if len(documents) != 1:
        raise RuleMistakeError(f"expected one rule, found {len(documents)} documents")
    compiled = _conditions(head)
    where = _only_condition(head)
    optional = {name: compiled(str(keys[name])) for name in _OPTIONAL if name in keys}
    return EventRule(
        metadata,
        where=where,
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
    for name in ("x_group_by", "x_runbook", "x_blind_spots", "x_tests"):
        if not isinstance(keys[name], list):
            raise RuleMistakeError(f"{name} must be a list")
    if wrong := [str(field) for field in keys["x_group_by"] if field not in TEXT_FIELDS]:
        raise RuleMistakeError(f"x_group_by names fields that are unknown or no text: {', '.join(wrong)}")
    if not isinstance(keys["x_entities"], dict):
        raise RuleMistakeError("x_entities must map types to fields")
    shown = {*keys["x_group_by"], *EVIDENCE_FIELDS}
    if wrong := [str(field) for field in keys["x_entities"].values() if field not in shown]:
        raise RuleMistakeError(f"x_entities names fields that alerts do not hold: {', '.join(wrong)}")
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


def _only_condition(rule: SigmaRule) -> str:
    source = rule.logsource
    if (source.product, source.service, source.category) != ("azure", "containerregistry", None):
        raise RuleMistakeError("logsource must be product azure, service containerregistry")
    if len(rule.detection.condition) != 1:
        raise UnsupportedError("more than one condition")
    return _conditions(rule)(rule.detection.condition[0])


def _try_out(rule: Detection) -> None:
    """Run a rule on no events: what the database does not take (a regular expression, say) it refuses even then."""
    nothing = Slice({}, {}, (), None, 0, more=False)
    with Reader(Snapshot(Path(), 0, ())) as reader:
        rule.observe(NewEvents(reader, nothing, Context(), lateness=timedelta()))


def _value_count(head: SigmaCorrelationRule, base: SigmaRule, metadata: Metadata) -> ValueCountRule:
    condition = head.condition
    if not isinstance(condition, SigmaCorrelationCondition):
        raise UnsupportedError("extended correlation conditions")
    if head.type is not SigmaCorrelationType.VALUE_COUNT:
        raise UnsupportedError(f"correlation type {head.type.name.lower()}")
    if condition.op is not SigmaCorrelationConditionOperator.GTE or not isinstance(condition.fieldref, str):
        raise UnsupportedError("value_count needs a condition with gte and one field")
    if condition.fieldref not in TEXT_FIELDS:
        raise UnsupportedError(f"value_count of {condition.fieldref!r}, which is unknown or no text")
    if head.aliases is not None and len(head.aliases.aliases):
        raise UnsupportedError("aliases")
    if condition.count != int(condition.count) or condition.count < 1:
        raise UnsupportedError(f"value_count gte {condition.count}: expected a whole number from 1")
    if tuple(head.group_by or ()) != metadata.group_by:
        raise RuleMistakeError("x_group_by must equal the correlation's group-by")
    return ValueCountRule(
        metadata,
        where=_only_condition(base),
        field=condition.fieldref,
        threshold=int(condition.count),
        window=timedelta(seconds=head.timespan.seconds),
    )
