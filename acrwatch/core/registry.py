"""What rules may know of a registry that no event says: named lists of ranges, named lists of values, and flags.

The tables here are the settings of `[registries.NAME]`. Rules name a list or a flag by placeholder (`'%push_ranges%'`).
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, TypeVar

from acrwatch.core.setting import IpNetwork, Setting, networks, texts

T = TypeVar("T")

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS: Final = tuple(f"{day} {hour:02}" for day in _DAYS for hour in range(24))


def hours(value: object) -> tuple[str, ...]:
    """A list of hours of the week in UTC, such as `mon 09`; `*` and `?` are wildcards."""
    found = texts(value)
    for one in found:
        if not any(fnmatchcase(hour, one.casefold()) for hour in _HOURS):
            raise ValueError(f"{one!r} is no hour of the week; expected such as 'mon 09', or 'mon 1?' for ten of them")
    return found


EVERY: Final = "*"
"""The registry whose lists and flags hold for all registries, beside their own."""

_NAME: Final = re.compile("[a-z][a-z0-9_]*")

RANGES: Final = (
    Setting("allowed_ranges", networks, None, "Addresses that pulls may come from. Without any, pulls are not judged."),
    Setting("push_ranges", networks, None, "Addresses that pushes and deletes may come from."),
    Setting("deployment_ranges", networks, None, "Addresses that templates are run from. Without any, from anywhere."),
    Setting("watched_ips", networks, None, "Addresses of which each event is an alert; see `acrwatch watch`."),
)
LISTS: Final = (
    Setting("admin_usernames", texts, None, "Names of the admin user. Without any, the registry's own name."),
    Setting("push_identities", texts, None, "Identities that push: the pipeline's."),
    Setting("purge_identities", texts, None, "Identities that delete as their work: purge tasks, retention jobs."),
    Setting("scanner_identities", texts, None, "Identities that pull in order to scan, and do nothing else."),
    Setting("roaming_identities", texts, None, "Services used from many networks at once: kubelets of clusters, say."),
    Setting("short_lived_repositories", texts, None, "Repositories that come and go whole, such as `preview/*`."),
    Setting(
        "deployment_identities", texts, None, "Services that state the registry's settings again: templates' runs."
    ),
    Setting("on_call_identities", texts, None, "People who work at any hour: those on call."),
    Setting(
        "working_hours",
        hours,
        None,
        "Hours of the week in UTC in which people work: `mon 09` is Monday from 09:00 to 09:59, `mon 1?` from 10:00 to "
        "19:59. Without any, no hour is odd.",
    ),
    Setting("platform_identities", texts, None, "Identities of Azure's own services. Under `*`, replaces the shipped."),
    Setting("import_sources", texts, None, "Registries that images may be imported from."),
    Setting("protected_tags", texts, None, "Tags that nobody overwrites, such as `v*` or `release-*`."),
    Setting("home_tenants", texts, None, "Entra tenants whose identities belong here."),
    Setting("known_repositories", texts, None, "Repositories whose look-alikes are suspect."),
    Setting("known_bad_digests", texts, None, "Digests of images known to be malicious."),
    Setting(
        "odd_user_agents", texts, None, "User agents that no registry client has. Under `*`, replaces the shipped."
    ),
    Setting("watched_digests", texts, None, "Digests of which each event is an alert; see `acrwatch watch`."),
    Setting("watched_identities", texts, None, "Identities of which each event is an alert; see `acrwatch watch`."),
)
FLAGS: Final[Mapping[str, str]] = {
    "admin_disabled": "the admin user is off",
    "private_only": "clients come by private endpoints alone",
    "anonymous_pull_off": "nobody pulls without signing in",
    "public_access_off": "the public endpoint is closed",
    "public": "anybody may pull, on purpose",
}
# Taken under `lists` as well: it was written there before it had a setting.
_WAS_OWN: Final = "working_hours"


_SETTING_NAMES: Final = frozenset(setting.name for setting in (*RANGES, *LISTS))
# What somebody may write directly below a registry, and what to write instead.
ELSEWHERE: Final[Mapping[str, str]] = {name: f'is a flag; write flags = ["{name}"]' for name in FLAGS}


@dataclass(frozen=True, slots=True)
class RegistryContext:
    """The lists and flags of one registry, by name. A list that is absent was not said; an empty one was said to be.

    Values are compared without regard to case, `*` and `?` in them are wildcards. A flag `!name` takes away the flag of
    that name that a weaker origin has set.
    """

    ranges: Mapping[str, Collection[IpNetwork]] = field(default_factory=dict)
    lists: Mapping[str, Collection[str]] = field(default_factory=dict)
    flags: Collection[str] = ()

    def over(self, weaker: "RegistryContext") -> "RegistryContext":
        """Return both together; where both have a list of one name, this one's."""
        denied = {flag[1:] for flag in self.flags if flag.startswith("!")}
        flags = {flag for flag in (*weaker.flags, *self.flags) if not flag.startswith("!")} - denied
        return RegistryContext({**weaker.ranges, **self.ranges}, {**weaker.lists, **self.lists}, tuple(sorted(flags)))


def _flags(value: object) -> tuple[str, ...]:
    """A list of flags, each perhaps with `!` before it."""
    found = texts(value)
    for flag in found:
        _checked(flag.removeprefix("!"))
    return found


def _named(parse: Callable[[object], T]) -> Callable[[object], dict[str, T]]:
    """Return a parser of a table whose values `parse` takes."""

    def table(value: object) -> dict[str, T]:
        if not isinstance(value, Mapping):
            raise ValueError("expected a table of lists by name")
        return {_own(str(name)): parse(one) for name, one in value.items()}

    return table


def _own(name: str) -> str:
    """Return the name of somebody's own list. Raises ValueError where it is one that has a setting of its own."""
    if name in _SETTING_NAMES - {_WAS_OWN}:
        raise ValueError(f"{name} is a setting by itself; write it directly below the registry")
    return _checked(name)


def called(name: str) -> str:
    """Return what people read of a list or flag that rules name, so that they find where it is written."""
    if name in FLAGS:
        return f"the flag {name}"
    return name if name in _SETTING_NAMES else f"{name} (in lists, ranges or flags)"


def is_name(text: str) -> bool:
    """Return whether a list or a flag can have this name."""
    return _NAME.fullmatch(text) is not None


def _checked(name: str) -> str:
    if not is_name(name):
        raise ValueError(f"{name!r} is no name; expected lower-case letters, digits and underscores")
    return name


SETTINGS: Final[tuple[Setting[Any], ...]] = (
    *RANGES,
    *LISTS,
    Setting("ranges", _named(networks), {}, "Further lists of ranges by name, for rules of your own."),
    Setting("lists", _named(texts), {}, "Further lists of values by name, for rules of your own."),
    Setting(
        "flags", _flags, (), f"What is so: {', '.join(FLAGS)}, or names of your own; `!` before one: it is not so."
    ),
)


def from_settings(values: Mapping[str, Any]) -> RegistryContext:
    """Return the context that parsed values of SETTINGS say."""
    ranges = {setting.name: values[setting.name] for setting in RANGES if values.get(setting.name) is not None}
    lists = {setting.name: values[setting.name] for setting in LISTS if values.get(setting.name) is not None}
    return RegistryContext(
        {**values.get("ranges", {}), **ranges}, {**values.get("lists", {}), **lists}, tuple(values.get("flags", ()))
    )
