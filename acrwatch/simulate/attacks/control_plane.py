"""Attacks that begin with the registry's settings: a way in is made on the control plane and, mostly, used at once."""

from datetime import timedelta
from typing import Any, Final

import msgspec

from acrwatch.simulate import activity_wire as wire
from acrwatch.simulate.attacks import fair
from acrwatch.simulate.attacks.deletion import remove
from acrwatch.simulate.attacks.kind import Kind
from acrwatch.simulate.attacks.stage import HOUR, MINUTE, Stage
from acrwatch.simulate.chance import guid
from acrwatch.simulate.images import REPOSITORIES, made_image
from acrwatch.simulate.tape import Caller, seconds
from acrwatch.simulate.wire import IMPORT

_CLIENTS: Final = ("docker/26.1.4", "skopeo/1.16.1", "Go-http-client/1.1", "python-requests/2.32.3")
_WAITS: Final = (20.0, 900.0)
"""From a door that is opened to its first use, in seconds: by a script, or by somebody who reads the output first."""
# Definitions of built-in roles (https://learn.microsoft.com/azure/role-based-access-control/built-in-roles).
_ROLES: Final = (
    "7f951dda-4ed3-4680-a7ca-43fe172d538d",  # AcrPull
    "8311e382-0749-4cb8-b61a-304f252e45ec",  # AcrPush
    "b24988ac-6180-42a0-ab88-20f7382dd24c",  # Contributor
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",  # Owner
)
_SOURCES: Final = ("docker.io", "ghcr.io", "quay.io", "registry.example.net")
_COLLECTORS: Final = ("https://collect.example.net/in", "https://198.19.4.4/hook", "https://cdn.example.org/a")


def _operator(stage: Stage) -> Caller:
    """Return whose rights on the registry are in the wrong hands: a person or a service, at home or not.

    Nobody pulls from a private registry in an office, so there it is a service.
    """
    by_hand = stage.random.random() < 0.7 and not stage.registry.private
    known = stage.person() if by_hand else stage.service()
    return stage.away(known) if stage.random.random() < 0.5 else known


def _after(stage: Stage, ticks: int) -> int:
    return ticks + seconds(stage.random.uniform(*_WAITS))


def _use(stage: Stage, caller: Caller, ticks: int, *, most: int = 6) -> None:
    """Sign in and pull one to `most` repositories' images."""
    stage.tape.login(ticks, caller)
    for turn, place in enumerate(stage.places(stage.random.randint(1, most))):
        stage.tape.pull(ticks + seconds(3 + 14 * turn), caller, stage.image(place))


def _stranger(stage: Stage, name: str) -> Caller:
    return stage.outside(Caller(stage.registry, name, "", stage.random.choice(_CLIENTS)))


def _update(stage: Stage, caller: Caller, ticks: int, **properties: Any) -> None:
    stage.tape.control(ticks, caller, wire.WRITE, request={"properties": properties})


def admin_switched_on(stage: Stage) -> Caller:
    """The admin account is switched on, its passwords are read, and it pulls from outside minutes later."""
    caller = _operator(stage)
    _update(stage, caller, stage.ticks, adminUserEnabled=True)
    listed = stage.ticks + seconds(stage.random.uniform(5, 120))
    stage.tape.control(listed, caller, wire.LIST_CREDENTIALS)
    _use(stage, _stranger(stage, stage.registry.name), _after(stage, listed))
    return caller


def firewall_opened(stage: Stage) -> Caller:
    """The firewall answers anybody, or one address more, and a token at hand takes images from there."""
    caller, thief = _operator(stage), stage.outside(stage.token())
    if stage.random.random() < 0.5:
        rules: dict[str, Any] = {"defaultAction": "Allow"}
    else:
        rules = {"defaultAction": "Deny", "ipRules": [{"action": "Allow", "value": thief.address}]}
    _update(stage, caller, stage.ticks, networkRuleSet=rules)
    _use(stage, thief, _after(stage, stage.ticks))
    return caller


