"""What Azure prints of registries, as test documents."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.state.database import Database
from tests.sqlite import database_in

Write = Callable[[str, Any], Path]
Document = dict[str, Any]
_IDS = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.ContainerRegistry"


def registry_id(name: str) -> str:
    return f"{_IDS}/registries/{name}"


def flat_registry(name: str = "contoso", **changes: Any) -> Document:
    """What `az acr show` prints of a registry that follows good practice."""
    off, on = {"status": "disabled"}, {"status": "enabled"}
    document: Document = {
        "id": registry_id(name),
        "name": name,
        "location": "westeurope",
        "sku": {"name": "Premium", "tier": "Premium"},
        "loginServer": f"{name}.azurecr.io",
        "adminUserEnabled": False,
        "anonymousPullEnabled": False,
        "publicNetworkAccess": "Disabled",
        "networkRuleSet": {
            "defaultAction": "Deny",
            "ipRules": [{"action": "Allow", "ipAddressOrRange": "203.0.113.0/24"}],
        },
        "networkRuleBypassOptions": "None",
        "dataEndpointEnabled": True,
        "privateEndpointConnections": [{"privateLinkServiceConnectionState": {"status": "Approved"}}],
        "encryption": on,
        "roleAssignmentMode": "AbacRepositoryPermissions",
        "zoneRedundancy": "Enabled",
        "policies": {
            "quarantinePolicy": on,
            "trustPolicy": {"type": "Notary", **off},
            "retentionPolicy": {"days": 30, **on},
            "exportPolicy": off,
            "softDeletePolicy": {"retentionDays": 7, **on},
            "azureADAuthenticationAsArmPolicy": off,
        },
    }
    return {**document, **changes}


def arm_registry(name: str = "contoso", **changes: Any) -> Document:
    """The same registry as ARM answers: most of it below `properties`, firewall rules by another name."""
    flat = flat_registry(name, **changes)
    outside = {key: flat.pop(key) for key in ("id", "name", "location", "sku")}
    flat["networkRuleSet"]["ipRules"] = [{"action": "Allow", "value": "203.0.113.0/24"}]
    flat["privateEndpointConnections"] = [{"properties": one} for one in flat["privateEndpointConnections"]]
    flat["policies"]["azureAdAuthenticationAsArmPolicy"] = flat["policies"].pop("azureADAuthenticationAsArmPolicy")
    return {**outside, "properties": flat}


@pytest.fixture
def flat() -> Callable[..., Document]:
    return flat_registry


@pytest.fixture
def arm() -> Callable[..., Document]:
    return arm_registry


@pytest.fixture
def id_of() -> Callable[[str], str]:
    return registry_id


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a writer of documents: JSON of a value, or a text as it is."""

    def written(name: str, document: Any) -> Path:
        path = tmp_path / name
        path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
        return path

    return written


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Database]:
    database = database_in(tmp_path / "state.db")
    yield database
    database.close()
