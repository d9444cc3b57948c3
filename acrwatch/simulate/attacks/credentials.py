"""Attacks on credentials: guessing, spraying, and credentials in the wrong hands."""

from datetime import timedelta
from typing import Final

from acrwatch.simulate import addresses
from acrwatch.simulate.attacks import fair
from acrwatch.simulate.attacks.kind import Kind
from acrwatch.simulate.attacks.stage import HOUR, MINUTE, Stage
from acrwatch.simulate.people import NAMES
from acrwatch.simulate.tape import Caller, seconds
from acrwatch.simulate.wire import ACCEPTED, DELETE, OK, UNTAG

_DENIED: Final = "401"
_CLIENTS: Final = ("python-requests/2.32.3", "Go-http-client/1.1", "docker/26.1.4 go/go1.21.11 os/linux arch/amd64")
_SPRAYED: Final = ("admin", "ci", "deploy", "jenkins", "gitlab", "svc-build", "acrpull", "terraform", "argocd", "flux")


def admin_while_disabled(stage: Stage) -> Caller:
    """The admin user, switched off as far as anybody knows, is on again and used: a login and a few pulls."""
    stranger = Caller(stage.registry, stage.registry.name, "", stage.random.choice(_CLIENTS))
    caller = stage.away(stranger) if stage.random.random() < 0.5 else stage.outside(stranger)
    stage.tape.login(stage.ticks, caller)
    for turn, place in enumerate(stage.places(stage.random.randint(0, 6))):
        stage.tape.pull(stage.ticks + seconds(5 + 12 * turn), caller, stage.image(place))
    return caller


def admin_writes(stage: Stage) -> Caller:
    """With the admin password an image is pushed over, or one to five tags or manifests are removed."""
    caller = stage.away(Caller(stage.registry, stage.registry.name, "", stage.random.choice(_CLIENTS)))
    stage.tape.login(stage.ticks, caller)
    pushes = stage.random.random() < 0.5
    for turn, place in enumerate(stage.places(stage.random.randint(1, 5))):
        ticks, image = stage.ticks + seconds(20 + 40 * turn), stage.image(place, back=stage.random.randrange(6))
        if pushes:
            stage.tape.push(ticks, caller, image)
        else:
            status = stage.status(ACCEPTED)
            stage.tape.act(ticks, caller, DELETE, image.repository, digest=image.index_digest, status=status)
    return caller


def guessing(stage: Stage) -> Caller:
    """One identity's password is guessed from a stranger's address: 30 to 200 refusals in 2 to 9 minutes."""
    known = stage.token() if stage.random.random() < 0.7 else stage.person()
    caller = stage.outside(known)._replace(user_agent=stage.random.choice(_CLIENTS))
    for ticks in stage.moments(stage.random.randint(30, 200), stage.random.uniform(120, 540)):
        stage.tape.login(ticks, caller, _DENIED)
    return caller


def slow_guessing(stage: Stage) -> Caller:
    """Guessing at leisure: a refusal each four to seven minutes, for five hours."""
    caller = stage.outside(stage.token())
    ticks = stage.ticks
    while ticks < stage.ticks + 5 * HOUR:
        stage.tape.login(ticks, caller, _DENIED)
        ticks += int(stage.random.uniform(4, 7) * MINUTE)
    return caller


def _sprayed(stage: Stage, count: int) -> list[str]:
    words = [*_SPRAYED, *(f"{name}@example.com" for name in NAMES), *(f"svc-{n}" for n in range(20))]
    return stage.random.sample(words, count)


def spraying(stage: Stage) -> Caller:
    """One address tries a password or two on each of 10 to 35 names, within 3 to 9 minutes."""
    agent = stage.random.choice(_CLIENTS)
    stranger = stage.outside(Caller(stage.registry, "", "", agent))
    names = _sprayed(stage, stage.random.randint(10, 35))
    tries = [name for name in names for _ in range(stage.random.randint(1, 2))]
    for name, ticks in zip(tries, stage.moments(len(tries), stage.random.uniform(180, 540)), strict=True):
        stage.tape.login(ticks, stranger._replace(identity=name), _DENIED)
    return stranger._replace(identity=names[0])