def public_access_opened(stage: Stage) -> Caller:
    """The public endpoint of a registry that is reached privately alone is opened, and a service pulls through it."""
    caller, thief = _operator(stage), stage.outside(stage.service())
    opened: dict[str, Any] = {"publicNetworkAccess": "Enabled"}
    if stage.random.random() < 0.5:
        opened["networkRuleSet"] = {"defaultAction": "Allow"}
    _update(stage, caller, stage.ticks, **opened)
    _use(stage, thief, _after(stage, stage.ticks))
    return caller


def anonymous_pull_opened(stage: Stage) -> Caller:
    """Anybody is let pull, and nobody in particular does: one to six images without signing in."""
    caller, anybody = _operator(stage), _stranger(stage, "")
    _update(stage, caller, stage.ticks, anonymousPullEnabled=True)
    ticks = _after(stage, stage.ticks)
    for turn, place in enumerate(stage.places(stage.random.randint(1, 6))):
        stage.tape.pull(ticks + seconds(9 * turn), anybody, stage.image(place))
    return caller


def credentials_taken(stage: Stage) -> Caller:
    """Passwords are listed, renewed or made for a token that exists, and used: the admin account's or the token's."""
    caller = _operator(stage)
    operation = stage.random.choice((wire.LIST_CREDENTIALS, wire.REGENERATE_CREDENTIAL, wire.GENERATE_CREDENTIALS))
    stage.tape.control(stage.ticks, caller, operation)
    if operation == wire.GENERATE_CREDENTIALS:
        thief = stage.outside(stage.token())
    else:
        thief = _stranger(stage, stage.registry.name)
    if stage.random.random() < 0.8:  # the others keep the password for later
        _use(stage, thief, _after(stage, stage.ticks))
    return caller


def token_made(stage: Stage) -> Caller:
    """A scope map over everything, a token on it and its password are made, and the token pulls from outside."""
    caller, token = _operator(stage), stage.newcomer()
    scope = f"/scopeMaps/{token.identity}"
    actions = [f"repositories/{name}/content/read" for name in REPOSITORIES]
    if stage.random.random() < 0.3:
        actions += [f"repositories/{name}/content/write" for name in REPOSITORIES]
    stage.tape.control(
        stage.ticks, caller, wire.WRITE_SCOPE_MAP, below=scope, request={"properties": {"actions": actions}}
    )
    request = {"properties": {"scopeMapId": f"{stage.registry.resource_id}{scope}", "status": "enabled"}}
    stage.tape.control(
        stage.ticks + seconds(20), caller, wire.WRITE_TOKEN, below=f"/tokens/{token.identity}", request=request
    )
    stage.tape.control(stage.ticks + seconds(40), caller, wire.GENERATE_CREDENTIALS)
    _use(stage, stage.outside(token), _after(stage, stage.ticks + seconds(40)))
    return caller


def _assigned(stage: Stage, caller: Caller, grantee: str) -> None:
    role = stage.random.choice(_ROLES)
    name = guid(f"{stage.random.getrandbits(128):032x}")
    request = {
        "Id": name,
        "Properties": {
            "PrincipalId": grantee,
            "RoleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{role}",
            "Scope": caller.registry.resource_id,
        },
    }
    below = f"/providers/Microsoft.Authorization/roleAssignments/{name}"
    stage.tape.control(stage.ticks, caller, wire.ASSIGN_ROLE, below=below, request=request)


def role_given(stage: Stage) -> Caller:
    """A new service principal is given a role on the registry; half of them are used within the quarter of an hour."""
    caller = _operator(stage)
    grantee = stage.newcomer()._replace(identity=guid(f"{stage.random.getrandbits(128):032x}"))
    _assigned(stage, caller, grantee.identity)
    if stage.random.random() < 0.5:
        _use(stage, stage.away(grantee), _after(stage, stage.ticks))
    return caller


