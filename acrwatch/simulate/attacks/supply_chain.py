"""Attacks on what the registry serves: tags moved, images implanted, names that look alike, foreign imports."""

from datetime import timedelta
from typing import Final

from acrwatch.simulate.attacks import fair
from acrwatch.simulate.attacks.kind import Kind
from acrwatch.simulate.attacks.stage import DAY, Stage
from acrwatch.simulate.images import REPOSITORIES, Image, made_image
from acrwatch.simulate.tape import Caller, seconds
from acrwatch.simulate.wire import CREATED, IMPORT

_BAD_SOURCES: Final = (
    "docker.io/library/python", "docker.io/xmrigcc/base", "ghcr.io/free-tools/node", "quay.io/mirrors/dotnet",
    "198.19.7.7:5000/base/python", "registry.example.net/base/node",
)  # fmt: skip


def _implant(stage: Stage, repository: str, tag: str) -> Image:
    return made_image(repository, tag, stage.people.seed, "implant", stage.number, stage.random.random())


def _published(stage: Stage, repository: str, tag: str, *, days: tuple[float, float]) -> None:
    """Let a tag have been pushed by a pipeline so many days before, and pulled three times by a cluster since."""
    pipeline = stage.random.choice(stage.people.pipelines[stage.registry.index]).caller(stage.random)
    image = made_image(repository, tag, stage.people.seed, stage.registry.name, "published", repository, tag)
    pushed = stage.ticks - int(stage.random.uniform(*days) * DAY)
    stage.past.push(pushed, pipeline, image)
    cluster = stage.people.clusters[stage.registry.index]
    for _ in range(3):
        pulled = pushed + int(stage.random.uniform(0.02, 0.98) * (stage.ticks - pushed))
        stage.past.pull(pulled, cluster.caller(stage.random.randrange(cluster.nodes)), image)


def protected_tag(stage: Stage) -> Caller:
    """A release tag that must not change is pushed again with another digest, by a pipeline's stolen credential."""
    caller = stage.service(pushes=True)
    repository, tag = stage.random.choice(REPOSITORIES), f"release-{stage.random.randint(20, 40)}.{stage.number}"
    _published(stage, repository, tag, days=(3, 30))
    stage.tape.login(stage.ticks, caller)
    stage.tape.push(stage.ticks + seconds(stage.random.uniform(5, 90)), caller, _implant(stage, repository, tag))
    return caller


def _overwrite(stage: Stage, caller: Caller, over: float) -> None:
    repository = stage.random.choice(REPOSITORIES)
    tags = [f"v{2 + n // 3}.{n}.{stage.number}" for n in range(stage.random.randint(5, 12))]
    for tag in tags:
        _published(stage, repository, tag, days=(2, 30))
    for tag, ticks in zip(tags, stage.moments(len(tags), over, start=10), strict=True):
        stage.tape.push(ticks, caller, _implant(stage, repository, tag))


def overwritten(stage: Stage) -> Caller:
    """Five to twelve existing tags of one repository are moved to new digests within 3 to 10 minutes."""
    caller = stage.service(pushes=True)
    stage.tape.login(stage.ticks, caller)
    _overwrite(stage, caller, stage.random.uniform(180, 600))
    return caller


def overwritten_slowly(stage: Stage) -> Caller:
    """The same, one tag every two hours or so."""
    caller = stage.service(pushes=True)
    _overwrite(stage, caller, 20 * 3600)
    return caller


def outside_pipeline(stage: Stage) -> Caller:
    """Someone who is no pipeline pushes over a service's current tag: one to three images."""
    caller = stage.random.choice((stage.person, stage.token))()
    stage.tape.login(stage.ticks, caller)
    for turn, place in enumerate(stage.places(stage.random.randint(1, 3))):
        current = stage.image(place)
        image = _implant(stage, current.repository, current.tag)
        stage.tape.push(stage.ticks + seconds(15 + 70 * turn), caller, image)
    return caller


def first_push(stage: Stage) -> Caller:
    """A pipeline's credential, that pushed to three repositories for weeks, pushes to another one."""
    caller = stage.service(pushes=True)
    others = [place for place in range(len(REPOSITORIES)) if place not in stage.own_places(caller)]
    stage.tape.login(stage.ticks, caller)
    for turn, place in enumerate(stage.random.sample(others, stage.random.randint(1, 2))):
        image = _implant(stage, REPOSITORIES[place], f"2.{stage.number}.{turn}")
        stage.tape.push(stage.ticks + seconds(12 + 60 * turn), caller, image)
    return caller


def _twisted(name: str, stage: Stage) -> str:
    """Return a name a hasty reader takes for the given one: a slip of a letter, or a mark more or less."""
    group, _, last = name.partition("/")
    at = stage.random.randrange(1, len(last) - 1)
    return stage.random.choice((
        f"{group}/{last[:at]}{last[at + 1 :]}",
        f"{group}/{last[:at]}{last[at]}{last[at:]}",
        f"{group}/{last}s" if not last.endswith("s") else f"{group}/{last[:-1]}",
        f"{group}s/{last}" if not group.endswith("s") else f"{group[:-1]}/{last}",
        f"{group}-{last}",
        f"{group}/{last[:at]}-{last[at:]}",
    ))  # fmt: skip


