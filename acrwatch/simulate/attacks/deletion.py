"""Attacks that destroy: quickly, slowly, wholly, or only a little by the wrong identity."""

from datetime import timedelta
from typing import Final

from acrwatch.simulate.attacks import fair
from acrwatch.simulate.attacks.kind import Kind
from acrwatch.simulate.attacks.stage import HOUR, MINUTE, Stage
from acrwatch.simulate.images import REPOSITORIES
from acrwatch.simulate.tape import Caller, seconds
from acrwatch.simulate.wire import ACCEPTED, DELETE, DELETE_REPOSITORY, UNTAG


def remove(stage: Stage, caller: Caller, ticks: int, target: int, *, untag: bool = False) -> None:
    """Delete (by digest) or untag the target-th oldest thing: repositories in turn, then older builds of them."""
    image = stage.image(target % len(REPOSITORIES), back=target // len(REPOSITORIES))
    status = stage.status(ACCEPTED)
    if untag:
        stage.tape.act(ticks, caller, UNTAG, image.repository, tag=image.tag, status=status)
    else:
        stage.tape.act(ticks, caller, DELETE, image.repository, digest=image.index_digest, status=status)


def slow_delete(stage: Stage) -> Caller:
    """Over 8 to 18 hours someone deletes 90 to 180 manifests, never twenty in ten minutes."""
    caller, ticks = stage.person(), stage.ticks
    stage.tape.login(ticks, caller)
    count = stage.random.randint(90, 180)
    mean = stage.random.uniform(8, 18) * 3600 / count
    for target in range(count):
        ticks += seconds(mean * stage.random.uniform(0.6, 1.4))
        remove(stage, caller, ticks, target)
    return caller


def slower_delete(stage: Stage) -> Caller:
    """The same over four days: six an hour, in working hours only."""
    caller = stage.person()
    for target in range(120):
        day, step = divmod(target, 30)
        ticks = stage.ticks + day * 24 * HOUR + int((10 * step + 4 * stage.random.random()) * MINUTE)
        remove(stage, caller, ticks, target)
    return caller


def mass_untag(stage: Stage) -> Caller:
    """Someone untags 30 to 120 tags within 2 to 8 minutes: the images stay, and nobody finds them."""
    caller = stage.person() if stage.random.random() < 0.5 else stage.service(pushes=True)
    stage.tape.login(stage.ticks, caller)
    moments = stage.moments(stage.random.randint(30, 120), stage.random.uniform(120, 480), start=5)
    for target, ticks in enumerate(moments):
        remove(stage, caller, ticks, target, untag=True)
    return caller


def wiped(stage: Stage) -> Caller:
    """One to three whole repositories are deleted, one call each."""
    caller = stage.person() if stage.random.random() < 0.7 else stage.service(pushes=True)
    stage.tape.login(stage.ticks, caller)
    for turn, place in enumerate(stage.places(stage.random.randint(1, 3))):
        ticks = stage.ticks + seconds(20 + 60 * turn * stage.random.uniform(0.5, 2))
        stage.tape.act(ticks, caller, DELETE_REPOSITORY, REPOSITORIES[place], status=stage.status(ACCEPTED))
    return caller


def wiped_by_pieces(stage: Stage) -> Caller:
    """A repository is emptied manifest by manifest, 15 in eight minutes, so that no record says so."""
    caller, place = stage.person(), stage.places(1)[0]
    for back, ticks in enumerate(stage.moments(15, 480)):
        remove(stage, caller, ticks, place + back * len(REPOSITORIES))
    return caller


def by_newcomer(stage: Stage) -> Caller:
    """Someone who has worked there for weeks and never deleted deletes one to six things."""
    caller = stage.person(pushes=stage.random.random() < 0.5)
    stage.tape.login(stage.ticks, caller)
    first, untag = stage.random.randrange(100), stage.random.random() < 0.3
    for turn in range(stage.random.randint(1, 6)):
        remove(stage, caller, stage.ticks + seconds(15 + 50 * turn), first + turn, untag=untag)
    return caller


def outside_purge(stage: Stage) -> Caller:
    """A build service, not the one that cleans up, deletes one to eight manifests."""
    caller = stage.service(pushes=stage.random.random() < 0.5)
    stage.tape.login(stage.ticks, caller)
    first = stage.random.randrange(100)
    for turn in range(stage.random.randint(1, 8)):
        remove(stage, caller, stage.ticks + seconds(10 + 40 * turn), first + turn)
    return caller


def nineteen(stage: Stage) -> Caller:
    """Nineteen deletions in nine minutes, a pause of a quarter of an hour, and again, three times."""
    caller = stage.person()
    for turn in range(3):
        for step, ticks in enumerate(stage.moments(19, 540, start=1500 * turn)):
            remove(stage, caller, ticks, 19 * turn + step)
    return caller


def paced(stage: Stage) -> Caller:
    """A deletion each 35 to 50 seconds for an hour: at most 17 in any ten minutes."""
    caller, ticks = stage.person(), stage.ticks
    for target in range(80):
        remove(stage, caller, ticks, target)
        ticks += seconds(stage.random.uniform(35, 50))
    return caller


def split(stage: Stage) -> Caller:
    """Three stolen identities share the work, 15 deletions each within eight minutes."""
    callers = [stage.person() for _ in range(3)]
    for target, ticks in enumerate(stage.moments(45, 480)):
        remove(stage, callers[target % 3], ticks, target)
    return callers[0]


KINDS: Final = (
    Kind("slow-delete", "slow-delete", slow_delete, also=fair.DELETE, span=timedelta(hours=24)),
    Kind("slow-delete-four-days", "slow-delete", slower_delete, also=fair.DELETE, span=timedelta(days=5), evasive=True),
    Kind("mass-untag", "mass-untag", mass_untag, also=fair.DELETE),
    Kind("repository-wiped", "repository-wiped", wiped, also=fair.DELETE),
    Kind("repository-wiped-by-pieces", "repository-wiped", wiped_by_pieces, also=fair.DELETE, evasive=True),
    Kind("delete-by-newcomer", "delete-by-newcomer", by_newcomer, also=fair.DELETE),
    Kind("delete-outside-purge-identity", "delete-outside-purge-identity", outside_purge, also=fair.DELETE),
    Kind("mass-delete-nineteen", "mass-delete", nineteen, also=fair.DELETE, span=timedelta(hours=1), evasive=True),
    Kind("mass-delete-paced", "mass-delete", paced, also=fair.DELETE, span=timedelta(hours=2), evasive=True),
    Kind("mass-delete-split", "mass-delete", split, also=fair.DELETE, evasive=True),
)
