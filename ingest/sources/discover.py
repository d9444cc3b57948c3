"""Which kinds of source there are: every module of this package that exports `TYPE`, `SETTINGS` and `open`."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import ingest.sources
from acrwatch.core.errors import ConfigError
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
    return collect(
        importlib.import_module(f"{ingest.sources.__name__}.{found.name}")
        for found in pkgutil.iter_modules(ingest.sources.__path__)
    )


def collect(modules: Iterable[ModuleType]) -> dict[str, SourceType]:
    """Return the kinds that these modules export; a module without `TYPE` is none."""
    kinds: dict[str, SourceType] = {}
    origins: dict[str, str] = {}
    for module in modules:
        if not hasattr(module, "TYPE"):
            continue
        kind = SourceType(module.TYPE, module.SETTINGS, module.open)
        if kind.type in kinds:
            raise ConfigError(
                f"source type {kind.type!r} is claimed by {origins[kind.type]} and {module.__name__}",
                remedy="Rename one of them",
            )
        kinds[kind.type] = kind
        origins[kind.type] = module.__name__
    return kinds