def role_given_above(stage: Stage) -> Caller:
    """The role is given on the resource group: it holds for the registry, and no record about the registry says so."""
    caller = _operator(stage)
    group = stage.registry.resource_id.partition("/PROVIDERS/")[0]
    above = caller._replace(registry=msgspec.structs.replace(stage.registry, resource_id=group))
    _assigned(stage, above, guid(f"{stage.random.getrandbits(128):032x}"))
    return caller


def image_brought_in(stage: Stage) -> Caller:
    """An image of a stranger's is imported over a base image, and both logs have it."""
    caller, source = _operator(stage), stage.random.choice(_SOURCES)
    base = stage.random.choice(("base/python", "base/node", "base/dotnet"))
    image = made_image(base, f"3.{stage.number}", stage.people.seed, "import", stage.number)
    request = {
        "source": {"registryUri": source, "sourceImage": f"library/{base.partition('/')[2]}:latest"},
        "targetTags": [f"{base}:{image.tag}"],
        "mode": "Force",
    }
    stage.tape.control(stage.ticks, caller, wire.IMPORT_IMAGE, request=request)
    stage.tape.act(
        stage.ticks + seconds(15), caller, IMPORT, base, tag=image.tag, digest=image.index_digest,
        media_type=f"{source}/library/{base.partition('/')[2]}",
    )  # fmt: skip
    return caller


def log_switched_off(stage: Stage) -> Caller:
    """The diagnostic setting is removed: for one to six hours nobody's pulls are logged, then somebody puts it back."""
    caller = _operator(stage)
    below = "/providers/Microsoft.Insights/diagnosticSettings/acr-audit"
    stage.tape.control(stage.ticks, caller, wire.DELETE_DIAGNOSTIC_SETTING, below=below)
    stage.hushed_until = stage.ticks + int(stage.random.uniform(1, 6) * HOUR)
    return caller


def log_narrowed(stage: Stage) -> Caller:
    """The diagnostic setting is written anew to send logins alone: pulls are not logged, nothing is removed."""
    caller = _operator(stage)
    below = "/providers/Microsoft.Insights/diagnosticSettings/acr-audit"
    logs = [
        {"category": "ContainerRegistryLoginEvents", "enabled": True},
        {"category": "ContainerRegistryRepositoryEvents", "enabled": False},
    ]
    request = {"properties": {"logs": logs}}
    stage.tape.control(stage.ticks, caller, wire.WRITE_DIAGNOSTIC_SETTING, below=below, request=request)
    return caller


def registry_removed(stage: Stage) -> Caller:
    """The registry is deleted, some of them after an attempt that a lock refused; it is back in one to three hours."""
    caller = _operator(stage)
    ticks = stage.ticks
    if stage.random.random() < 0.5:
        stage.tape.control(ticks, caller, wire.DELETE_REGISTRY, result=wire.FAILED)
        ticks += int(stage.random.uniform(1, 8) * MINUTE)
    stage.tape.control(ticks, caller, wire.DELETE_REGISTRY)
    stage.hushed_until = ticks + int(stage.random.uniform(1, 3) * HOUR)
    return caller


def lock_removed(stage: Stage) -> Caller:
    """The lock against deletion goes, and within minutes 25 to 60 manifests do."""
    caller = _operator(stage)
    below = "/providers/Microsoft.Authorization/locks/keep"
    stage.tape.control(stage.ticks, caller, wire.DELETE_LOCK, below=below)
    start = stage.random.uniform(30, 300)
    moments = stage.moments(stage.random.randint(25, 60), stage.random.uniform(60, 400), start=start)
    for target, ticks in enumerate(moments):
        remove(stage, caller, ticks, target)
    return caller


def private_endpoint_removed(stage: Stage) -> Caller:
    """A private endpoint's connection is removed: who is behind it loses the registry, or is to take another way."""
    caller = _operator(stage)
    below = f"/privateEndpointConnections/aks.{stage.random.randrange(10**6):06d}"
    stage.tape.control(stage.ticks, caller, wire.DELETE_PRIVATE_ENDPOINT, below=below)
    if stage.random.random() < 0.5:
        _update(stage, caller, stage.ticks + seconds(60), publicNetworkAccess="Enabled")
    return caller


