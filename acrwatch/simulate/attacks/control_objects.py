"""Attacks on what belongs to a registry (roles, images, logs, locks, endpoints, webhooks) and on the registry itself.

All through Azure Resource Manager. Written by someone who had not read the rules, from what Microsoft documents.
"""

import json
from datetime import timedelta
from typing import Any, Final

from acrwatch.simulate import activity_wire as wire
from acrwatch.simulate.attacks import fair
from acrwatch.simulate.attacks.intruder import Intruder, Refusal, whole
from acrwatch.simulate.attacks.kind import Kind
from acrwatch.simulate.attacks.stage import HOUR, Stage
from acrwatch.simulate.chance import guid
from acrwatch.simulate.tape import Caller
from acrwatch.simulate.wire import ACCEPTED, CREATED, DELETE, IMPORT

_ROLES: Final = {
    "AcrPush": "8311e382-0749-4cb8-b61a-304f252e45ec",
    "AcrDelete": "c2f4ef07-c644-48eb-af81-4b1b4947fb11",
    "Owner": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    "Contributor": "b24988ac-6180-42a0-ab88-20f7382dd24c",
    "User Access Administrator": "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
    "Container Registry Repository Writer": "2a1e307c-b015-4ebd-883e-5b7698a07328",
}
"""Azure's ids of the built-in roles that are worth having."""
_EVENTS: Final = ("ContainerRegistryLoginEvents", "ContainerRegistryRepositoryEvents")
_SINKS: Final = (
    "https://hooks.example.net/acr",
    "https://relay-7f3a.example.org/api/in?code=x",
    "http://198.19.77.13/p",
)


def role_given(stage: Stage) -> Caller:
    """A new principal, or the intruder's own, is given a role on the registry."""
    intruder = Intruder(stage)
    _assigns(stage, intruder, above=False)
    return intruder.caller


def role_given_above(stage: Stage) -> Caller:
    """The role is given on the registry's resource group, and so on the registry: no record names a registry."""
    intruder = Intruder(stage)
    _assigns(stage, intruder, above=True)
    return intruder.caller


def image_brought_in(stage: Stage) -> Caller:
    """An image is imported over one of the registry's, from Docker Hub, a stranger's registry or an open host.

    Whether an import leaves a record among the repository's events too is not established; here three in five do.
    """
    intruder, random = Intruder(stage), stage.random
    image, evil = stage.image(random.randrange(20)), guid(f"{random.getrandbits(128):032x}")
    other = f"/subscriptions/{evil}/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/mirror7"
    source: dict[str, Any] = random.choice((
        {"registryUri": "docker.io", "sourceImage": f"acme7/{image.repository}:{image.tag}"},
        {"resourceId": other, "sourceImage": f"{image.repository}:{image.tag}"},
        {"registryUri": "mirror7.azurecr.io", "sourceImage": image.repository, "credentials": {"username": "mirror7"}},
        {"registryUri": "mcr.microsoft.com.example.net", "sourceImage": f"{image.repository}:{image.tag}"},
    ))  # fmt: skip
    request = {"source": source, "targetTags": [f"{image.repository}:{image.tag}"], "mode": "Force"}
    ticks = intruder.begins()
    if random.random() < 0.2:
        refused = {**request, "mode": "NoForce"}
        ticks = intruder.is_refused(ticks, wire.IMPORT_IMAGE, Refusal.BUSY, request=refused) + intruder.pause(10, 60)
    ticks = intruder.does(ticks, wire.IMPORT_IMAGE, request=request, long=True)
    if random.random() < 0.6:
        origin = f"{source.get('registryUri') or source['resourceId']}/{source['sourceImage']}"
        stage.tape.act(
            ticks, intruder.caller, IMPORT, image.repository, tag=image.tag, digest=image.index_digest,
            media_type=origin, status=stage.status(CREATED),
        )  # fmt: skip
    return intruder.caller


def log_switched_off(stage: Stage) -> Caller:
    """The registry's diagnostic setting is deleted: half of the registries then log nothing for one to four hours.

    The other half send by a second setting too. A third first make a setting that leads elsewhere.
    """
    intruder, random = Intruder(stage), stage.random
    ticks = intruder.begins()
    if random.random() < 1 / 3:
        workspace = guid(f"{random.getrandbits(128):032x}")
        made = {"properties": {**_logs(on=_EVENTS[:1]), "workspaceId": f"/subscriptions/{workspace}"}}
        below = _setting("acr-audit-v2")
        ticks = intruder.does(ticks, wire.WRITE_DIAGNOSTIC_SETTING, below=below, request=made) + intruder.pause(2, 60)
    ticks = intruder.does(ticks, wire.DELETE_DIAGNOSTIC_SETTING, below=_setting("acr-audit"))
    if random.random() < 0.5:
        stage.hushed_until = ticks + int(random.uniform(1, 4) * HOUR)
    return intruder.caller


