"""Which kinds of destination there are: every module of this package that exports `TYPE`, `SETTINGS` and `open`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import acrwatch.delivery.sinks
from acrwatch.core.config import DestinationConfig
from acrwatch.core.errors import ConfigError
from acrwatch.core.kinds import by_type, modules_of
from acrwatch.core.setting import Setting
from acrwatch.delivery.sinks import Sink


@dataclass(frozen=True, slots=True)
class SinkType:
    """One kind of destination: the word in `type = "..."`, its settings, and how to make one (no network yet)."""

    type: str
    settings: tuple[Setting[Any], ...]
    open: Callable[[Mapping[str, Any]], Sink]


def sink_types() -> dict[str, SinkType]:
    """Return the kinds by their word: a fresh mapping each time. Raises ConfigError if two modules claim one word."""
    return collect(modules_of(acrwatch.delivery.sinks))


def collect(modules: Iterable[ModuleType]) -> dict[str, SinkType]:
    """Return the kinds that these modules export; a module without `TYPE` is none."""
    kinds = by_type(modules, "destination").items()
    return {word: SinkType(word, module.SETTINGS, module.open) for word, module in kinds}


def open_sinks(destinations: Iterable[DestinationConfig]) -> dict[str, Sink]:
    """Return an open sink per configured destination, by name.

    Raises ConfigError, with the destination's place in the configuration, where its settings cannot work.
    """
    kinds = sink_types()
    sinks: dict[str, Sink] = {}
    for destination in destinations:
        try:
            sinks[destination.name] = kinds[destination.type].open(destination.values)
        except ConfigError as error:
            raise ConfigError(f"{destination.where}: {error.message}", remedy=error.remedy) from error
    return sinks
