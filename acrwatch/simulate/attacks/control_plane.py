"""Attacks on a registry's settings and credentials through Azure Resource Manager, and what is done with them next.

Written by someone who had not read the rules, from what Microsoft documents of each operation.
"""

from datetime import timedelta
from typing import Any, Final

from acrwatch.simulate import activity_wire as wire
from acrwatch.simulate import addresses
from acrwatch.simulate.attacks import fair
from acrwatch.simulate.attacks.intruder import Intruder, templates_of, whole
from acrwatch.simulate.attacks.kind import Kind
from acrwatch.simulate.attacks.stage import Stage
from acrwatch.simulate.tape import Caller, seconds

_CLIENTS: Final = ("docker/26.1.4 go/go1.21.11 os/linux arch/amd64", "skopeo/1.16.1", "python-requests/2.32.3")
_EVERYTHING: Final = ("content/read", "content/write", "content/delete", "metadata/read", "metadata/write")


def admin_switched_on(stage: Stage) -> Caller:
    """The admin user is switched on, mostly to list its passwords at once; half go on to use them.

    A third switch it off again within minutes.
    """
    intruder, random = Intruder(stage), stage.random
    ticks = intruder.sets(intruder.begins(), {"adminUserEnabled": True}) + intruder.pause(3, 90)
    if random.random() < 0.8:
        ticks = intruder.does(ticks, wire.LIST_CREDENTIALS) + intruder.pause(5, 120)
    if random.random() < 0.5:
        ticks = _takes(stage, intruder.caller._replace(identity=stage.registry.name), ticks)
    if random.random() < 0.35:
        intruder.comes_back()
        intruder.sets(ticks + intruder.pause(60, 600), {"adminUserEnabled": False})
    return intruder.caller


def firewall_opened(stage: Stage) -> Caller:
    """The firewall lets everyone in, by its default or by two halves of the Internet, or the intruder's own address."""
    intruder, random = Intruder(stage), stage.random
    draw = random.random()
    if draw < 0.4:
        rules: dict[str, Any] = {"defaultAction": "Allow"}
    elif draw < 0.55:
        rules = _ranges(stage, "0.0.0.0/1", "128.0.0.0/1")
    elif draw < 0.65:
        rules = _ranges(stage, f"{addresses.nth_network(addresses.OUTSIDE_V4, 0)[:-2]}.0/16")
    else:
        rules = _ranges(stage, _own_address(stage))
    ticks = intruder.sets(intruder.begins(), {"networkRuleSet": rules})
    if random.random() < 0.35:
        intruder.comes_back()
        stated = whole(stage.registry, {})["properties"]["networkRuleSet"]
        intruder.sets(ticks + intruder.pause(240, 1200), {"networkRuleSet": stated})
    return intruder.caller


def public_access_opened(stage: Stage) -> Caller:
    """A private registry is put on the Internet, for all or for chosen networks; half go on to pull from there."""
    intruder, random = Intruder(stage), stage.random
    change: dict[str, Any] = {"publicNetworkAccess": "Enabled"}
    draw = random.random()
    if draw < 0.3:
        change["networkRuleSet"] = {"defaultAction": "Allow"}
    elif draw < 0.6:
        change["networkRuleSet"] = _ranges(stage, _own_address(stage))
    ticks = intruder.sets(intruder.begins(), change) + intruder.pause(30, 300)
    if random.random() < 0.5:
        _takes(stage, stage.outside(stage.service()), ticks)
    return intruder.caller


def anonymous_pull_opened(stage: Stage) -> Caller:
    """Anybody may pull: most then do so without a name, from far away; some close it again afterwards."""
    intruder, random = Intruder(stage), stage.random
    ticks = intruder.sets(intruder.begins(), {"anonymousPullEnabled": True}) + intruder.pause(20, 200)
    if random.random() < 0.6:
        nobody = stage.outside(Caller(stage.registry, "", "", random.choice(_CLIENTS)))
        for place in stage.places(random.randint(1, 8)):
            stage.tape.pull(ticks, nobody, stage.image(place))
            ticks += intruder.pause(4, 40)
    if random.random() < 0.4:
        intruder.comes_back()
        intruder.sets(ticks + intruder.pause(30, 300), {"anonymousPullEnabled": False})
    return intruder.caller


def credentials_taken(stage: Stage) -> Caller:
    """The admin passwords are listed or renewed, or a token that exists is given new passwords."""
    intruder, random = Intruder(stage), stage.random
    ticks, draw = intruder.begins(), random.random()
    if draw < 0.5:
        for _ in range(random.choice((1, 1, 2, 3))):
            ticks = intruder.does(ticks, wire.LIST_CREDENTIALS) + intruder.pause(1, 20)
    elif draw < 0.75:
        for name in ("password", "password2")[: random.randint(1, 2)]:
            ticks = intruder.does(ticks, wire.REGENERATE_CREDENTIAL, request={"name": name}) + intruder.pause(2, 15)
    else:
        _new_passwords(stage, intruder, ticks, _site_token(stage))
    return intruder.caller


def token_made(stage: Stage) -> Caller:
    """A token of the intruder's own, a site's token moved to the registry's widest map, or its map widened.

    Half use the token from far away.
    """
    return _makes_token(stage, Intruder(stage))


