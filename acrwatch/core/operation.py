"""What an operation name means. Azure documents the operations, but never how it spells them."""

from typing import Final

OPERATIONS: Final = ("purge", "untag", "delete", "import", "push", "pull", "login")
"""Looked for in this order: the documentation names the operations but never prints how Azure spells them, so a
`PurgeTag` must not count as something else that its name may contain."""


def operation_of(name: str) -> str:
    """Return what an operation name means: one of OPERATIONS, the first found in it whatever the case, or `other`."""
    folded = name.casefold()
    return next((operation for operation in OPERATIONS if operation in folded), "other")


def control_operation(name: str) -> str:
    """Return the name of a control-plane operation without its provider, case folded: `registries/tokens/write` for
    `MICROSOFT.CONTAINERREGISTRY/REGISTRIES/TOKENS/WRITE`."""
    folded = name.casefold()
    return folded.partition("/")[2] or folded