def look_alike(stage: Stage) -> Caller:
    """A repository appears whose name is a slip away from a known one."""
    caller = stage.random.choice((stage.person, stage.token))()
    long_enough = [name for name in REPOSITORIES if len(name.partition("/")[2]) >= 4]
    repository = _twisted(stage.random.choice(long_enough), stage)
    stage.tape.login(stage.ticks, caller)
    stage.tape.push(stage.ticks + seconds(20), caller, _implant(stage, repository, f"2.{stage.number}.1"))
    return caller


def look_alike_far(stage: Stage) -> Caller:
    """The name only reads like a known one: a word more, nowhere near in letters."""
    caller = stage.person()
    repository = f"{stage.random.choice(REPOSITORIES)}-{stage.random.choice(('internal', 'hotfix', 'secure'))}"
    stage.tape.push(stage.ticks, caller, _implant(stage, repository, "latest"))
    return caller


def imported(stage: Stage) -> Caller:
    """An image is imported from where nobody approved of importing."""
    caller = stage.service(pushes=True)
    source = stage.random.choice(_BAD_SOURCES)
    image = _implant(stage, stage.random.choice(("base/python", "base/node", "base/dotnet")), f"3.{stage.number}")
    stage.tape.act(
        stage.ticks, caller, IMPORT, image.repository, tag=image.tag, digest=image.index_digest, media_type=source,
        status=stage.status(CREATED),
    )  # fmt: skip
    return caller


def off_hours(stage: Stage) -> Caller:
    """Someone whose work is in office hours pushes one to three images at night or on a Sunday."""
    caller = stage.person(pushes=True)
    stage.tape.login(stage.ticks, caller)
    for turn in range(stage.random.randint(1, 3)):
        place = stage.random.choice(list(stage.own_places(caller)))
        image = _implant(stage, REPOSITORIES[place], f"2.{stage.number}.{turn}")
        stage.tape.push(stage.ticks + seconds(30 + 90 * turn), caller, image)
    return caller


def implant_pulled(stage: Stage) -> Caller:
    """A person who never pushed there pushes an image, and within 2 to 20 minutes the cluster runs it."""
    caller, cluster = stage.person(), stage.people.clusters[stage.registry.index]
    current = stage.image(stage.places(1)[0])
    image = _implant(stage, current.repository, current.tag)
    stage.tape.login(stage.ticks, caller)
    stage.tape.push(stage.ticks + seconds(10), caller, image)
    for ticks in stage.moments(stage.random.randint(1, 6), 120, start=stage.random.uniform(120, 1080)):
        stage.tape.pull(ticks, cluster.caller(stage.random.randrange(cluster.nodes)), image)
    return caller


def staged_out(stage: Stage) -> Caller:
    """Data leaves as an image: a service pushes it, and 1 to 15 minutes later a token fetches it from outside."""
    caller, courier = stage.service(), stage.outside(stage.token())
    image = _implant(stage, stage.random.choice(REPOSITORIES), f"tmp{stage.number}")
    stage.tape.login(stage.ticks, caller)
    stage.tape.push(stage.ticks + seconds(10), caller, image)
    fetched = stage.ticks + seconds(stage.random.uniform(60, 900))
    stage.tape.login(fetched, courier)
    stage.tape.pull(fetched + seconds(2), courier, image)
    return caller


def bad_digest(stage: Stage) -> Caller:
    """An image on the list of known-bad digests is pulled, by the cluster or by a token."""
    cluster = stage.people.clusters[stage.registry.index]
    caller = cluster.caller(0) if stage.random.random() < 0.5 else stage.token()
    image = stage.image(stage.places(1)[0])._replace(index_digest=stage.random.choice(stage.people.bad_digests))
    for ticks in stage.moments(stage.random.randint(1, 5), 300):
        stage.tape.pull(ticks, caller, image, by_digest=stage.random.random() < 0.5)
    return caller


KINDS: Final = (
    Kind("protected-tag-overwritten", "protected-tag-overwritten", protected_tag, also=fair.PUSH),
    Kind("tag-overwrite-burst", "tag-overwrite-burst", overwritten, also=fair.PUSH),
    Kind(
        "tag-overwrite-slow", "tag-overwrite-burst", overwritten_slowly, also=fair.PUSH, evasive=True,
        span=timedelta(hours=24),
    ),
    Kind("push-outside-pipeline", "push-outside-pipeline", outside_pipeline, also=fair.PUSH),
    Kind("first-push-to-repository", "first-push-to-repository", first_push, also=fair.PUSH),
    Kind("look-alike-repository", "look-alike-repository", look_alike, also=fair.PUSH),
    Kind("look-alike-far", "look-alike-repository", look_alike_far, also=fair.PUSH, evasive=True),
    Kind(
        "import-from-unapproved-source", "import-from-unapproved-source", imported, also=fair.PUSH,
    ),
    Kind("off-hours-write", "off-hours-write", off_hours, also=fair.PUSH, hours="night"),
    Kind(
        "implant-pulled-by-cluster", "push-then-foreign-pull", implant_pulled, also=fair.PUSH,
        span=timedelta(minutes=30),
    ),
    Kind(
        "push-then-foreign-pull", "push-then-foreign-pull", staged_out,
        also=fair.PUSH | fair.OUTSIDE,
        span=timedelta(minutes=30),
    ),
    Kind("known-bad-digest-pulled", "known-bad-digest-pulled", bad_digest, also=fair.READ, hours="any"),
)  # fmt: skip
