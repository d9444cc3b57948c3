"""Plug-ins by discovery: a module of a package that exports `TYPE` is one kind, and no list of kinds is kept."""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from types import ModuleType

from acrwatch.core.errors import ConfigError


def modules_of(package: ModuleType) -> Iterator[ModuleType]:
    """Import and yield the modules directly in a package, by name."""
    for found in pkgutil.iter_modules(package.__path__):
        yield importlib.import_module(f"{package.__name__}.{found.name}")


def by_type(modules: Iterable[ModuleType], what: str) -> dict[str, ModuleType]:
    """Return the modules that export `TYPE`, by it: a fresh mapping each time.

    Raises ConfigError, naming both modules, if two of them claim one word; `what` says what they are kinds of.
    """
    kinds: dict[str, ModuleType] = {}
    for module in modules:
        word = getattr(module, "TYPE", None)
        if word is None:
            continue
        if word in kinds:
            raise ConfigError(
                f"{what} type {word!r} is claimed by {kinds[word].__name__} and {module.__name__}",
                remedy="Rename one of them",
            )
        kinds[word] = module
    return kinds
