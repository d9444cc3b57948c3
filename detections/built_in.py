"""What raises alerts and is no rule: what acrwatch says of itself, and the risk of an entity, made of other alerts."""

from collections.abc import Mapping
from typing import Final

from acrwatch.core.errors import ConfigError
from detections import blindness, failure, risk
from detections.detection import Metadata

BUILT_IN: Final[Mapping[str, Metadata]] = {
    **blindness.METADATA,
    failure.SLUG: failure.METADATA,
    risk.SLUG: risk.METADATA,
}


def refuse(slug: str) -> None:
    """Raise ConfigError where this is asked for as a rule and is none."""
    if slug == risk.SLUG:
        raise ConfigError(
            f"{slug} is computed from the alerts of rules: it has no life of its own as they do, and cannot be staged, "
            "promoted, retired, run, tested or exported",
            remedy=f"Do so with the rules it is made of, which each of its alerts names, or `acrwatch suppressions add "
            f"--rule {slug}`",
        )
    if slug in BUILT_IN:
        raise ConfigError(
            f"{slug} is what acrwatch says of itself: it cannot be staged, promoted, retired, run, tested, exported or "
            "suppressed, or acrwatch would be blind and nobody would know it",
            remedy=f"`acrwatch rules show {slug}` says what to do about it, `acrwatch incidents list` what is open",
        )
