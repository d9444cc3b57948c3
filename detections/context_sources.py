"""Where a context comes from: labels that acrwatch ships, settings imported from Azure, the configuration, watch lists.

The configuration is stronger than what was imported, and that than what is shipped: of a list that several name, the
strongest holds. Watch lists add to the lists `watched_…` of every registry, whoever else fills them.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from acrwatch.core.registry import EVERY, RegistryContext
from detections.context import Context
from detections.shipped_context import shipped
from storage.state import registry_facts, watch_entries
from storage.state.watch_entries import Entry

SHIPPED: Final = "shipped"
IMPORTED: Final = "imported"
CONFIGURED: Final = "configured"
WATCHED: Final = "watch list"

_DISABLED: Final = "disabled"


@dataclass(frozen=True, slots=True)
class Layers:
    """What each origin says of each registry. `watched` adds to what the others say."""

    configured: Mapping[str, RegistryContext]
    imported: Mapping[str, RegistryContext]
    watched: RegistryContext

    def context(self) -> Context:
        """Return what rules judge by."""
        names = {EVERY, *self.configured, *self.imported}
        found = {name: self._one(name) for name in names}
        return Context({**found, EVERY: _added(found[EVERY], self.watched)})

    def origins(self, registry: str, name: str) -> tuple[str, ...]:
        """Return who says what a registry's own list or flag of this name is; `*` for what holds for all."""
        said = [origin for origin, one in self._by_strength(registry) if _names(one, name)]
        watched = [WATCHED] if registry == EVERY and _names(self.watched, name) else []
        return (*said[:1], *watched)

    def denied(self, registry: str) -> tuple[str, ...]:
        """Return the flags, each after `!`, that the configuration takes away whatever was imported."""
        said = self.configured.get(registry, RegistryContext()).flags
        return tuple(sorted(flag for flag in said if flag.startswith("!")))

    def _one(self, registry: str) -> RegistryContext:
        found = RegistryContext()
        for _, layer in reversed(self._by_strength(registry)):
            found = layer.over(found)
        return found

    def _by_strength(self, registry: str) -> Sequence[tuple[str, RegistryContext]]:
        none = RegistryContext()
        found = [(CONFIGURED, self.configured.get(registry, none)), (IMPORTED, self.imported.get(registry, none))]
        return [*found, (SHIPPED, shipped())] if registry == EVERY else found


@dataclass(frozen=True, slots=True)
class ContextSources:
    """What was configured, and with it, from the state database, what was imported and is watched."""

    configured: Mapping[str, RegistryContext]

    def current(self, connection: Connection, *, now: datetime) -> Context:
        """Return what rules judge by at a moment."""
        return self.layers(connection, now=now).context()

    def without_state(self) -> Context:
        """Return what rules judge by where there is no state database."""
        return Layers(self.configured, {}, RegistryContext()).context()

    def layers(self, connection: Connection, *, now: datetime) -> Layers:
        """Return what each origin says at a moment."""
        versions = registry_facts.newest(connection)
        names = {one.registry for one in versions}
        facts = {name: registry_facts.merged([one for one in versions if one.registry == name]) for name in names}
        imported = {name: derived(found) for name, found in facts.items()}
        return Layers(self.configured, imported, _watched(watch_entries.in_force(connection, now=now)))


def derived(facts: Mapping[str, Any]) -> RegistryContext:
    """Return the lists and flags that imported settings stand for; what they do not say is no flag.

    `private_only` needs an approved private endpoint beside a closed public one. `firewall_ranges` are what a firewall
    that denies by default lets in: no allowed ranges, for clients of a private endpoint have other addresses.
    """
    closed = facts.get("public_network_access") == _DISABLED
    flags = {
        "admin_disabled": facts.get("admin_enabled") is False,
        "anonymous_pull_off": facts.get("anonymous_pull") is False,
        "public_access_off": closed,
        "private_only": closed and "approved" in facts.get("private_endpoints", ()),
    }
    firewall = [ipaddress.ip_network(one) for one in facts.get("ip_rules", ())]
    tokens = [one["name"] for one in facts.get("tokens", ()) if one.get("name")]
    lists = {"admin_usernames": _only(facts.get("admin_username")), "token_names": tuple(tokens)}
    return RegistryContext(
        {"firewall_ranges": tuple(firewall)} if firewall and facts.get("default_action") == "deny" else {},
        {name: values for name, values in lists.items() if values},
        tuple(name for name, holds in flags.items() if holds),
    )


def _watched(entries: Sequence[Entry]) -> RegistryContext:
    by_type = {kind: [one.value for one in entries if one.type == kind] for kind in {one.type for one in entries}}
    ips = tuple(map(ipaddress.ip_network, by_type.get(watch_entries.IP, ())))
    lists = {
        "watched_digests": tuple(by_type.get(watch_entries.DIGEST, ())),
        "watched_identities": tuple(by_type.get(watch_entries.IDENTITY, ())),
    }
    return RegistryContext({"watched_ips": ips} if ips else {}, {name: found for name, found in lists.items() if found})


def _added(one: RegistryContext, more: RegistryContext) -> RegistryContext:
    ranges = {name: (*one.ranges.get(name, ()), *found) for name, found in more.ranges.items()}
    lists = {name: (*one.lists.get(name, ()), *found) for name, found in more.lists.items()}
    return RegistryContext({**one.ranges, **ranges}, {**one.lists, **lists}, one.flags)


def _names(one: RegistryContext, name: str) -> bool:
    return name in one.ranges or name in one.lists or name in one.flags


def _only(value: str | None) -> tuple[str, ...]:
    return () if value is None else (value,)
