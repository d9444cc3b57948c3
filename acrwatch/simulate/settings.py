"""What a well-run registry's owners would tell acrwatch of a simulated one: ranges, lists and flags per registry.

Written from who does what in the simulation, as an owner knows it; nothing of an attack is in it but what watch lists
and lists of known-bad digests exist to hold.
"""

from typing import Final

from acrwatch.simulate import addresses
from acrwatch.simulate.attacks.staging import staged
from acrwatch.simulate.everyday.colleagues import ENGINEERS, HOUSEKEEPER
from acrwatch.simulate.everyday.control_plane import deployer_of
from acrwatch.simulate.everyday.estate import Estate
from acrwatch.simulate.images import REPOSITORIES
from acrwatch.simulate.population import Population
from acrwatch.simulate.registry import Registry
from acrwatch.simulate.scenario import Scenario, actors_of

APPROVED_SOURCES: Final = ("mcr.microsoft.com/*",)
PROTECTED_TAGS: Final = ("release-*",)
SHORT_LIVED: Final = ("preview/*",)
WORKING_HOURS: Final = tuple(f"{day} {hour:02}" for day in ("mon", "tue", "wed", "thu", "fri") for hour in range(6, 19))
"""Hours of the week in UTC in which people here work."""


def registry_settings(scenario: Scenario) -> dict[str, dict[str, list[str]]]:
    """Return what would stand below `[registries.NAME]`, per registry, in the scenario's order."""
    people = actors_of(scenario)
    victims = [one.caller for attack in staged(scenario) for one in attack.residents if one.pushes]
    found = {}
    for registry in people.registries:
        writers = {caller.identity for caller in victims if caller.registry.name == registry.name}
        own = {**_ranges(registry), **_identities(people, registry, writers), **_lists(people, registry)}
        found[registry.name] = {**own, "flags": _flags(registry)}
    return found


def _ranges(registry: Registry) -> dict[str, list[str]]:
    allowed = addresses.allowed_ranges(registry.index)
    found = {
        "push_ranges": allowed,
        "deployment_ranges": [addresses.CI_EGRESS[1]],
        "watched_ips": list(addresses.WATCHED_HOSTS),
    }
    # Where anybody may pull, ranges for pulls would only tell that anybody does.
    return found if registry.public else {"allowed_ranges": allowed, **found}


def _identities(people: Population, registry: Registry, writers: set[str]) -> dict[str, list[str]]:
    pushers = {pipeline.identity for pipeline in people.pipelines[registry.index]} | writers
    purgers = {people.purges[registry.index].identity}
    on_call: list[str] = []
    deployers: list[str] = []
    if isinstance(people, Estate):
        pushers |= {people.previews.caller.identity} | {people.people[place].identity for place in ENGINEERS}
        purgers |= {people.previews.caller.identity, people.people[HOUSEKEEPER].identity}
        on_call, deployers = [people.on_call.identity], [deployer_of(people.seed)]
    else:
        pushers |= {person.identity for person in people.people}
    return {
        "push_identities": sorted(pushers),
        "purge_identities": sorted(purgers),
        "scanner_identities": [people.scanners[registry.index].caller.identity],
        "roaming_identities": [people.clusters[registry.index].identity],
        "on_call_identities": on_call,
        "deployment_identities": deployers,
        "watched_identities": [addresses.WATCHED_IDENTITY],
    }


def _lists(people: Population, registry: Registry) -> dict[str, list[str]]:
    return {
        "import_sources": list(APPROVED_SOURCES),
        "protected_tags": list(PROTECTED_TAGS),
        "home_tenants": [registry.tenant_id],
        "known_repositories": list(REPOSITORIES),
        "short_lived_repositories": list(SHORT_LIVED),
        "known_bad_digests": list(people.bad_digests),
        "watched_digests": [people.watched_digest],
        "working_hours": list(WORKING_HOURS),
    }


def _flags(registry: Registry) -> list[str]:
    flags = ["admin_disabled"] if registry.index % 2 == 0 else []
    if registry.private:
        flags += ["private_only", "public_access_off"]
    return [*flags, "public" if registry.public else "anonymous_pull_off"]
