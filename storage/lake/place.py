"""Where a lake may lie."""

from pathlib import Path
from typing import Final
from urllib.parse import unquote

from acrwatch.core.errors import StoreError

# DuckDB takes a path for a pattern, and would read whatever files it matches as well.
_PATTERN: Final = "*?["


def lake_root(path: str | Path) -> Path:
    """Return a lake's path from the root on.

    Raises StoreError for one that our libraries would take for another: delta-rs decodes percent codes.
    """
    root = Path(path).absolute()
    remedy = "Name another folder: in store.path, or to what opens it"
    if unquote(str(root)) != str(root):
        raise StoreError(f"A lake's path cannot hold percent codes: {root}", remedy=remedy)
    if found := sorted(set(_PATTERN) & set(str(root))):
        raise StoreError(f"A lake's path cannot hold {' or '.join(found)}: {root}", remedy=remedy)
    return root
