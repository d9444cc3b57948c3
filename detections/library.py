"""All detections of one installation: the rules and the behavioural detections that come with it, and further rules."""

from collections.abc import Iterable
from pathlib import Path

from detections.behavioural import discover, needing_places
from detections.places import GeoIpFile
from detections.rule import SHIPPED, RuleSet, read_rules


def read_library(folders: Iterable[Path] = (), geoip: Path | None = None) -> RuleSet:
    """Return every detection by slug, those of `folders` (or single files) beside the shipped ones.

    Those that must know where addresses are run with a GeoIP file only.

    A rule whose slug is taken by a shipped detection is a mistake, as is a folder that is not there. Raises ConfigError
    where two behavioural detections share a slug, or where the GeoIP file cannot be read.
    """
    behavioural = discover(None if geoip is None else GeoIpFile(geoip))
    rules = read_rules((SHIPPED, *folders), taken=behavioural.keys() | needing_places())
    return RuleSet({**rules.detections, **behavioural}, rules.mistakes, rules.documents)
