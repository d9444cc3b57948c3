"""All detections of one installation: the rules and the behavioural detections that come with it, and further rules."""

from collections.abc import Iterable
from pathlib import Path

from detections.behavioural import discover
from detections.rule import SHIPPED, RuleSet, read_rules


def read_library(folders: Iterable[Path] = ()) -> RuleSet:
    """Return every detection by slug, those of `folders` (or single files) beside the shipped ones.

    A rule whose slug is taken by a shipped detection is a mistake, as is a folder that is not there. Raises ConfigError
    where two behavioural detections share a slug.
    """
    behavioural = discover()
    rules = read_rules((SHIPPED, *folders), taken=behavioural.keys())
    return RuleSet({**rules.detections, **behavioural}, rules.mistakes, rules.documents)
