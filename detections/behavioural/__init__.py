"""Detections with a baseline, one module each: `DETECTION` is found here by name, no list is kept. Modules without one
are what detections are made of (`habit`). A module that must know where addresses are has `located` in its place: it
takes `detections.places.Places` and returns the detection.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

from acrwatch.core.errors import ConfigError
from detections.detection import Detection
from detections.places import Places


def discover(places: Places | None = None) -> dict[str, Detection]:
    """Return every behavioural detection by slug, afresh; those that must know places only where these are given.

    A slug used twice raises ConfigError naming both modules.
    """
    found: dict[str, tuple[str, Detection]] = {}
    for name, module in _modules():
        detection: Detection | None = getattr(module, "DETECTION", None)
        if places is not None and hasattr(module, "located"):
            detection = module.located(places)
        if detection is None:
            continue
        slug = detection.metadata.slug
        if slug in found:
            raise ConfigError(f"Detection {slug} is defined in both {found[slug][0]} and {name}")
        found[slug] = (name, detection)
    return {slug: detection for slug, (_, detection) in found.items()}


def needing_places() -> frozenset[str]:
    """Return the slugs of the detections that `discover` leaves out without places."""
    return frozenset(module.METADATA.slug for _, module in _modules() if hasattr(module, "located"))


def _modules() -> Iterator[tuple[str, ModuleType]]:
    for name in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        yield name, importlib.import_module(f"{__name__}.{name}")
