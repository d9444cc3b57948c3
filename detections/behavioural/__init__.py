"""Detections with a baseline, one module each: `DETECTION` is found here by name, no list is kept. Modules without one
are what detections are made of (`habit`)."""

import importlib
import pkgutil

from acrwatch.core.errors import ConfigError
from detections.detection import Detection


def discover() -> dict[str, Detection]:
    """Return every behavioural detection by slug, afresh. A slug used twice raises ConfigError naming both modules."""
    found: dict[str, tuple[str, Detection]] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        detection: Detection | None = getattr(importlib.import_module(f"{__name__}.{module}"), "DETECTION", None)
        if detection is None:
            continue
        slug = detection.metadata.slug
        if slug in found:
            raise ConfigError(f"Detection {slug} is defined in both {found[slug][0]} and {module}")
        found[slug] = (module, detection)
    return {slug: detection for slug, (_, detection) in found.items()}
