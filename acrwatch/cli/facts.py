"""Imported facts as people read them, and what changed between two versions of them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

# A registry may have 20,000 tokens; --json has all of them.
_SPOKEN: Final = 20


def spoken(value: Any) -> str:
    """Return a fact's value as text: lists by their items, objects by their name where they have one."""
    if isinstance(value, list):
        return _joined([spoken(one) for one in value]) or "none"
    if isinstance(value, Mapping):
        name = value.get("name")
        rest = ", ".join(f"{key} {spoken(one)}" for key, one in value.items() if key != "name")
        return f"{name} ({rest})" if name and rest else str(name or rest)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "never" if value is None else str(value)


def _joined(words: Sequence[str]) -> str:
    more = f" and {len(words) - _SPOKEN} more" if len(words) > _SPOKEN else ""
    return ", ".join(words[:_SPOKEN]) + more


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return one phrase for each fact that differs: `admin_enabled: no -> yes`, `ip_rules: 203.0.113.0/24 added`."""
    return [
        _change(name, before.get(name), after.get(name))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _change(name: str, old: Any, new: Any) -> str:
    if isinstance(old, list) and isinstance(new, list):
        before, after = ({spoken(one): None for one in items} for items in (old, new))
        come = [f"{one} added" for one in after if one not in before]
        gone = [f"{one} removed" for one in before if one not in after]
        return f"{name}: {_joined([*come, *gone]) or 'in another order'}"
    was, is_ = ("not said" if one is None else spoken(one) for one in (old, new))
    return f"{name}: {was} -> {is_}"
