"""Attacks that read: much, everywhere, what is not there, and by whoever may not."""

from datetime import timedelta
from typing import Final

from acrwatch.simulate import addresses
from acrwatch.simulate.attacks import fair
from acrwatch.simulate.attacks.kind import Kind
from acrwatch.simulate.attacks.stage import HOUR, Stage
from acrwatch.simulate.chance import guid
from acrwatch.simulate.images import REPOSITORIES
from acrwatch.simulate.registry import in_tenant
from acrwatch.simulate.tape import Caller, seconds

_GUESSES: Final = ("backend", "frontend", "db", "mysql", "redis", "vault", "secrets", "jenkins", "prod", "internal")
_PARTS: Final = ("app", "api", "base", "core", "web", "data", "test", "dev", "old", "new", "ml", "etl")


def volume(stage: Stage) -> Caller:
    """A site's token that pulls some ten times a day takes 250 to 900 old builds in 20 to 50 minutes."""
    caller = stage.token(per_day=stage.random.uniform(3, 8))
    stage.tape.login(stage.ticks, caller)
    own = list(stage.own_places(caller))
    for build, ticks in enumerate(stage.moments(stage.random.randint(250, 900), stage.random.uniform(1200, 3000))):
        stage.tape.pull(ticks, caller, stage.image(own[build % len(own)], back=build // len(own)))
    return caller


def doubled(stage: Stage) -> Caller:
    """The token takes only twice what it takes on other days."""
    caller = stage.token(per_day=8.0)
    for build, ticks in enumerate(stage.moments(16, 20 * 3600)):
        stage.tape.pull(ticks, caller, stage.image(stage.own_places(caller)[0], back=build))
    return caller


def sweep(stage: Stage) -> Caller:
    """A token that knows three repositories pulls from 14 to all 18 of them, within 5 to 100 minutes."""
    caller = stage.token()
    stage.tape.login(stage.ticks, caller)
    places = stage.places(stage.random.randint(14, len(REPOSITORIES)))
    for place, ticks in zip(places, stage.moments(len(places), stage.random.uniform(300, 6000), start=5), strict=True):
        stage.tape.pull(ticks, caller, stage.image(place))
    return caller


def slow_sweep(stage: Stage) -> Caller:
    """The same, one repository each six hours."""
    caller = stage.token()
    for turn, place in enumerate(stage.places(len(REPOSITORIES))):
        stage.tape.pull(stage.ticks + 6 * HOUR * turn, caller, stage.image(place))
    return caller


def _guesses(stage: Stage, count: int) -> list[str]:
    names = [f"{first}/{last}" for first in _GUESSES for last in _PARTS] + [*_GUESSES, *_PARTS]
    return stage.random.sample(names, count)


def _probe(stage: Stage, caller: Caller, names: list[str], over: float) -> None:
    for name, ticks in zip(names, stage.moments(len(names), over, start=2), strict=True):
        stage.tape.failed_pull(ticks, caller, name, stage.random.choice(("latest", "v1", "main", "prod")), "404")


def enumeration(stage: Stage) -> Caller:
    """With a token that may read everything, 50 to 120 names of repositories are guessed in 2 to 9 minutes."""
    caller = stage.random.choice((stage.token, stage.service))()
    stage.tape.login(stage.ticks, caller)
    _probe(stage, caller, _guesses(stage, stage.random.randint(50, 120)), stage.random.uniform(120, 540))
    return caller


def slow_enumeration(stage: Stage) -> Caller:
    """The same, a name each three minutes or so, for three hours."""
    caller = stage.token()
    _probe(stage, caller, _guesses(stage, 60), 3 * 3600)
    return caller


def foreign_tenant(stage: Stage) -> Caller:
    """An identity of another Entra tenant, perhaps a guest, pulls one to eight images."""
    tenant = guid(f"{stage.random.getrandbits(128):032x}")
    known = stage.newcomer()._replace(identity=guid(f"{stage.random.getrandbits(128):032x}"))
    caller = stage.away(known)._replace(registry=in_tenant(stage.registry, tenant))
    stage.tape.login(stage.ticks, caller)
    for turn, place in enumerate(stage.places(stage.random.randint(1, 8))):
        stage.tape.pull(stage.ticks + seconds(3 + 11 * turn), caller, stage.image(place))
    return caller


def anonymous(stage: Stage) -> Caller:
    """Pulls without any identity succeed where anonymous pull should be off: someone switched it on."""
    place = addresses.outside(stage.random) if stage.random.random() < 0.5 else stage.away(stage.newcomer()).address
    caller = Caller(
        stage.registry, "", place, stage.random.choice(("docker/27.3.1", "containerd/2.0.0", "skopeo/1.16"))
    )
    for turn, place_of in enumerate(stage.places(stage.random.randint(1, 6))):
        stage.tape.pull(stage.ticks + seconds(8 * turn), caller, stage.image(place_of))
    return caller


KINDS: Final = (
    Kind("pull-volume-spike", "pull-volume-spike", volume, also=fair.READ, hours="any", span=timedelta(hours=1)),
    Kind(
        "pull-volume-doubled", "pull-volume-spike", doubled, also=fair.READ, hours="any", span=timedelta(hours=24),
        evasive=True,
    ),
    Kind("repository-spread", "repository-spread", sweep, also=fair.READ, hours="any", span=timedelta(hours=2)),
    Kind(
        "repository-spread-slow", "repository-spread", slow_sweep, also=fair.READ, hours="any", span=timedelta(days=5),
        evasive=True,
    ),
    Kind("repository-enumeration", "repository-enumeration", enumeration, also=fair.READ, hours="any"),
    Kind(
        "repository-enumeration-slow", "repository-enumeration", slow_enumeration, also=fair.READ, hours="any",
        span=timedelta(hours=4), evasive=True,
    ),
    Kind("foreign-tenant", "foreign-tenant", foreign_tenant, also=fair.NEWCOMER | fair.NETWORK | fair.READ),
    Kind("anonymous-pull", "anonymous-pull", anonymous, also=fair.OUTSIDE | fair.NEWCOMER | fair.READ | fair.CLIENT),
)  # fmt: skip