def webhook_planted(stage: Stage) -> Caller:
    """A webhook that tells each push to a host of the intruder's is made."""
    caller = _operator(stage)
    request = {
        "location": stage.registry.location,
        "properties": {"serviceUri": stage.random.choice(_COLLECTORS), "actions": ["push"], "status": "enabled"},
    }
    stage.tape.control(
        stage.ticks, caller, wire.WRITE_WEBHOOK, below=f"/webhooks/sync{stage.random.randrange(100)}", request=request
    )
    return caller


def written_unseen(stage: Stage) -> Caller:
    """The registry's settings are written, the log does not hold what was asked; a token then pulls from outside."""
    caller = _operator(stage)
    stage.tape.control(stage.ticks, caller, wire.WRITE)
    if stage.random.random() < 0.7:
        _use(stage, stage.outside(stage.token()), _after(stage, stage.ticks))
    return caller


_SPAN: Final = timedelta(minutes=30)
_READS: Final = fair.CONTROL | fair.OUTSIDE | fair.READ
KINDS: Final = (
    Kind(
        "admin-user-enabled", "admin-user-enabled", admin_switched_on, place="admin-disabled", span=_SPAN, hours="any",
        also=_READS | fair.ADMIN | fair.CLIENT | fair.NEWCOMER,
    ),
    Kind("firewall-loosened", "firewall-loosened", firewall_opened, also=_READS, span=_SPAN, hours="any"),
    Kind(
        "public-access-enabled", "public-access-enabled", public_access_opened, place="private", span=_SPAN,
        hours="any", also=_READS | {"public-address-on-private-registry"},
    ),
    Kind(
        "anonymous-pull-enabled", "anonymous-pull-enabled", anonymous_pull_opened, span=_SPAN, hours="any",
        also=_READS | fair.CLIENT | {"anonymous-pull"},
    ),
    Kind(
        "credentials-listed-or-regenerated", "credentials-listed-or-regenerated", credentials_taken, span=_SPAN,
        hours="any", also=_READS | fair.ADMIN | fair.CLIENT | fair.NEWCOMER,
    ),
    Kind(
        "token-or-scope-map-written", "token-or-scope-map-written", token_made, span=_SPAN, hours="any",
        also=_READS | fair.NEWCOMER,
    ),
    Kind(
        "role-assigned-on-registry", "role-assigned-on-registry", role_given, span=_SPAN, hours="any",
        also=fair.CONTROL | fair.NEWCOMER | fair.READ,
    ),
    Kind(
        "role-assigned-above", "role-assigned-on-registry", role_given_above, also=fair.CONTROL, hours="any",
        evasive=True,
    ),
    Kind(
        "image-imported", "image-imported", image_brought_in, hours="any",
        also=fair.CONTROL | fair.PUSH | fair.NETWORK | {"import-from-unapproved-source"},
    ),
    Kind(
        "diagnostic-setting-removed", "diagnostic-setting-removed", log_switched_off, hours="any",
        also=fair.CONTROL | {"registry-silent"},
    ),
    Kind(
        "diagnostic-setting-narrowed", "diagnostic-setting-removed", log_narrowed, also=fair.CONTROL, hours="any",
        evasive=True,
    ),
    Kind(
        "registry-deleted", "registry-deleted", registry_removed, hours="any",
        also=fair.CONTROL | {"registry-silent"},
    ),
    Kind(
        "registry-lock-removed", "registry-lock-removed", lock_removed, also=fair.CONTROL | fair.DELETE | fair.NETWORK
    ),
    Kind(
        "private-endpoint-removed", "private-endpoint-removed", private_endpoint_removed, place="private",
        also=fair.CONTROL, hours="any",
    ),
    Kind("webhook-written", "webhook-written", webhook_planted, also=fair.CONTROL, hours="any"),
    Kind("registry-written-unseen", "registry-written-unseen", written_unseen, also=_READS, span=_SPAN, hours="any"),
)  # fmt: skip