def log_narrowed(stage: Stage) -> Caller:
    """The diagnostic setting stays, but its repository events are switched off, or all."""
    return _reset_by(stage, _logs(on=_EVENTS[:1] if stage.random.random() < 0.6 else ()))


def log_led_away(stage: Stage) -> Caller:
    """The diagnostic setting stays and sends all it did, to the intruder's workspace."""
    workspace = guid(f"{stage.random.getrandbits(128):032x}")
    return _reset_by(stage, {**_logs(on=_EVENTS), "workspaceId": f"/subscriptions/{workspace}"})


def registry_removed(stage: Stage) -> Caller:
    """The registry is deleted; two in five are locked, which shows at the first try, and are unlocked for it.

    Half of them come back only after one to four hours without a record.
    """
    intruder, random = Intruder(stage), stage.random
    ticks = intruder.begins()
    if random.random() < 0.4:
        ticks = intruder.is_refused(ticks, wire.DELETE_REGISTRY, Refusal.LOCKED) + intruder.pause(10, 120)
        ticks = intruder.does(ticks, wire.DELETE_LOCK, below=_lock(stage)) + intruder.pause(5, 90)
    ticks = intruder.does(ticks, wire.DELETE_REGISTRY, long=random.random() < 0.7)
    if random.random() < 0.5:
        stage.hushed_until = ticks + int(random.uniform(1, 4) * HOUR)
    return intruder.caller


def lock_removed(stage: Stage) -> Caller:
    """The lock that keeps the registry from deletion is removed; half go on to delete some manifests."""
    intruder, random = Intruder(stage), stage.random
    ticks = intruder.does(intruder.begins(), wire.DELETE_LOCK, below=_lock(stage))
    if random.random() < 0.5:
        for place in stage.places(random.randint(3, 15)):
            ticks, image = ticks + intruder.pause(4, 30), stage.image(place)
            status, digest = stage.status(ACCEPTED), image.index_digest
            stage.tape.act(ticks, intruder.caller, DELETE, image.repository, digest=digest, status=status)
    return intruder.caller


def lock_removed_above(stage: Stage) -> Caller:
    """The lock is on the registry's resource group and is removed there: no record names a registry."""
    intruder = Intruder(stage)
    intruder.does(intruder.begins(), wire.DELETE_LOCK, below=_lock(stage), above=True)
    return intruder.caller


def private_endpoint_removed(stage: Stage) -> Caller:
    """A private registry's endpoint connections are deleted or, one time in three, rejected, which cuts it off too."""
    intruder, random = Intruder(stage), stage.random
    ticks, rejects = intruder.begins(), random.random() < 1 / 3
    for _ in range(random.choice((1, 1, 2))):
        below = f"/privateEndpointConnections/pe-{stage.registry.name}.{random.getrandbits(128):032x}"
        if rejects:
            state = {"status": "Rejected", "description": "decommissioned"}
            request = {"properties": {"privateLinkServiceConnectionState": state}}
            ticks = intruder.does(ticks, wire.WRITE_PRIVATE_ENDPOINT, below=below, request=request, long=True)
        else:
            ticks = intruder.does(ticks, wire.DELETE_PRIVATE_ENDPOINT, below=below, long=True)
        ticks += intruder.pause(3, 60)
    return intruder.caller


def webhook_planted(stage: Stage) -> Caller:
    """A webhook tells the intruder of each push: a new one, or one that exists, led to them by its address alone."""
    intruder, random = Intruder(stage), stage.random
    ticks, sink = intruder.begins(), random.choice(_SINKS)
    if random.random() < 0.6:
        properties: dict[str, Any] = {
            "serviceUri": sink, "actions": random.choice((["push"], ["push", "delete"])), "status": "enabled",
            "scope": random.choice(("", "payments/*")), "customHeaders": {"X-Auth": "redacted"},
        }  # fmt: skip
        request = {"location": stage.registry.location, "properties": properties}
        name = f"notify{random.randrange(100)}"
        intruder.does(ticks, wire.WRITE_WEBHOOK, below=f"/webhooks/{name}", request=request, created=True)
    else:
        request = {"properties": {"serviceUri": sink}}
        intruder.does(ticks, wire.WRITE_WEBHOOK, below="/webhooks/deploy", request=request)
    return intruder.caller


def written_unseen(stage: Stage) -> Caller:
    """The registry is opened by a write whose request the log does not tell: no body, a cut one, or the answer alone.

    Whether the log holds requests to registries at all is not established; where it does not, every write looks so.
    """
    intruder, random = Intruder(stage), stage.random
    request = json.dumps(whole(stage.registry, {"adminUserEnabled": True, "anonymousPullEnabled": True}))
    draw = random.random()
    if draw < 0.5:
        intruder.does(stage.ticks, wire.WRITE, long=random.random() < 0.4)
    elif draw < 0.75:
        intruder.does(stage.ticks, wire.WRITE, request=request[: random.randrange(40, 200)])
    else:
        intruder.does(stage.ticks, wire.WRITE, answer=json.loads(request))
    return intruder.caller


