"""Make sure that `ingest`, `storage`, `detections` and `scheduler` are ours.

The four names are generic: another distribution (PyPI has a `scheduler`), or a `storage.py` in the folder of a
notebook, takes their place without a word. Each of ours carries an ownership mark, which is read without running the
module, so that a stranger's code is not executed and the command line stays fast.
"""

import importlib.util
import re
from collections.abc import Iterable
from importlib.abc import InspectLoader
from typing import Final

from acrwatch.core.errors import ConfigError

SIBLINGS: Final = ("ingest", "storage", "detections", "scheduler")
_MARK: Final = re.compile(r"""^__part_of__ = ["']acrwatch["']$""", re.MULTILINE)


def check_siblings(names: Iterable[str] = SIBLINGS) -> None:
    """Raise ConfigError, naming the file, if any of `names` is missing or belongs to someone else."""
    for name in names:
        spec = importlib.util.find_spec(name)
        if spec is None:
            raise ConfigError(f"the package {name!r} of acrwatch is missing", remedy="Install acrwatch again")
        source = spec.loader.get_source(name) if isinstance(spec.loader, InspectLoader) else None
        if _MARK.search(source or "") is None:
            place = spec.origin or ", ".join(spec.submodule_search_locations or ())
            raise ConfigError(
                f"the name {name!r} of acrwatch is taken by {place}",
                remedy="Rename that file, or install acrwatch in its own environment (pipx, uv tool, a container)",
            )
