"""Placeholders of rules (`'%push_ranges%'`) as marks in SQL over `events e`.

A rule is compiled once and judges by whatever context is in force: `detections.binding` puts the condition in place of
each mark when a question is asked.
"""

import difflib
import re
from collections.abc import Collection
from typing import Final

from acrwatch.core.registry import FLAGS, LISTS, RANGES, is_name

ADDRESSES: Final = frozenset({"caller_ip", "caller_ip_address"})
IP_RULES: Final = "ip_rules"
WITH: Final = "registries_with_"
LIKE: Final = "like_"

# What stands for a placeholder in compiled SQL, and, so that they are passed over, the texts in it.
MARK: Final = re.compile(r"'(?:[^']|'')*'|@\{(?P<kind>[a-z]+):(?P<name>\w+):(?P<words>[^}]*)\}")

_RANGE_NAMES: Final = frozenset(setting.name for setting in RANGES)
_LIST_NAMES: Final = frozenset(setting.name for setting in LISTS)


def placeholder(field: str, words: str, name: str) -> str:
    """Return the predicate of `field|expand: '%name%'`; `words` is the field's SQL as text.

    On an address it is a list of ranges, on the IP rules of a registry one that holds them all, on `registry` a flag or
    `registries_with_` and a list's name, elsewhere a list of values, or with `like_` before its name what is spelled
    almost like one of them. A name that nobody has configured is an empty list. Raises ValueError where a name whose
    kind is known stands with another.
    """
    if field == "registry":
        if name.startswith(WITH):
            return has_list(list_asked_for(name))
        _refuse(name, _RANGE_NAMES | _LIST_NAMES, f"a list; %{WITH}{name}% tells whether a registry has it")
        return has_flag(name)
    _refuse(name, FLAGS.keys(), "a flag: it goes with registry")
    if field in ADDRESSES:
        _refuse(name, _LIST_NAMES, "a list of values: it does not go with addresses")
        return in_ranges(name)
    if field == IP_RULES and name in _RANGE_NAMES:
        return rules_within(words, name)
    _refuse(name, _RANGE_NAMES, "a list of ranges: it goes with caller_ip or ip_rules")
    if name.startswith(LIKE):
        return like_values(words, name.removeprefix(LIKE))
    return in_admins(words) if name == "admin_usernames" else in_values(words, name)


def needed_by(field: str, name: str) -> str:
    """Return what must be configured, in words, before `field|expand: '%name%'` can be true; see `Context.has`."""
    if field != "registry":
        return name.removeprefix(LIKE)
    return list_asked_for(name) if name.startswith(WITH) else name


def misspelt(name: str) -> str | None:
    """Return the name that somebody may have meant by one that differs from it by little; None for any other."""
    asked = list_asked_for(name).removeprefix(LIKE)
    known = _RANGE_NAMES | _LIST_NAMES | FLAGS.keys()
    near = [] if asked in known else difflib.get_close_matches(asked, sorted(known), n=1, cutoff=0.85)
    return name.replace(asked, near[0]) if near else None


def list_asked_for(name: str) -> str:
    """Return which list `%registries_with_…%` asks for; `ranges` alone are the allowed ones."""
    asked = name.removeprefix(WITH)
    return "allowed_ranges" if asked == "ranges" else asked


def in_ranges(name: str) -> str:
    """Return the predicate that the caller's address lies in a list of ranges of its registry, or of all."""
    return _later("ranges", name, "e.ip_key")


def rules_within(words: str, name: str) -> str:
    """Return the predicate that every rule of a firewall, as the log spells them, lies in a range of its registry."""
    return _later("within", name, words)


def in_values(words: str, name: str) -> str:
    """Return the predicate that a text is in a list of values of the event's registry, or of all, in any case."""
    return _later("values", name, words)


def like_values(words: str, name: str) -> str:
    """Return the predicate that a text is spelled almost like a value of a list, and is none of them.

    Almost: one letter more, less or other; two, where the value has fourteen letters or more. Digits do not count
    (`worker2` is a sibling of `worker`), nor do values of fewer than four letters, of which too many are alike. Names
    of repositories are ASCII; others have no look-alike, for engines measure those differently.
    """
    return f"{_later('alike', name, words)} AND NOT ({in_values(words, name)})"


def in_admins(words: str) -> str:
    """Return the predicate that a text names the registry's admin user: its own name, unless others are configured."""
    named, others = in_values(words, "admin_usernames"), has_list("admin_usernames")
    return f"{named} OR (lower({words}) = e.registry AND NOT ({others}))"


def has_list(name: str) -> str:
    """Return the predicate that the event's registry has a list of that name, of either kind, that is not empty."""
    return _later("listed", name, "e.registry")


def has_flag(name: str) -> str:
    """Return the predicate that the event's registry has a flag."""
    return _later("flagged", name, "e.registry")


def _later(kind: str, name: str, words: str) -> str:
    """Return a mark that `detections.binding` replaces once it is known what a context has; a name that no list can
    have is one that nobody has configured."""
    return f"@{{{kind}:{name}:{words}}}" if is_name(name) else "false"


def _refuse(name: str, others: Collection[str], what: str) -> None:
    if name in others:
        raise ValueError(f"%{name}% is {what}")