def _assigns(stage: Stage, intruder: Intruder, *, above: bool) -> None:
    random = stage.random
    principal = guid(f"{random.getrandbits(128):032x}")
    role = random.choice(list(_ROLES.values())) if random.random() < 0.85 else guid(f"{random.getrandbits(128):032x}")
    scope = wire.group_of(intruder.registry) if above else intruder.registry.resource_id
    definition = (
        f"{scope.partition('/RESOURCEGROUPS/')[0].lower()}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    )
    below = f"/providers/Microsoft.Authorization/roleAssignments/{guid(f'{random.getrandbits(128):032x}')}"
    kind = random.choice(("ServicePrincipal", "User", "Group"))
    if random.random() < 0.5:  # as the portal sends it, and as the documented record of the log has it
        told = {"PrincipalId": principal, "PrincipalType": kind, "RoleDefinitionId": definition, "Scope": scope.lower()}
        request: dict[str, Any] = {"Id": below.rpartition("/")[2], "Properties": told}
    else:
        properties = {"roleDefinitionId": definition, "principalId": principal, "principalType": kind}
        request = {"properties": properties}
    ticks = intruder.begins()
    if random.random() < 0.2 and not above:
        refused = intruder.is_refused(ticks, wire.ASSIGN_ROLE, Refusal.FORBIDDEN, below=below, request=request)
        ticks = refused + intruder.pause(30, 400)
    intruder.does(ticks, wire.ASSIGN_ROLE, below=below, request=request, created=True, above=above)


def _reset_by(stage: Stage, properties: dict[str, Any]) -> Caller:
    """Write the registry's diagnostic setting anew and return by whom."""
    intruder, request = Intruder(stage), {"properties": properties}
    intruder.does(intruder.begins(), wire.WRITE_DIAGNOSTIC_SETTING, below=_setting("acr-audit"), request=request)
    return intruder.caller


def _setting(name: str) -> str:
    return f"/providers/Microsoft.Insights/diagnosticSettings/{name}"


def _logs(*, on: tuple[str, ...]) -> dict[str, Any]:
    return {"logs": [{"category": one, "enabled": one in on} for one in _EVENTS], "metrics": []}


def _lock(stage: Stage) -> str:
    return f"/providers/Microsoft.Authorization/locks/{stage.random.choice(('do-not-delete', 'prod-lock'))}"


_LONG: Final = timedelta(hours=5)
KINDS: Final = (
    Kind("role-assigned-on-registry", "role-assigned-on-registry", role_given, also=fair.CONTROL, hours="any"),
    Kind(
        "role-assigned-above", "role-assigned-on-registry", role_given_above, also=fair.CONTROL, hours="any",
        evasive=True,
    ),
    Kind(
        "image-imported", "image-imported", image_brought_in, hours="any",
        also=fair.CONTROL | fair.PUSH | fair.OUTSIDE | fair.NEWCOMER | fair.CLIENT | {"import-from-unapproved-source"},
    ),
    Kind(
        "diagnostic-setting-removed", "diagnostic-setting-removed", log_switched_off, hours="any", span=_LONG,
        also=fair.CONTROL | {"registry-silent"},
    ),
    Kind(
        "diagnostic-setting-narrowed", "diagnostic-setting-removed", log_narrowed, also=fair.CONTROL, hours="any",
    ),
    Kind(
        "diagnostic-setting-led-away", "diagnostic-setting-removed", log_led_away, also=fair.CONTROL, hours="any",
        evasive=True,
    ),
    Kind(
        "registry-deleted", "registry-deleted", registry_removed, hours="any", span=_LONG,
        also=fair.CONTROL | {"registry-silent"},
    ),
    Kind(
        "registry-lock-removed", "registry-lock-removed", lock_removed, hours="any",
        also=fair.CONTROL | fair.DELETE | fair.OUTSIDE | fair.NEWCOMER | fair.CLIENT,
    ),
    Kind(
        "registry-lock-removed-above", "registry-lock-removed", lock_removed_above, also=fair.CONTROL, hours="any",
        evasive=True,
    ),
    Kind(
        "private-endpoint-removed", "private-endpoint-removed", private_endpoint_removed, place="private",
        also=fair.CONTROL, hours="any",
    ),
    Kind("webhook-written", "webhook-written", webhook_planted, also=fair.CONTROL, hours="any"),
    Kind("registry-written-unseen", "registry-written-unseen", written_unseen, also=fair.CONTROL, hours="any"),
)  # fmt: skip
