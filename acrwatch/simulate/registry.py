"""The registries that speak: their Azure resource ids, regions and host names, made from a name and the seed."""

from typing import Final

import msgspec

from acrwatch.simulate.chance import guid, hex_text

_REGIONS: Final = (("westeurope", "weu-3"), ("northeurope", "neu-1"), ("germanywestcentral", "gwc-2"))
_GROUPS: Final = ("PLATFORM", "PRODUCTS", "EDGE")


class Registry(msgspec.Struct, frozen=True):
    """One registry, with the members that are the same in all its records. `index` is its place in the scenario.

    A `private` one is reached by private link alone; a `public` one lets anybody pull. Only everyday traffic has them.
    """

    name: str
    index: int
    resource_id: str
    login_server: str
    location: str
    stamp: str
    tenant_id: str
    private: bool = False
    public: bool = False


def make_registry(seed: int, name: str, index: int) -> Registry:
    """Make a registry. Azure upper-cases the resource id on the wire, name included.

    Every second registry has a domain name label, so that its host is `<name>-<hash>.azurecr.io` and cannot be
    mistaken for its name.
    """
    subscription = guid(hex_text(32, seed, "subscription", index // 2))
    location, stamp = _REGIONS[index % len(_REGIONS)]
    label = f"-{hex_text(12, seed, 'label', name)}" if index % 2 else ""
    path = (
        f"/subscriptions/{subscription}/resourceGroups/{_GROUPS[index % len(_GROUPS)]}"
        f"/providers/Microsoft.ContainerRegistry/registries/{name}"
    )
    return Registry(
        name=name,
        index=index,
        resource_id=path.upper(),
        login_server=f"{name.lower()}{label}.azurecr.io",
        location=location,
        stamp=stamp,
        tenant_id=guid(hex_text(32, seed, "tenant")),
    )


def in_tenant(registry: Registry, tenant_id: str) -> Registry:
    """Return the registry as its records look when the caller is of another Entra tenant."""
    return msgspec.structs.replace(registry, tenant_id=tenant_id)
