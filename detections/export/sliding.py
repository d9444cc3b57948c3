"""Correlations that a query may say as a window sliding over event time."""

from dataclasses import dataclass

from sigma.correlations import (
    SigmaCorrelationCondition,
    SigmaCorrelationConditionOperator,
    SigmaCorrelationRule,
    SigmaCorrelationType,
)
from sigma.rule import SigmaRule

from detections.compile import UnsupportedError, column


@dataclass(frozen=True, slots=True)
class Sliding:
    """At least `threshold` events that meet `where`, or distinct values of `values` where there is one, within any
    `seconds` of one group."""

    where: str
    group_by: tuple[str, ...]
    values: tuple[str, ...]
    threshold: int
    seconds: int


def sliding(head: SigmaCorrelationRule, where: str) -> Sliding:
    """Return what a correlation over events that meet a condition counts. Raises UnsupportedError for other kinds."""
    kinds = (SigmaCorrelationType.EVENT_COUNT, SigmaCorrelationType.VALUE_COUNT)
    condition = head.condition
    if head.type not in kinds or not isinstance(condition, SigmaCorrelationCondition):
        raise UnsupportedError(
            f"correlation type {head.type.name.lower()}: only event_count and value_count are exported"
        )
    if head.aliases.aliases or any(not isinstance(one.rule, SigmaRule) for one in head.referenced_rules):
        raise UnsupportedError("a correlation with aliases, or over correlations")
    if condition.op not in (SigmaCorrelationConditionOperator.GTE, SigmaCorrelationConditionOperator.GT):
        raise UnsupportedError(f"condition {condition.op.name.lower()}")
    given = condition.fieldref or ()
    names = [given] if isinstance(given, str) else list(given)
    if len(names) > 1:
        raise UnsupportedError("a count of distinct values of several fields together")
    return Sliding(
        where=where,
        group_by=tuple(column(name) for name in head.group_by or ()),
        values=tuple(column(name) for name in names),
        threshold=int(condition.count) + (condition.op is SigmaCorrelationConditionOperator.GT),
        seconds=head.timespan.seconds,
    )
