"""Which kinds of source there are: every module of this package that exports `TYPE`, `SETTINGS` and `open`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import ingest.sources
from acrwatch.core.kinds import by_type, modules_of
from acrwatch.core.setting import Setting
from ingest.opening import Opening
from ingest.sources import Source


@dataclass(frozen=True, slots=True)
class SourceType:
    """One kind of source: the word in `type = "..."`, its settings, and how to make one (no network yet)."""

    type: str
    settings: tuple[Setting[Any], ...]
    open: Callable[[Mapping[str, object], Opening], Source]


def source_types() -> dict[str, SourceType]:
    """Return the kinds by their word: a fresh mapping each time. Raises ConfigError if two modules claim one word."""
    return collect(modules_of(ingest.sources))


def collect(modules: Iterable[ModuleType]) -> dict[str, SourceType]:
    """Return the kinds that these modules export; a module without `TYPE` is none."""
    kinds = by_type(modules, "source").items()
    return {word: SourceType(word, module.SETTINGS, module.open) for word, module in kinds}
