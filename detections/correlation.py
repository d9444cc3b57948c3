"""Sigma correlation documents into sliding windows over compiled conditions."""

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Any, Final

from sigma.correlations import (
    CorrelationConditionAND,
    CorrelationConditionOR,
    SigmaCorrelationCondition,
    SigmaCorrelationConditionOperator,
    SigmaCorrelationRule,
    SigmaCorrelationType,
    SigmaRuleReference,
)
from sigma.rule import SigmaRule

from acrwatch.core.setting import LONGEST
from detections import needs
from detections.compile import Condition, UnsupportedError, column
from detections.correlated import Inner, Part
from detections.detection import Metadata
from detections.fields import TEXT_FIELDS
from detections.mistake import RuleMistakeError
from detections.rule_correlation import CorrelationRule, Kind

_KINDS: Final = {
    SigmaCorrelationType.EVENT_COUNT: Kind.EVENTS,
    SigmaCorrelationType.VALUE_COUNT: Kind.VALUES,
    SigmaCorrelationType.TEMPORAL: Kind.PRESENT,
    SigmaCorrelationType.TEMPORAL_ORDERED: Kind.ORDERED,
}

# What an event that arrives late can make true, and never false again. The other operators would take alerts back.
_MORE_THAN: Final = {SigmaCorrelationConditionOperator.GTE: 0, SigmaCorrelationConditionOperator.GT: 1}

Where = Callable[[SigmaRule], Condition]


def group_fields(head: SigmaCorrelationRule) -> tuple[str, ...]:
    """Return the names a correlation groups by: aliases as they are, fields as the columns they mean."""
    return tuple(name if name in head.aliases.aliases else column(name) for name in head.group_by or ())


def correlation(head: SigmaCorrelationRule, metadata: Metadata, where: Where) -> CorrelationRule:
    """Return the detection a correlation with resolved references describes; `where` compiles the rules it names.

    Raises UnsupportedError for what has no right translation, RuleMistakeError for what contradicts itself.
    """
    kind = _kind(head)
    parts = _parts(head, kind, where)
    measure, threshold = _condition(head, kind, [reference.reference for reference in head.referenced_rules])
    return CorrelationRule(metadata, kind, parts, threshold, window(head), measure)


def _kind(head: SigmaCorrelationRule) -> Kind:
    if head.type not in _KINDS:
        raise UnsupportedError(f"correlation type {head.type.name.lower()}")
    if head.generate:
        raise UnsupportedError("generate: put a rule that shall alert by itself into a file of its own")
    return _KINDS[head.type]


def window(head: SigmaCorrelationRule) -> timedelta:
    """Return the timespan of a correlation. Raises RuleMistakeError where it is longer than any span of time here."""
    if head.timespan.seconds > LONGEST.total_seconds():
        raise RuleMistakeError(
            f"timespan {head.timespan.spec[:40]}: expected at most {LONGEST.days}d", "correlation", "timespan"
        )
    return timedelta(seconds=head.timespan.seconds)


def _parts(head: SigmaCorrelationRule, kind: Kind, where: Where) -> tuple[Part, ...]:
    parts = tuple(_part(head, reference, where) for reference in head.referenced_rules)
    return _united(parts) if kind in (Kind.EVENTS, Kind.VALUES) else parts


def _part(head: SigmaCorrelationRule, reference: SigmaRuleReference, where: Where) -> Part:
    rule = reference.rule
    keys = tuple(_key(head, name, reference.reference) for name in head.group_by or ())
    if isinstance(rule, SigmaRule):
        condition = where(rule)
        return Part(condition.sql, keys, _values(head), condition.needs)
    counted, inner = _inner(rule, reference.reference, where)
    if outside := [name for name, key in zip(head.group_by or (), keys, strict=True) if key not in inner.keys]:
        raise UnsupportedError(f"group-by {', '.join(outside)}, by which {reference.reference!r} does not group")
    return Part(counted.where, keys, _values(head), counted.needs, inner)


