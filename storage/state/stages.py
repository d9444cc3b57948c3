"""Where each rule stands in its life: staged, active, retired; from which event time on, by whose word, and why.

Append-only. A rule without a word here is as its file says; the engine writes that word down when it first meets a rule
that is not active, so that editing the file later rewrites nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, insert, select

from storage.state.tables import rule_stages

STAGED, BUILDING_BLOCK, ACTIVE, RETIRED = "staged", "building-block", "active", "retired"
STAGES: Final = (STAGED, BUILDING_BLOCK, ACTIVE, RETIRED)
ALWAYS: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Before any event."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: the stage that holds for events from `since` on. Times are aware UTC."""

    rule: str
    stage: str
    since: datetime
    at: datetime
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Life:
    """The steps of one rule, oldest first, and what its file says, which holds before them."""

    default: str
    steps: Sequence[Step] = ()

    def stage_at(self, moment: datetime) -> str:
        """Return the stage that holds for events of that moment: the latest word on it."""
        word = self.word_at(moment)
        return self.default if word is None else word.stage

    def stages_between(self, first: datetime, last: datetime) -> frozenset[str]:
        """Return every stage that holds for events of some moment from `first` to `last`."""
        turns = [step.since for step in self.steps if first < step.since <= last]
        return frozenset(self.stage_at(moment) for moment in (first, *turns))

    def word_at(self, moment: datetime) -> Step | None:
        """Return the latest word on events of that moment; None where only the rule's file speaks of them."""
        return next((step for step in reversed(self.steps) if step.since <= moment), None)


def take(connection: Connection, step: Step) -> None:
    """Write one step down."""
    connection.execute(insert(rule_stages).values(**{name: getattr(step, name) for name in Step.__slots__}))


def retired(connection: Connection, defaults: Mapping[str, str], *, now: datetime) -> set[str]:
    """Return those rules that are retired; `defaults` is what the file of each says."""
    taken = steps(connection)
    return {rule for rule, stage in defaults.items() if Life(stage, taken.get(rule, ())).stage_at(now) == RETIRED}


def steps(connection: Connection, *rules: str) -> dict[str, list[Step]]:
    """Return the steps of these rules, or without any name of all that have some, oldest first."""
    columns = [rule_stages.c[name] for name in Step.__slots__]
    query = select(*columns).order_by(rule_stages.c.id)
    found: dict[str, list[Step]] = {}
    for row in connection.execute(query.where(rule_stages.c.rule.in_(rules)) if rules else query).mappings():
        found.setdefault(row["rule"], []).append(Step(**row))
    return found
