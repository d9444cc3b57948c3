"""Audit-log analytics and alerting for Azure Container Registry. The only import name users need.

`acrwatch.open(...)` is the way in from a notebook; it is imported when asked for, so that `import acrwatch` costs
nothing (PEP 562).
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from acrwatch.notebook.opening import open as open  # noqa: A004

__version__ = "0.1.0"
__all__ = ["__version__", "open"]


def __getattr__(name: str) -> object:
    if name == "open":
        from acrwatch.notebook.opening import open as opened

        return opened
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