def spraying_from_many(stage: Stage) -> Caller:
    """The same spray through a proxy pool: every attempt from another address."""
    stranger = Caller(stage.registry, "", "", stage.random.choice(_CLIENTS))
    names = _sprayed(stage, stage.random.randint(10, 35))
    last = stranger
    for name, ticks in zip(names, stage.moments(len(names), 480), strict=True):
        last = stage.outside(stranger)._replace(identity=name)
        stage.tape.login(ticks, last, _DENIED)
    return last


def guessed(stage: Stage) -> Caller:
    """After 8 to 60 refusals the password is right; the same address goes on to pull."""
    caller = stage.outside(stage.token())._replace(user_agent=stage.random.choice(_CLIENTS))
    moments = stage.moments(stage.random.randint(8, 60), stage.random.uniform(60, 480))
    for ticks in moments:
        stage.tape.login(ticks, caller, _DENIED)
    found = moments[-1] + seconds(stage.random.uniform(1, 60))
    stage.tape.login(found, caller, OK)
    for turn, place in enumerate(stage.places(stage.random.randint(1, 5))):
        stage.tape.pull(found + seconds(10 + 15 * turn), caller, stage.image(place))
    return caller


def newcomer(stage: Stage) -> Caller:
    """A credential nobody has seen, made by whoever could make one, is first used: a login and some pulls."""
    caller = stage.newcomer()
    if stage.random.random() < 0.3:
        caller = stage.away(caller)
    stage.tape.login(stage.ticks, caller)
    for turn, place in enumerate(stage.places(stage.random.randint(1, 4))):
        stage.tape.pull(stage.ticks + seconds(4 + 20 * turn), caller, stage.image(place))
    return caller


def newcomer_abroad(stage: Stage) -> Caller:
    """A credential nobody has seen is first used from another continent, on a registry that any address may reach."""
    caller = stage.newcomer()._replace(address=addresses.abroad(stage.random))
    stage.tape.login(stage.ticks, caller)
    for turn, place in enumerate(stage.places(stage.random.randint(1, 4))):
        stage.tape.pull(stage.ticks + seconds(4 + 20 * turn), caller, stage.image(place))
    return caller


def dormant(stage: Stage) -> Caller:
    """A token unused for two months or more is used again, from its own network."""
    caller = stage.sleeper(awake_days=stage.random.uniform(4, 10))
    stage.tape.login(stage.ticks, caller)
    for turn, place in enumerate(stage.places(stage.random.randint(1, 6))):
        stage.tape.pull(stage.ticks + seconds(3 + 25 * turn), caller, stage.image(place))
    return caller


def drifting(stage: Stage) -> Caller:
    """An identity that only ever pulled pushes or deletes, from its own network and with its own client."""
    caller = stage.random.choice((stage.token, stage.service))()
    stage.tape.login(stage.ticks, caller)
    pushes = stage.random.random() < 0.6
    for turn in range(stage.random.randint(1, 4)):
        place = stage.random.choice(list(stage.own_places(caller)))
        image, ticks = stage.image(place, back=turn), stage.ticks + seconds(10 + 60 * turn)
        if pushes:
            stage.tape.push(ticks, caller, image)
        else:
            stage.tape.act(ticks, caller, UNTAG, image.repository, tag=image.tag, status=stage.status(ACCEPTED))
    return caller


