"""The attacks that the four mission rules are made for, one each."""

from datetime import timedelta
from typing import Final

from acrwatch.simulate import addresses
from acrwatch.simulate.attacks import fair
from acrwatch.simulate.attacks.kind import Kind
from acrwatch.simulate.attacks.stage import Stage
from acrwatch.simulate.images import REPOSITORIES, image_at
from acrwatch.simulate.tape import Caller, seconds
from acrwatch.simulate.wire import ACCEPTED, DELETE, DELETE_REPOSITORY, OK, UNTAG

_CURL: Final = "curl/8.10.1"
_SKOPEO: Final = "skopeo/1.17.0"

MASS_DELETE_TARGETS: Final = 40
"""Distinct tags and digests removed, twice what the mass-delete rule wants, over about five minutes."""


def admin_login(stage: Stage) -> Caller:
    """Someone has the admin password: two wrong guesses, a login, eight pulls, from an allowed network nobody uses."""
    network = addresses.nth_network(addresses.UNUSED_BUT_ALLOWED, stage.random.randrange(32))
    caller = Caller(stage.registry, stage.registry.name, f"{network}.66", _CURL)
    for step, status in enumerate(("401", "401", OK)):
        stage.tape.login(stage.ticks + seconds(9 * step), caller, status)
    _take_images(stage, caller, stage.ticks + seconds(30), count=8)
    return caller


def mass_delete(stage: Stage) -> Caller:
    """Someone who never deleted anything removes tags and digests one by one, then whole repositories, from home."""
    person = stage.random.choice(stage.people.people)
    caller = person.home_caller(stage.registry, stage.random)
    ticks = stage.ticks
    stage.tape.login(ticks, caller)
    for target in range(MASS_DELETE_TARGETS):
        ticks += seconds(5 + 3 * stage.random.random())
        place, back = target % len(REPOSITORIES), target // len(REPOSITORIES)
        image = image_at(stage.people.seed, stage.registry.name, place, stage.ticks, builds_back=back)
        if target % 2:
            stage.tape.act(ticks, caller, DELETE, image.repository, digest=image.index_digest, status=ACCEPTED)
        else:
            stage.tape.act(ticks, caller, UNTAG, image.repository, tag=image.tag, status=ACCEPTED)
    for repository in stage.random.sample(REPOSITORIES, 2):
        ticks += seconds(6)
        stage.tape.act(ticks, caller, DELETE_REPOSITORY, repository, status=ACCEPTED)
    return caller


def outside_pull(stage: Stage) -> Caller:
    """A site's token is stolen and used from outside every allowed range, one time in four over IPv6."""
    token = stage.random.choice(stage.people.tokens[stage.registry.index])
    caller = Caller(stage.registry, token.identity, addresses.outside(stage.random), _SKOPEO)
    stage.tape.login(stage.ticks, caller)
    _take_images(stage, caller, stage.ticks + seconds(3), count=10)
    return caller


def foreign_pipeline(stage: Stage) -> Caller:
    """A build principal that has one network ever is used from another, allowed but foreign: logins and pushes."""
    pipeline = stage.random.choice(stage.people.pipelines[stage.registry.index])
    network = addresses.nth_network(addresses.UNUSED_BUT_ALLOWED, stage.random.randrange(32))
    caller = pipeline.caller(stage.random)._replace(address=f"{network}.99")
    for step in range(3):
        begin = stage.ticks + seconds(80 * step)
        stage.tape.login(begin, caller)
        stage.tape.push(begin + seconds(10), caller, image_at(stage.people.seed, stage.registry.name, 5 * step, begin))
    return caller


def _take_images(stage: Stage, caller: Caller, ticks: int, *, count: int) -> None:
    for place in range(count):
        stage.tape.pull(ticks, caller, image_at(stage.people.seed, stage.registry.name, place, ticks))
        ticks += seconds(10 + 20 * stage.random.random())


_SPAN: Final = timedelta(minutes=12)
KINDS: Final = (
    Kind(
        "admin-user-login", "admin-user-login", admin_login, span=_SPAN,
        also=fair.ADMIN | fair.NETWORK | fair.CLIENT | fair.NEWCOMER | fair.LOGINS | fair.READ,
    ),
    Kind(
        "mass-delete", "mass-delete", mass_delete, span=_SPAN,
        also=fair.DELETE | {"identity-on-two-networks", "first-seen-identity"},
    ),
    Kind(
        "pull-outside-allowed-ranges", "pull-outside-allowed-ranges", outside_pull, span=_SPAN, hours="any",
        also=fair.OUTSIDE | fair.CLIENT | fair.READ,
    ),
    Kind(
        "anomalous-source-ip", "anomalous-source-ip", foreign_pipeline, span=_SPAN, hours="any",
        also=fair.NETWORK | fair.PUSH,
    ),
)  # fmt: skip
