"""The shapes that are known, each told by its members, and the facts that are kept of it.

As the Azure CLI 2.91 prints them (flat) and as ARM answers (below `properties`): Microsoft's reference of `az acr` and
of the resource provider Microsoft.ContainerRegistry. A member that is absent is no fact: older versions leave out what
newer ones have.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ingest.registry_settings.member import Member, WrongShapeError

_REGISTRY_ID: Final = re.compile(r"/registries/([a-z0-9]+)(?:/|$)", re.IGNORECASE)

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of document. `registry` returns the name it gives, None where it gives none; where `many`, the facts of
    all items of one registry are one list under the shape's name."""

    name: str
    command: str
    fits: Callable[[Member], bool]
    registry: Callable[[Member], str | None]
    facts: Callable[[Member], Facts]
    many: bool = False


def registry_of(identifier: str | None) -> str | None:
    """Return the registry that a resource id is of, or lies below; folded."""
    found = _REGISTRY_ID.search(identifier or "")
    return found[1].casefold() if found else None


def _show(document: Member) -> Facts:
    policies, rules = document["policies"], document["networkRuleSet"]
    found = {
        "id": document["id"].text(),
        "login_server": document["loginServer"].word(),
        "location": document["location"].text(),
        "sku": document["sku"]["name"].word(),
        "admin_enabled": document["adminUserEnabled"].truth(),
        "anonymous_pull": document["anonymousPullEnabled"].truth(),
        "public_network_access": document["publicNetworkAccess"].word(),
        "default_action": rules["defaultAction"].word(),
        "ip_rules": _addresses(rules["ipRules"]),
        "network_rule_bypass": document["networkRuleBypassOptions"].word(),
        "data_endpoint_enabled": document["dataEndpointEnabled"].truth(),
        "private_endpoints": _endpoint_states(document["privateEndpointConnections"]),
        "encryption": document["encryption"]["status"].word(),
        "role_assignment_mode": document["roleAssignmentMode"].word(),
        "retention_days": policies["retentionPolicy"]["days"].number(),
        "soft_delete_days": policies["softDeletePolicy"]["retentionDays"].number(),
        "zone_redundancy": document["zoneRedundancy"].word(),
    }
    return _said(found | {fact: policies[name]["status"].word() for fact, name in _POLICIES.items()})


_POLICIES: Final = {
    "quarantine": "quarantinePolicy",
    "content_trust": "trustPolicy",
    "retention": "retentionPolicy",
    "export": "exportPolicy",
    "soft_delete": "softDeletePolicy",
    "arm_audience_tokens": "azureADAuthenticationAsArmPolicy",
}


def _endpoint_states(connections: Member) -> list[str] | None:
    items = connections.items()
    if items is None:
        return None
    return [one["privateLinkServiceConnectionState"]["status"].word() or "unknown" for one in items]


def _addresses(rules: Member) -> list[str] | None:
    """Return what a firewall lets in; the CLI calls it `ipAddressOrRange`, ARM `value`."""
    items = rules.items()
    if items is None:
        return None
    named = [one["ipAddressOrRange"] if one.has("ipAddressOrRange") else one["value"] for one in items]
    return [_range(one) for one in named]


def _range(member: Member) -> str:
    try:
        return str(ipaddress.ip_network(member.text() or "", strict=False))
    except ValueError:
        raise WrongShapeError(f"{member.place}: expected an address or a range such as 203.0.113.0/24") from None


def _network_rules(document: Member) -> Facts:
    subnets = document["virtualNetworkRules"].items() or []
    names = ("virtualNetworkResourceId", "id", "virtualNetworkSubnetResourceId")
    ids = [next((text for name in names if (text := one[name].text())), None) for one in subnets]
    return _said(
        {
            "default_action": document["defaultAction"].word(),
            "ip_rules": _addresses(document["ipRules"]),
            "subnets": [one for one in ids if one],
        }
    )


def _endpoints(document: Member) -> Facts:
    return _said(
        {
            "login_server": document["loginServer"].word(),
            "data_endpoints": _hosts(document["dataEndpoints"]),
            "regional_endpoints": _hosts(document["regionalEndpoints"]),
        }
    )


def _hosts(endpoints: Member) -> list[str] | None:
    items = endpoints.items()
    return None if items is None else [host for one in items if (host := one["endpoint"].word())]


def _server_registry(document: Member) -> str | None:
    """Return the registry of a login server: `name.azurecr.io`, or `name-hash.azurecr.io`; names have no hyphen."""
    host = document["loginServer"].word()
    return None if host is None else host.partition(".")[0].partition("-")[0]


def _token(document: Member) -> Facts:
    passwords = document["credentials"]["passwords"].items() or []
    return _said(
        {
            "name": document["name"].text(),
            "status": document["status"].word(),
            "scope_map": (document["scopeMapId"].text() or "").rpartition("/")[2] or None,
            "expiries": [one["expiry"].text() for one in passwords],
        }
    )


def _credential(document: Member) -> Facts:
    return _said({"admin_username": document["username"].text()})


def _diagnostics(document: Member) -> Facts:
    logs = [one for one in document["logs"].items() or [] if one["enabled"].truth()]
    names = [one["category"].text() or one["categoryGroup"].text() for one in logs]
    return _said(
        {
            "name": document["name"].text(),
            "logs": sorted(name for name in names if name),
            "to_event_hub": document["eventHubAuthorizationRuleId"].text() is not None,
        }
    )


def _defender(document: Member) -> Facts:
    return _said({"defender_tier": document["pricingTier"].word()})


def _said(facts: Facts) -> Facts:
    return {name: value for name, value in facts.items() if value is not None}


def _is_registry(document: Member) -> bool:
    return document.has("id", "sku") and registry_of(document["id"].text()) is not None


def _is_plan(document: Member) -> bool:
    return document.has("pricingTier", "name") and document["name"].word() == "containers"


def _none(_document: Member) -> None:
    return None


def _of_id(document: Member) -> str | None:
    return registry_of(document["id"].text())


def _of_user(document: Member) -> str | None:
    """Return the registry whose admin user this is: they have one name."""
    return document["username"].word()


SHAPES: Final = (
    Shape("credential", "az acr credential show", lambda d: d.has("username", "passwords"), _of_user, _credential),
    Shape("tokens", "az acr token list", lambda d: d.has("scopeMapId"), _of_id, _token, many=True),
    Shape(
        "diagnostics",
        "az monitor diagnostic-settings list",
        lambda d: d.has("logs", "name"),
        _of_id,
        _diagnostics,
        many=True,
    ),
    Shape(
        "endpoints",
        "az acr show-endpoints",
        lambda d: d.has("loginServer", "dataEndpoints"),
        _server_registry,
        _endpoints,
    ),
    Shape("registry", "az acr show", _is_registry, _of_id, _show),
    Shape("network rules", "az acr network-rule list", lambda d: d.has("ipRules"), _none, _network_rules),
    Shape("defender", "az security pricing show --name Containers", _is_plan, _none, _defender),
)
"""In this order: `az acr show` has much that others have too, so it comes after those that have what it lacks."""

COMMANDS: Final[Mapping[str, str]] = {shape.name: shape.command for shape in SHAPES}