def two_at_once(stage: Stage) -> Caller:
    """A service at work in its own network is, in the same quarter of an hour, also someone else somewhere else.

    The owner's sessions are benign and unlabelled; only the intruder's records are the attack.
    """
    owner = stage.service() if stage.random.random() < 0.5 else stage.token()
    thief = stage.away(owner) if stage.random.random() < 0.5 else stage.outside(owner)
    for _ in range(stage.random.randint(2, 4)):
        ticks = stage.ticks + int(stage.random.uniform(0, 12) * MINUTE)
        stage.past.login(ticks, owner)
        stage.past.pull(ticks + seconds(3), owner, stage.image(stage.own_places(owner)[0]))
    for turn in range(stage.random.randint(2, 5)):
        ticks = stage.ticks + int((1 + 2 * turn + stage.random.random()) * MINUTE)
        stage.tape.login(ticks, thief)
        stage.tape.pull(ticks + seconds(2), thief, stage.image(stage.random.choice(list(stage.own_places(owner)))))
    return thief


def watched(stage: Stage) -> Caller:
    """Someone or something on a watch list turns up: an address, an identity, or a digest that is pulled."""
    caller, what = stage.token(), stage.random.randrange(3)
    if what == 0:
        caller = caller._replace(address=addresses.WATCHED_HOSTS[stage.random.randrange(4)])
    elif what == 1:
        caller = caller._replace(identity=addresses.WATCHED_IDENTITY)
    image = stage.image(stage.places(1)[0])
    if what == 2:
        image = image._replace(index_digest=stage.people.watched_digest)
    stage.tape.login(stage.ticks, caller)
    stage.tape.pull(stage.ticks + seconds(5), caller, image, by_digest=what == 2)
    return caller


_READS: Final = fair.NETWORK | fair.CLIENT | fair.READ
KINDS: Final = (
    Kind(
        "admin-login-while-disabled", "admin-login-while-disabled", admin_while_disabled, place="admin-disabled",
        also=fair.ADMIN | fair.OUTSIDE | fair.CLIENT | fair.NEWCOMER | fair.READ,
    ),
    Kind(
        "admin-push-or-delete", "admin-push-or-delete", admin_writes,
        also=fair.ADMIN | fair.NETWORK | fair.CLIENT | fair.NEWCOMER | fair.PUSH | fair.DELETE,
    ),
    Kind("failed-login-burst", "failed-login-burst", guessing, also=fair.LOGINS | fair.NETWORK | fair.CLIENT),
    Kind(
        "failed-login-slow", "failed-login-burst", slow_guessing, evasive=True, span=timedelta(hours=6), hours="any",
        also=fair.LOGINS | fair.NETWORK | fair.CLIENT,
    ),
    Kind("password-spray", "password-spray", spraying, also=fair.LOGINS | fair.NETWORK | fair.CLIENT | fair.NEWCOMER),
    Kind(
        "password-spray-from-many", "password-spray", spraying_from_many, evasive=True,
        also=fair.LOGINS | fair.NETWORK | fair.CLIENT | fair.NEWCOMER,
    ),
    Kind(
        "success-after-failures", "success-after-failures", guessed,
        also=fair.LOGINS | fair.OUTSIDE | fair.CLIENT | fair.READ,
    ),
    Kind("first-seen-identity", "first-seen-identity", newcomer, also=fair.NEWCOMER | fair.READ, hours="any"),
    Kind(
        "newcomer-abroad", "country-new-to-registry", newcomer_abroad, also=fair.NEWCOMER | fair.READ, hours="any",
        place="public", most=1,
    ),
    Kind(
        "dormant-identity-awake", "dormant-identity-awake", dormant, also=_READS, hours="any",
        history=timedelta(days=75),
    ),
    Kind("role-drift", "role-drift", drifting, also=fair.PUSH | fair.DELETE),
    Kind(
        "identity-on-two-networks", "identity-on-two-networks", two_at_once, hours="any",
        also=fair.OUTSIDE | fair.READ,
    ),
    Kind(
        "watched-entity-seen", "watched-entity-seen", watched, hours="any",
        also=fair.OUTSIDE | fair.NEWCOMER | fair.READ,
    ),
)  # fmt: skip
