"""Staging: the planned attacks, written out, and the ground truth to hold alerts against."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from acrwatch.simulate.attacks.catalogue import KINDS
from acrwatch.simulate.attacks.kind import Kind
from acrwatch.simulate.attacks.resident import Resident
from acrwatch.simulate.attacks.stage import Stage
from acrwatch.simulate.chance import seeded
from acrwatch.simulate.population import Population
from acrwatch.simulate.registry import Registry
from acrwatch.simulate.scenario import PlannedAttack, Scenario, actors_of
from acrwatch.simulate.tape import Draft, Tape
from acrwatch.simulate.wire import datetime_of, ticks_of


@dataclass(frozen=True, slots=True)
class Attack:
    """Ground truth of one attack: who, from where, first and last record's time (UTC), how many records carry its id.

    `rule` must fire, unless the attack is `evasive`. `also` names detections that may rightly fire on the same records:
    they are no false alarms. `marks` are the correlation ids of its records, which survive any import; the records of
    one action on the control plane share one. An attack that silences the registry's own log does so until
    `silent_until`; without records it lasts as long as the silence.
    """

    id: str
    kind: str
    rule: str
    start: datetime
    end: datetime
    identity: str
    address: str
    registry: str
    records: int
    also: tuple[str, ...] = ()
    evasive: bool = False
    marks: tuple[str, ...] = ()
    silent_until: datetime | None = None


class Staged(NamedTuple):
    """An attack with its records, the benign ones it needs, and the victims whose life leads up to it.

    `hush` is a registry and the ticks from and to which (exclusive) nothing benign of it is logged.
    """

    attack: Attack
    drafts: list[Draft]
    past: list[Draft]
    residents: list[Resident]
    hush: tuple[str, int, int] | None = None


def ground_truth(scenario: Scenario) -> tuple[Attack, ...]:
    """Return the attacks of a scenario in the order planned, without generating its benign traffic."""
    return tuple(one.attack for one in staged(scenario))


def staged(scenario: Scenario) -> list[Staged]:
    """Return each attack with its records, labelled with its id. Some hundred records each, few thousand at most."""
    people = actors_of(scenario)
    return [_stage(scenario, people, number, plan) for number, plan in enumerate(scenario.attacks)]


def _stage(scenario: Scenario, people: Population, number: int, plan: PlannedAttack) -> Staged:
    kind, registry = KINDS[plan.rule], _place(scenario, people, number, plan)
    attack_id = f"{plan.rule}/{registry.name}/{plan.at.astimezone(UTC):%Y%m%dT%H%M%SZ}/{number}"
    tape = Tape(seeded(scenario.seed, attack_id), label=attack_id)
    past = Tape(seeded(scenario.seed, attack_id, "past"))
    stage = Stage(number, tape, past, people, registry, ticks_of(scenario.start), ticks_of(plan.at))
    caller = kind.script(stage)
    times = [draft.ticks for draft in tape.drafts] or [stage.ticks, stage.hushed_until or stage.ticks]
    attack = Attack(
        id=attack_id,
        kind=kind.name,
        rule=kind.rule,
        start=datetime_of(min(times)),
        end=datetime_of(max(times)),
        identity=caller.identity,
        address=caller.address,
        registry=registry.name,
        records=len(tape.drafts),
        also=tuple(sorted(kind.also - {kind.rule})),
        evasive=kind.evasive,
        silent_until=None if stage.hushed_until is None else datetime_of(stage.hushed_until),
        marks=tuple(dict.fromkeys(draft.record["correlationId"] for draft in tape.drafts)),
    )
    hush = None if stage.hushed_until is None else (registry.name, stage.ticks, stage.hushed_until)
    return Staged(attack, tape.drafts, past.drafts, stage.residents, hush)


def _place(scenario: Scenario, people: Population, number: int, plan: PlannedAttack) -> Registry:
    """Return where an attack is staged: as planned, or they take turns over the registries that suit the kind."""
    if plan.registry is not None:
        return people.registries[scenario.registries.index(plan.registry)]
    suitable = [registry for registry in people.registries if _suits(KINDS[plan.rule], registry)] or people.registries
    return suitable[number % len(suitable)]


def _suits(kind: Kind, registry: Registry) -> bool:
    if registry.private or registry.public:
        return kind.place == ("private" if registry.private else "public")
    return kind.place == "any" or (kind.place == "admin-disabled" and registry.index % 2 == 0)
