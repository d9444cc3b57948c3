"""Attacks told by client or operation: strange tools, scanners that do more than scan, storms, the unheard of."""

from datetime import timedelta
from typing import Final

from acrwatch.simulate.attacks import fair
from acrwatch.simulate.attacks.deletion import remove
from acrwatch.simulate.attacks.kind import Kind
from acrwatch.simulate.attacks.stage import HOUR, Stage
from acrwatch.simulate.images import made_image
from acrwatch.simulate.tape import Caller, seconds

# What people use who look into registries that are not theirs, and what scripts say who say nothing of themselves.
_STRANGE: Final = (
    "curl/8.10.1", "curl/7.88.1", "Wget/1.21.4", "Python-urllib/3.12", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101",
    "Nuclei - Open-source project (github.com/projectdiscovery/nuclei)", "gobuster/3.6", "feroxbuster/2.10.4",
    "Mozilla/5.0 zgrab/0.x", "masscan/1.3", "PostmanRuntime/7.42.0", "Python/3.11 aiohttp/3.10.5",
    "sqlmap/1.8.9#stable", "python-httpx/0.27.2",
)  # fmt: skip
_OTHER_TOOLS: Final = ("oras/1.2.0", "skopeo/1.16.1", "crane/v0.20.2", "Helm/3.16.2", "podman/5.2.3", "trivy/0.56.2")
_UNHEARD_OF: Final = (
    "Quarantine", "Restore", "UpdateMetadata", "LockManifest", "ListReferrers", "SignManifest", "AcquireToken",
    "UpdateAttributes",
)  # fmt: skip


def strange_client(stage: Stage) -> Caller:
    """A token is used with a tool that no pull needs: a shell's, a script's, a scanner's."""
    caller = stage.token()._replace(user_agent=stage.random.choice(_STRANGE))
    stage.tape.login(stage.ticks, caller)
    for turn, place in enumerate(stage.places(stage.random.randint(1, 5))):
        stage.tape.pull(stage.ticks + seconds(3 + 14 * turn), caller, stage.image(place))
    return caller


def other_client(stage: Stage) -> Caller:
    """A service whose client never changed in weeks comes with an ordinary tool of another family."""
    caller = stage.service()._replace(user_agent=stage.random.choice(_OTHER_TOOLS))
    stage.tape.login(stage.ticks, caller)
    for turn in range(stage.random.randint(1, 4)):
        image = stage.image(stage.random.choice(list(stage.own_places(caller))))
        stage.tape.pull(stage.ticks + seconds(3 + 30 * turn), caller, image)
    return caller


def busy_scanner(stage: Stage) -> Caller:
    """The vulnerability scanner's identity, that only reads, pushes one image or removes one to four."""
    caller = stage.people.scanners[stage.registry.index].caller
    if stage.random.random() < 0.5:
        current = stage.image(stage.places(1)[0])
        image = made_image(current.repository, current.tag, stage.people.seed, "scanner", stage.number)
        stage.tape.push(stage.ticks, caller, image)
    else:
        first = stage.random.randrange(100)
        for turn in range(stage.random.randint(1, 4)):
            remove(stage, caller, stage.ticks + seconds(30 * turn), first + turn, untag=stage.random.random() < 0.5)
    return caller


def storm(stage: Stage) -> Caller:
    """A client runs wild: 500 to 2,000 pulls in 2 to 8 minutes are refused as too many."""
    caller = stage.random.choice((stage.token, stage.service))()
    moments = stage.moments(stage.random.randint(500, 2000), stage.random.uniform(120, 480))
    place = stage.own_places(caller)[0]
    for turn, ticks in enumerate(moments):
        image = stage.image(place, back=turn % 7)
        stage.tape.failed_pull(ticks, caller, image.repository, image.tag, "429")
    return caller


def unheard_of(stage: Stage) -> Caller:
    """An operation that no document names is done, once to three times."""
    caller, operation = stage.person(), stage.random.choice(_UNHEARD_OF)
    for turn, place in enumerate(stage.places(stage.random.randint(1, 3))):
        image = stage.image(place)
        stage.tape.act(stage.ticks + seconds(20 * turn), caller, operation, image.repository, digest=image.index_digest)
    return caller


def silenced(stage: Stage) -> Caller:
    """Someone removes the diagnostic setting: for 10 to 40 hours nothing of the registry is logged."""
    stage.hushed_until = stage.ticks + int(stage.random.uniform(10, 40) * HOUR)
    return Caller(stage.registry, "", "", "")


KINDS: Final = (
    Kind("odd-user-agent", "odd-user-agent", strange_client, also=fair.CLIENT | fair.READ),
    Kind("new-user-agent-family", "new-user-agent-family", other_client, also=fair.CLIENT, hours="any"),
    Kind(
        "scanner-doing-other-things", "scanner-doing-other-things", busy_scanner, also=fair.PUSH | fair.DELETE,
        hours="any",
    ),
    Kind("throttling-storm", "throttling-storm", storm, also=fair.READ, hours="any"),
    Kind(
        "registry-silent", "registry-silent", silenced, hours="any", place="public", span=timedelta(hours=40), most=1,
    ),
    Kind("unknown-operation", "unknown-operation", unheard_of, also=fair.WRITE),
)  # fmt: skip
