"""Attacks told by where they come from, or by what stood in their way."""

from typing import Final

from acrwatch.simulate import addresses
from acrwatch.simulate.attacks import fair
from acrwatch.simulate.attacks.kind import Kind
from acrwatch.simulate.attacks.stage import MINUTE, Stage
from acrwatch.simulate.tape import Caller, seconds
from acrwatch.simulate.wire import ACCEPTED, DELETE


def blocked(stage: Stage) -> Caller:
    """The registry's firewall turns a stranger away 40 to 300 times in 2 to 9 minutes; half the time nameless."""
    known = stage.token() if stage.random.random() < 0.5 else Caller(stage.registry, "", "", "")
    caller = stage.outside(known)._replace(user_agent=stage.random.choice(("docker/26.1.4", "Go-http-client/1.1")))
    for ticks in stage.moments(stage.random.randint(40, 300), stage.random.uniform(120, 540)):
        stage.tape.login(ticks, caller, "403")
    return caller


def write_outside(stage: Stage) -> Caller:
    """A pipeline's stolen credential pushes or deletes from outside every allowed range."""
    caller = stage.outside(stage.service(pushes=True))
    stage.tape.login(stage.ticks, caller)
    pushes = stage.random.random() < 0.7
    for turn in range(stage.random.randint(1, 3)):
        image = stage.image(stage.random.choice(list(stage.own_places(caller))), back=turn)
        ticks = stage.ticks + seconds(10 + 60 * turn)
        if pushes:
            stage.tape.push(ticks, caller, image)
        else:
            status = stage.status(ACCEPTED)
            stage.tape.act(ticks, caller, DELETE, image.repository, digest=image.index_digest, status=status)
    return caller


def public_address(stage: Stage) -> Caller:
    """A registry that is reached by private link alone answers a public address: its public access was opened."""
    caller = stage.outside(stage.service())
    stage.tape.login(stage.ticks, caller)
    for turn, place in enumerate(stage.places(stage.random.randint(1, 5))):
        stage.tape.pull(stage.ticks + seconds(2 + 9 * turn), caller, stage.image(place))
    return caller


def mimicked(stage: Stage) -> Caller:
    """The thief sits in the victim's own network and uses the victim's client: nothing is strange but the images."""
    caller = stage.token()
    neighbour = caller._replace(address=f"{caller.address.rpartition('.')[0]}.{stage.random.randrange(2, 90)}")
    stage.tape.login(stage.ticks, neighbour)
    for turn, place in enumerate(stage.places(2)):
        stage.tape.pull(stage.ticks + seconds(2 + 30 * turn), neighbour, stage.image(place))
    return neighbour


def inside_ranges(stage: Stage) -> Caller:
    """A stolen token pulls from an allowed range, where no rule of ranges can see it."""
    caller = stage.away(stage.token())
    stage.tape.login(stage.ticks, caller)
    for turn, place in enumerate(stage.places(5)):
        stage.tape.pull(stage.ticks + seconds(2 + 20 * turn), caller, stage.image(place))
    return caller


def new_country(stage: Stage) -> Caller:
    """A credential that only one country has ever used is used from another."""
    home = stage.random.choice((stage.person, stage.service))()
    caller = home._replace(address=addresses.abroad(stage.random))
    stage.tape.login(stage.ticks, caller)
    for turn, place in enumerate(stage.places(stage.random.randint(1, 4))):
        stage.tape.pull(stage.ticks + seconds(3 + 15 * turn), caller, stage.image(place))
    return caller


def far_too_fast(stage: Stage) -> Caller:
    """Someone at work in the office succeeds 20 to 80 minutes later on another continent.

    The office session is benign and unlabelled.
    """
    home = stage.person()
    caller = home._replace(address=addresses.abroad(stage.random))
    before = stage.ticks - int(stage.random.uniform(20, 80) * MINUTE)
    stage.past.login(before, home)
    stage.past.pull(before + seconds(4), home, stage.image(stage.own_places(home)[0]))
    stage.tape.login(stage.ticks, caller)
    for turn, place in enumerate(stage.places(stage.random.randint(1, 3))):
        stage.tape.pull(stage.ticks + seconds(3 + 15 * turn), caller, stage.image(place))
    return caller


KINDS: Final = (
    Kind("blocked-network-burst", "blocked-network-burst", blocked, also=fair.LOGINS | fair.NETWORK | fair.CLIENT),
    Kind(
        "write-outside-allowed-ranges", "write-outside-allowed-ranges", write_outside,
        also=fair.OUTSIDE | fair.PUSH | fair.DELETE,
    ),
    Kind(
        "public-address-on-private-registry", "public-address-on-private-registry", public_address, place="private",
        also=fair.OUTSIDE | fair.READ,
    ),
    Kind(
        "source-ip-mimicked", "anomalous-source-ip", mimicked, also=fair.NETWORK | fair.READ, evasive=True,
    ),
    Kind(
        "pull-inside-allowed-ranges", "pull-outside-allowed-ranges", inside_ranges, also=fair.OUTSIDE | fair.READ,
        evasive=True,
    ),
    Kind("first-country", "first-country", new_country, also=fair.OUTSIDE | fair.READ),
    Kind("impossible-travel", "impossible-travel", far_too_fast, also=fair.OUTSIDE | fair.READ),
)  # fmt: skip