def token_made_by_templates(stage: Stage) -> Caller:
    """The pipeline that runs templates is taken over and does it, from where templates always run."""
    return _makes_token(stage, Intruder(stage, templates_of(stage)))


def _makes_token(stage: Stage, intruder: Intruder) -> Caller:
    random = stage.random
    ticks, draw, theirs = intruder.begins(), random.random(), _site_token(stage)
    token = f"{random.choice(('ci-sync', 'mirror', 'backup', 'scan-readonly'))}{random.randrange(10)}"
    if draw < 0.35:
        below, wanted = f"/scopeMaps/{token}-defined-scope-map", _map(random.choice(("*", "payments/api")))
        ticks = intruder.does(ticks, wire.WRITE_SCOPE_MAP, below=below, request=wanted, created=True)
        ticks = _token(intruder, ticks + intruder.pause(1, 5), token, below)
    elif draw < 0.6:
        ticks = _token(intruder, ticks, token, "/scopeMaps/_repositories_admin")
    elif draw < 0.8:
        token = theirs
        request = {"properties": {"scopeMapId": f"{stage.registry.resource_id}/scopeMaps/_repositories_admin"}}
        ticks = intruder.does(ticks, wire.WRITE_TOKEN, below=f"/tokens/{token}", request=request)
    else:
        token = theirs
        ticks = intruder.does(ticks, wire.WRITE_SCOPE_MAP, below=f"/scopeMaps/{token}", request=_map("*"))
    if random.random() < 0.7:
        ticks = _new_passwords(stage, intruder, ticks + intruder.pause(1, 30), token)
    if random.random() < 0.5:
        _takes(stage, stage.outside(Caller(stage.registry, token, "", "")), ticks + intruder.pause(10, 200))
    return intruder.caller


def _own_address(stage: Stage) -> str:
    """Return an address of the intruder's: an IP rule takes IPv4 alone."""
    return f"{addresses.nth_network(addresses.OUTSIDE_V4, stage.random.randrange(256))}.13"


def _ranges(stage: Stage, *added: str) -> dict[str, Any]:
    """Return the rule set as it is stated, with ranges let in as well: who adds a rule sends them all."""
    rules = whole(stage.registry, {})["properties"]["networkRuleSet"]
    return {**rules, "ipRules": [*rules["ipRules"], *({"action": "Allow", "value": one} for one in added)]}


def _map(repository: str) -> dict[str, Any]:
    return {"properties": {"actions": [f"repositories/{repository}/{what}" for what in _EVERYTHING]}}


def _site_token(stage: Stage) -> str:
    return stage.people.tokens[stage.registry.index][0].identity


def _token(intruder: Intruder, ticks: int, token: str, scope: str) -> int:
    request = {"properties": {"scopeMapId": f"{intruder.registry.resource_id}{scope}", "status": "enabled"}}
    return intruder.does(ticks, wire.WRITE_TOKEN, below=f"/tokens/{token}", request=request, created=True)


def _new_passwords(stage: Stage, intruder: Intruder, ticks: int, token: str) -> int:
    request = {"tokenId": f"{stage.registry.resource_id}/tokens/{token}", "name": "password2"}
    return intruder.does(ticks, wire.GENERATE_CREDENTIALS, request=request, long=stage.random.random() < 0.5)


def _takes(stage: Stage, caller: Caller, ticks: int) -> int:
    """Write a login and up to six pulls, and return when they were over."""
    caller = caller._replace(user_agent=stage.random.choice(_CLIENTS))
    stage.tape.login(ticks, caller)
    for place in stage.places(stage.random.randint(0, 6)):
        ticks += seconds(stage.random.uniform(4, 30))
        stage.tape.pull(ticks, caller, stage.image(place))
    return ticks


_SPAN: Final = timedelta(hours=1)
_USED: Final = fair.CONTROL | fair.OUTSIDE | fair.CLIENT | fair.NEWCOMER | fair.READ
KINDS: Final = (
    Kind(
        "admin-user-enabled", "admin-user-enabled", admin_switched_on, also=_USED | fair.ADMIN, span=_SPAN,
        hours="any",
    ),
    Kind("firewall-loosened", "firewall-loosened", firewall_opened, also=fair.CONTROL, span=_SPAN, hours="any"),
    Kind(
        "public-access-enabled", "public-access-enabled", public_access_opened, place="private", span=_SPAN,
        hours="any", also=_USED | {"public-address-on-private-registry", "role-drift"},
    ),
    Kind(
        "anonymous-pull-enabled", "anonymous-pull-enabled", anonymous_pull_opened, span=_SPAN, hours="any",
        also=_USED | {"anonymous-pull"},
    ),
    Kind(
        "credentials-listed-or-regenerated", "credentials-listed-or-regenerated", credentials_taken, span=_SPAN,
        hours="any", also=fair.CONTROL,
    ),
    Kind(
        "token-or-scope-map-written", "token-or-scope-map-written", token_made, span=_SPAN, hours="any",
        also=_USED | {"role-drift"},
    ),
    Kind(
        "token-made-by-templates", "token-or-scope-map-written", token_made_by_templates, span=_SPAN, hours="any",
        also=_USED | {"role-drift"}, evasive=True,
    ),
)  # fmt: skip
