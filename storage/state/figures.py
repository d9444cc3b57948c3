"""What alerts and verdicts say of the rules behind them: how much each tells, and how often it is right."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, case, func, select

from acrwatch.core.verdict import BENIGN, FALSE, TRUE, outcome_of
from storage.state.alerts import BUILDING_BLOCK, SET_APART, STAGED, SUPPRESSED, is_standing
from storage.state.tables import alerts

# Long enough for a rule that speaks monthly to be judged at all, short enough to forget what it was before its mending.
_JUDGED: Final = timedelta(days=90)
_WEEK: Final = timedelta(days=7)
_COUNTED: Final = 4 * _WEEK


@dataclass(frozen=True, slots=True)
class Figures:
    """One rule in figures. Rates are over the last four weeks, or over what there is of them, but at least one.

    `alerts_per_week` are those people were told of, `staged_per_week` those they would have been, `blocks_per_week`
    building blocks, `suppressed` the number hidden in that time. `true`, `benign` and `false` are verdicts on alerts
    raised within 90 days.
    """

    alerts_per_week: float = 0.0
    staged_per_week: float = 0.0
    blocks_per_week: float = 0.0
    suppressed: int = 0
    true: int = 0
    benign: int = 0
    false: int = 0

    @property
    def judged(self) -> int:
        """How many alerts people judged: other verdicts (undetermined, duplicate, test) say nothing of the rule."""
        return self.true + self.benign + self.false

    @property
    def precision(self) -> float | None:
        """The share of judged alerts that were true, None where none was judged. A benign one counts against the rule:
        somebody got up for it."""
        return self.true / self.judged if self.judged else None


def figures(connection: Connection, *, now: datetime) -> dict[str, Figures]:
    """Return the figures of every rule with alerts of the last 90 days; historical alerts, of which nobody was told,
    count for verdicts alone."""
    oldest = connection.execute(select(func.min(alerts.c.created_at))).scalar_one()
    span = min(max(now - (oldest or now), _WEEK), _COUNTED)
    recent = func.sum(case((alerts.c.created_at >= now - span, 1), else_=0)).label("recent")
    kept = (alerts.c.rule, alerts.c.status, alerts.c.close_reason, alerts.c.historical)
    query = select(*kept, func.count().label("number"), recent)
    query = query.where(alerts.c.created_at >= now - _JUDGED, is_standing()).group_by(*kept)
    found: dict[str, list[Mapping[Any, Any]]] = {}
    for row in connection.execute(query).mappings():
        found.setdefault(row["rule"], []).append(row)
    return {rule: _figures(rows, span / _WEEK) for rule, rows in found.items()}


def _figures(rows: list[Mapping[Any, Any]], weeks: float) -> Figures:
    told = sum(row["recent"] for row in rows if row["status"] not in SET_APART and not row["historical"])
    outcomes = {
        outcome: sum(row["number"] for row in rows if outcome_of(row["close_reason"]) == outcome)
        for outcome in (TRUE, BENIGN, FALSE)
    }
    return Figures(
        round(told / weeks, 2),
        round(sum(row["recent"] for row in rows if row["status"] == STAGED) / weeks, 2),
        round(sum(row["recent"] for row in rows if row["status"] == BUILDING_BLOCK) / weeks, 2),
        sum(row["recent"] for row in rows if row["status"] == SUPPRESSED),
        outcomes[TRUE],
        outcomes[BENIGN],
        outcomes[FALSE],
    )
