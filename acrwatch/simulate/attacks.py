"""The attacks: what each does, and the ground truth to hold alerts against."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from acrwatch.simulate import addresses
from acrwatch.simulate.chance import seeded
from acrwatch.simulate.images import REPOSITORIES, image_at
from acrwatch.simulate.population import Population, population
from acrwatch.simulate.registry import Registry
from acrwatch.simulate.scenario import AttackRule, PlannedAttack, Scenario
from acrwatch.simulate.tape import Caller, Draft, Tape, seconds
from acrwatch.simulate.wire import ACCEPTED, DELETE, DELETE_REPOSITORY, OK, UNTAG, datetime_of, ticks_of

_CURL: Final = "curl/8.10.1"
_SKOPEO: Final = "skopeo/1.17.0"

MASS_DELETE_TARGETS: Final = 40
"""Distinct tags and digests removed, twice what the mass-delete rule wants, over about five minutes."""


@dataclass(frozen=True, slots=True)
class Attack:
    """Ground truth of one attack: who, from where, first and last record's time (UTC), how many records carry its id.

    `rule` must fire. `also` names rules that may rightly fire on the same records: they are no false alarms.
    """

    id: str
    rule: AttackRule
    start: datetime
    end: datetime
    identity: str
    address: str
    registry: str
    records: int
    also: tuple[AttackRule, ...] = ()


def _admin_login(tape: Tape, people: Population, registry: Registry, ticks: int) -> Caller:
    """Someone has the admin password: two wrong guesses, a login, eight pulls, from an allowed network nobody uses."""
    network = addresses.nth_network(addresses.UNUSED_BUT_ALLOWED, tape.random.randrange(32))
    caller = Caller(registry, registry.name, f"{network}.66", _CURL)
    for step, status in enumerate(("401", "401", OK)):
        tape.login(ticks + seconds(9 * step), caller, status)
    _take_images(tape, caller, people.seed, ticks + seconds(30), count=8)
    return caller


def _mass_delete(tape: Tape, people: Population, registry: Registry, ticks: int) -> Caller:
    """Someone who never deleted anything removes tags and digests one by one, then whole repositories, from home."""
    person = tape.random.choice(people.people)
    caller = person.home_caller(registry, tape.random)
    tape.login(ticks, caller)
    start = ticks
    for target in range(MASS_DELETE_TARGETS):
        ticks += seconds(5 + 3 * tape.random.random())
        place, back = target % len(REPOSITORIES), target // len(REPOSITORIES)
        image = image_at(people.seed, registry.name, place, start, builds_back=back)
        if target % 2:
            tape.act(ticks, caller, DELETE, image.repository, digest=image.index_digest, status=ACCEPTED)
        else:
            tape.act(ticks, caller, UNTAG, image.repository, tag=image.tag, status=ACCEPTED)
    for repository in tape.random.sample(REPOSITORIES, 2):
        ticks += seconds(6)
        tape.act(ticks, caller, DELETE_REPOSITORY, repository, status=ACCEPTED)
    return caller


def _outside_pull(tape: Tape, people: Population, registry: Registry, ticks: int) -> Caller:
    """A site's token is stolen and used from outside every allowed range, one time in four over IPv6."""
    token = tape.random.choice(people.tokens[registry.index])
    if tape.random.random() < 0.25:
        address = addresses.OUTSIDE_V6.removesuffix("/33") + f"{tape.random.getrandbits(16):x}"
    else:
        address = f"{addresses.nth_network(addresses.OUTSIDE_V4, tape.random.randrange(256))}.13"
    caller = Caller(registry, token.identity, address, _SKOPEO)
    tape.login(ticks, caller)
    _take_images(tape, caller, people.seed, ticks + seconds(3), count=10)
    return caller


def _foreign_pipeline(tape: Tape, people: Population, registry: Registry, ticks: int) -> Caller:
    """A build principal that has one network ever is used from another, allowed but foreign: logins and pushes."""
    pipeline = tape.random.choice(people.pipelines[registry.index])
    network = addresses.nth_network(addresses.UNUSED_BUT_ALLOWED, tape.random.randrange(32))
    caller = pipeline.caller(tape.random)._replace(address=f"{network}.99")
    for step in range(3):
        begin = ticks + seconds(80 * step)
        tape.login(begin, caller)
        tape.push(begin + seconds(10), caller, image_at(people.seed, registry.name, 5 * step, begin))
    return caller


def _take_images(tape: Tape, caller: Caller, seed: int, ticks: int, *, count: int) -> None:
    for place in range(count):
        tape.pull(ticks, caller, image_at(seed, caller.registry.name, place, ticks))
        ticks += seconds(10 + 20 * tape.random.random())


_Script = Callable[[Tape, Population, Registry, int], Caller]
_SCRIPTS: Final[dict[AttackRule, tuple[_Script, tuple[AttackRule, ...]]]] = {
    "admin-user-login": (_admin_login, ("anomalous-source-ip",)),
    "mass-delete": (_mass_delete, ()),
    "pull-outside-allowed-ranges": (_outside_pull, ("anomalous-source-ip",)),
    "anomalous-source-ip": (_foreign_pipeline, ()),
}


def ground_truth(scenario: Scenario) -> tuple[Attack, ...]:
    """Return the attacks of a scenario in the order planned, without generating its benign traffic."""
    return tuple(attack for attack, _ in staged(scenario))


def staged(scenario: Scenario) -> list[tuple[Attack, list[Draft]]]:
    """Return each attack with its records, labelled with its id. Some hundred records each at most."""
    people = population(scenario.seed, scenario.registries, scenario.events_per_day)
    return [_stage(scenario, people, number, plan) for number, plan in enumerate(scenario.attacks)]


def _stage(scenario: Scenario, people: Population, number: int, plan: PlannedAttack) -> tuple[Attack, list[Draft]]:
    place = number % len(people.registries) if plan.registry is None else scenario.registries.index(plan.registry)
    registry = people.registries[place]
    attack_id = f"{plan.rule}/{registry.name}/{plan.at.astimezone(UTC):%Y%m%dT%H%M%SZ}/{number}"
    tape = Tape(seeded(scenario.seed, attack_id), label=attack_id)
    script, also = _SCRIPTS[plan.rule]
    caller = script(tape, people, registry, ticks_of(plan.at))
    times = [draft.ticks for draft in tape.drafts]
    attack = Attack(
        id=attack_id,
        rule=plan.rule,
        start=datetime_of(min(times)),
        end=datetime_of(max(times)),
        identity=caller.identity,
        address=caller.address,
        registry=registry.name,
        records=len(times),
        also=also,
    )
    return attack, tape.drafts