def _inner(head: SigmaCorrelationRule, name: str, where: Where) -> tuple[Part, Inner]:
    """Return the events that a correlation within another is over, and how it counts them."""
    kind = _kind(head)
    if kind not in (Kind.EVENTS, Kind.VALUES):
        raise UnsupportedError(f"a correlation over {name!r}, which is a {kind}: only counts can be correlated")
    if any(isinstance(reference.rule, SigmaCorrelationRule) for reference in head.referenced_rules):
        raise UnsupportedError(f"a correlation over {name!r}, which is over a correlation itself")
    parts = _parts(head, kind, where)
    if len(parts) > 1:
        raise UnsupportedError(f"a correlation over {name!r}, whose rules group by fields of different names")
    _, threshold = _condition(head, kind, [])
    return parts[0], Inner(parts[0].keys, parts[0].values, threshold, window(head))


def _key(head: SigmaCorrelationRule, name: str, reference: str) -> str:
    """Return the text field that a group field is, in events of one of the rules."""
    if alias := head.aliases.aliases.get(name):
        meant = {key.reference: field for key, field in alias.mapping.items()}
        if reference not in meant:
            raise RuleMistakeError(f"alias {name!r} says nothing of rule {reference!r}", "correlation", "aliases", name)
        name = meant[reference]
    if (field := column(name)) not in TEXT_FIELDS:
        raise RuleMistakeError(f"group-by {name!r}, which is no text", "correlation", "group-by")
    return field


def _values(head: SigmaCorrelationRule) -> tuple[str, ...]:
    condition = head.condition
    if head.type is not SigmaCorrelationType.VALUE_COUNT or not isinstance(condition, SigmaCorrelationCondition):
        return ()
    given = condition.fieldref or ()
    return tuple(column(name) for name in ([given] if isinstance(given, str) else given))


def _condition(head: SigmaCorrelationRule, kind: Kind, names: Sequence[str]) -> tuple[Callable[..., int], int]:
    """Return what measures a window, and how much of it is enough."""
    condition = head.condition
    if not isinstance(condition, SigmaCorrelationCondition):
        holds = _formula(condition.parsed, names)
        if kind is Kind.ORDERED and holds([*range(len(names))][:-1]):
            raise UnsupportedError("temporal_ordered with a condition that does without one of its rules")
        return lambda present: int(holds(present)), 1
    if condition.op not in _MORE_THAN:
        raise UnsupportedError(
            f"condition {condition.op.name.lower()}: an event that arrives late could make it false; use gte or gt"
        )
    count = condition.count + _MORE_THAN[condition.op]
    if count != int(count) or count < 1:
        raise UnsupportedError(f"{head.type.name.lower()} gte {condition.count}: expected a whole number from 1")
    if condition.fieldref is not None and kind is not Kind.VALUES:
        raise UnsupportedError(f"a field in the condition of {kind}")
    if kind in (Kind.PRESENT, Kind.ORDERED) and (count > len(names) or (kind is Kind.ORDERED and count < len(names))):
        raise UnsupportedError(f"{kind} gte {count} over {len(names)} rules")
    return len, int(count)


def _formula(node: Any, names: Sequence[str]) -> Callable[[Collection[int]], bool]:
    """Return an extended condition as a function of the rules (by number) that occur in a window."""
    match node:
        case SigmaRuleReference():
            number = names.index(node.reference)
            return lambda present: number in present
        case CorrelationConditionAND():
            every = [_formula(arg, names) for arg in node.args]
            return lambda present: all(holds(present) for holds in every)
        case CorrelationConditionOR():
            some = [_formula(arg, names) for arg in node.args]
            return lambda present: any(holds(present) for holds in some)
    raise UnsupportedError("not in a correlation's condition: an event that arrives late could make it false")


def _united(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return parts that only count as one, where they group and count by the same fields."""
    first = parts[0]
    if len(parts) == 1 or any((p.keys, p.values, p.inner) != (first.keys, first.values, None) for p in parts):
        return tuple(parts)
    any_of = " OR ".join(f"({part.where})" for part in parts)
    return (Part(any_of, first.keys, first.values, needs.any_of(part.needs for part in parts)),)
