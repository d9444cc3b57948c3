"""The JSON shape of a record of Azure's Activity Log about a registry, as a subscription's diagnostic setting sends it.

Modelled on the samples in Azure Monitor's documentation of the log's schema: ids and operation names in capitals,
claims by their URIs, one record that an action was started and one that tells how it ended, with one correlation id.
That the request stands as text in `properties.requestbody` of the first is known of other providers and a guess for
registries (docs/control-plane.md). What the answer holds is not known, and none is made up.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from acrwatch.simulate.chance import guid, hex_text
from acrwatch.simulate.registry import Registry
from acrwatch.simulate.wire import Record, time_text

ACTIVITY_CATEGORY: Final = "Administrative"

WRITE: Final = "Microsoft.ContainerRegistry/registries/write"
DELETE_REGISTRY: Final = "Microsoft.ContainerRegistry/registries/delete"
LIST_CREDENTIALS: Final = "Microsoft.ContainerRegistry/registries/listCredentials/action"
REGENERATE_CREDENTIAL: Final = "Microsoft.ContainerRegistry/registries/regenerateCredential/action"
GENERATE_CREDENTIALS: Final = "Microsoft.ContainerRegistry/registries/generateCredentials/action"
IMPORT_IMAGE: Final = "Microsoft.ContainerRegistry/registries/importImage/action"
WRITE_TOKEN: Final = "Microsoft.ContainerRegistry/registries/tokens/write"  # noqa: S105 - an operation, no secret
WRITE_SCOPE_MAP: Final = "Microsoft.ContainerRegistry/registries/scopeMaps/write"
WRITE_PRIVATE_ENDPOINT: Final = "Microsoft.ContainerRegistry/registries/privateEndpointConnections/write"
WRITE_WEBHOOK: Final = "Microsoft.ContainerRegistry/registries/webhooks/write"
DELETE_PRIVATE_ENDPOINT: Final = "Microsoft.ContainerRegistry/registries/privateEndpointConnections/delete"
ASSIGN_ROLE: Final = "Microsoft.Authorization/roleAssignments/write"
DELETE_LOCK: Final = "Microsoft.Authorization/locks/delete"
DELETE_DIAGNOSTIC_SETTING: Final = "Microsoft.Insights/diagnosticSettings/delete"
WRITE_DIAGNOSTIC_SETTING: Final = "Microsoft.Insights/diagnosticSettings/write"
WRITE_TAGS: Final = "Microsoft.Resources/tags/write"

STARTED: Final = "Start"
ACCEPTED: Final = "Accept"
SUCCEEDED: Final = "Success"
FAILED: Final = "Failure"

_SIGNATURES: Final = {
    STARTED: "Started.",
    ACCEPTED: "Accepted.Accepted",
    SUCCEEDED: "Succeeded.OK",
    FAILED: "Failed.Conflict",
}
_CLAIM: Final = "http://schemas.microsoft.com/identity/claims/objectidentifier"
_UPN: Final = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"
# Microsoft's own clients have the same application id in every tenant.
CLI: Final = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
POWERSHELL: Final = "1950a258-227b-4e31-a9cf-717495945fc2"
PORTAL: Final = "c44b4083-3bb0-49c1-b47d-974e53cbdf3c"


def activity_record(
    registry: Registry,
    *,
    ticks: int,
    operation: str,
    below: str,
    result: str,
    identity: str,
    address: str,
    correlation: str,
    request: Mapping[str, Any] | str | None = None,
    signature: str | None = None,
    app: str = CLI,
    above: bool = False,
    noted: Mapping[str, Any] | None = None,
) -> Record:
    """Return one record of an action on a registry or on what lies `below` it (`/tokens/ci`; empty: the registry).

    `identity` is a person's user principal name or a service's object id; a person comes by the client `app`. A
    `request` given as text stands as it is. An action `above` is on the registry's resource group, and `below` that.
    What is `noted` goes into `properties`.
    """
    scope = group_of(registry) if above else registry.resource_id
    resource_id = f"{scope}{below.upper()}"
    asked = {} if request is None else {"requestbody": request if isinstance(request, str) else json.dumps(request)}
    return {
        "time": time_text(ticks),
        "resourceId": resource_id,
        "operationName": operation.upper(),
        "category": ACTIVITY_CATEGORY,
        "resultType": result,
        "resultSignature": signature or _SIGNATURES[result],
        "durationMs": "0",
        "callerIpAddress": address,
        "correlationId": correlation,
        "identity": {
            "authorization": {"scope": resource_id.lower(), "action": operation},
            "claims": _claims(registry, identity, app),
        },
        "level": "Error" if result == FAILED else "Information",
        "location": "global",
        "properties": {
            "eventCategory": ACTIVITY_CATEGORY,
            "entity": resource_id.lower(),
            **asked,
            **(noted or {}),
        },
    }


def group_of(registry: Registry) -> str:
    """Return the id of the resource group that holds a registry."""
    return registry.resource_id.partition("/PROVIDERS/")[0]


def _claims(registry: Registry, identity: str, app: str) -> dict[str, str]:
    if "@" in identity:
        return {_UPN: identity, _CLAIM: guid(hex_text(32, registry.tenant_id, identity)), "appid": app}
    return {_CLAIM: identity, "appid": guid(hex_text(32, registry.tenant_id, identity, "app")), "idtyp": "app"}
