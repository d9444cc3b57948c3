"""Colours: each with a shade for light paper and one for a dark screen.

Charts are drawn in the light shades. The page's styles name each of them again for a dark screen, which overrides what
the drawing says, so that one picture serves both and still has its colours where styles are lost. Severities and
outcomes get lighter in one direction, so that a print in grey keeps their order.
"""

from collections.abc import Mapping
from typing import Final

SEVERITY: Final[Mapping[str, tuple[str, str]]] = {
    "critical": ("#7f0d22", "#ff6f86"),
    "high": ("#c2431a", "#ff9d63"),
    "medium": ("#c98a16", "#e8c34f"),
    "low": ("#8fb8df", "#7fb0e4"),
    "informational": ("#d3d8de", "#8b939e"),
}
OUTCOME: Final[Mapping[str, tuple[str, str]]] = {
    "failed": ("#8e1b3a", "#ff8098"),
    "writes": ("#2f5f8f", "#6ea8e0"),
    "reads": ("#a9bccf", "#4d6683"),
}
INK: Final = ("#20262d", "#e4e8ec")
MUTED: Final = ("#5a646f", "#a3adb8")
GRID: Final = ("#dde2e7", "#343c45")
BLIND: Final = ("#f2d9a6", "#66512a")
MARK: Final = ("#3b3b3c", "#f0f0f1")
PAPER: Final = ("#ffffff", "#14181c")

_ALL: Final = (*SEVERITY.values(), *OUTCOME.values(), INK, MUTED, GRID, BLIND, MARK)


def dark_overrides() -> str:
    """Return the styles that turn the light shades of drawings into the dark ones."""
    return "\n".join(
        f'svg [{what}="{light}"] {{ {what}: {dark}; }}' for light, dark in _ALL for what in ("fill", "stroke")
    )
