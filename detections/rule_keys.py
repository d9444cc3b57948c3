"""Our own keys of a rule file: each with its meaning, its check, and what stands where a rule leaves it out.

A Sigma rule written elsewhere has none of them and loads as it is. `acrwatch rules lint` asks for what an analyst needs
at three in the morning: a runbook, blind spots, and cases that fire and stay silent.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from sigma.correlations import SigmaCorrelationRule
from sigma.rule import SigmaRule

from acrwatch.core.setting import duration
from detections.compile import UnsupportedError
from detections.correlation import window
from detections.detection import Metadata
from detections.fields import EVIDENCE_FIELDS, TEXT_FIELDS
from detections.mistake import RuleMistakeError
from detections.reason import template_mistake
from storage.state.stages import ACTIVE, STAGES

_LISTS: Final = ("x_runbook", "x_blind_spots", "x_tests")
_KNOWN: Final = (
    "x_slug", "x_group_by", "x_group_for", "x_entities", "x_reason", "x_stage", "x_no_technique", *_LISTS,
)  # fmt: skip

# Conditions over the selections of an event rule: what it cannot judge, what belongs to the picture of an alert.
CONDITIONS: Final = ("x_unjudged", "x_nearby")

# One alert for one identity on one registry, which is what a person looks into.
_GROUP_BY: Final = ("registry", "actor")
_GROUP_FOR: Final = timedelta(hours=1)
_ENTITIES: Final = {"identity": "identity", "registry": "registry", "ip": "caller_ip", "repository": "repository"}
_REASON: Final = (
    "{title}: {{count:call}} ({{operations}}) by {{account}} on {{registries}} {{span}}, from {{addresses}}."
)


def metadata(
    head: SigmaRule | SigmaCorrelationRule, stem: str, version: str, group_by: tuple[str, ...] | None
) -> Metadata:
    """Return what a rule says of itself. `group_by` is what it must group by, None where `x_group_by` decides.

    Raises RuleMistakeError, with the key, for one that is unknown, misshapen, or names what alerts do not have.
    """
    keys = {k: v for k, v in head.custom_attributes.items() if k.startswith("x_")}
    _check_names(keys, stem, correlates=group_by is not None)
    groups = group_by if group_by is not None else tuple(keys.get("x_group_by", _GROUP_BY))
    if "x_group_by" in keys and tuple(keys["x_group_by"]) != groups:
        raise RuleMistakeError("x_group_by must equal the correlation's group-by", "x_group_by")
    entities = dict(keys.get("x_entities", _ENTITIES))
    if wrong := [str(field) for field in entities.values() if field not in {*groups, *EVIDENCE_FIELDS}]:
        raise RuleMistakeError(f"x_entities names fields that alerts do not hold: {', '.join(wrong)}", "x_entities")
    template = " ".join(str(keys.get("x_reason", _REASON.format(title=_plain(head.title)))).split())
    if why := template_mistake(template, groups):
        raise RuleMistakeError(f"x_reason {why}", "x_reason")
    return Metadata(
        slug=stem,
        id=str(head.id or ""),
        version=version,
        title=head.title,
        description=head.description or "",
        level=str(head.level or "medium").lower(),
        status=str(head.status or "experimental").lower(),
        author=head.author or "",
        date=str(head.date or ""),
        group_by=groups,
        group_for=_group_for(head, keys),
        entities=entities,
        reason=template,
        tags=tuple(f"{tag.namespace}.{tag.name}" for tag in head.tags),
        references=tuple(map(str, head.references)),
        falsepositives=tuple(map(str, head.falsepositives)),
        blind_spots=tuple(keys.get("x_blind_spots", ())),
        runbook=tuple(keys.get("x_runbook", ())),
        tests=tuple(keys.get("x_tests", ())),
        stage=str(keys.get("x_stage", ACTIVE)),
        no_technique=str(keys.get("x_no_technique", "")),
    )


def _check_names(keys: Mapping[str, Any], stem: str, *, correlates: bool) -> None:
    known = {*_KNOWN, *CONDITIONS}
    for name in sorted(keys.keys() - known):
        raise RuleMistakeError(f"unknown key {name!r}: known are {', '.join(sorted(known))}", name)
    for name in sorted(keys.keys() & set(CONDITIONS)) if correlates else ():
        raise RuleMistakeError(f"a correlation cannot have {name}", name)
    if keys.get("x_slug", stem) != stem:
        raise RuleMistakeError(f"x_slug {keys['x_slug']!r} is not the file's name {stem!r}", "x_slug")
    if keys.get("x_stage", ACTIVE) not in STAGES:
        raise RuleMistakeError(f"x_stage {keys['x_stage']!r} is none of {', '.join(STAGES)}", "x_stage")
    for name in (*_LISTS, "x_group_by"):
        if not isinstance(keys.get(name, []), list):
            raise RuleMistakeError(f"{name} must be a list", name)
    for name in ("x_runbook", "x_blind_spots", "x_group_by"):
        if wrong := [one for one in keys.get(name, []) if not isinstance(one, str)]:
            raise RuleMistakeError(f"{name} must be a list of texts, found {str(wrong[0])[:60]!r}: quote it", name)
    entities = keys.get("x_entities", {})
    if not isinstance(entities, dict) or not all(isinstance(one, str) for pair in entities.items() for one in pair):
        raise RuleMistakeError("x_entities must map types to fields", "x_entities")
    if not correlates and (wrong := [str(f) for f in keys.get("x_group_by", ()) if f not in TEXT_FIELDS]):
        raise RuleMistakeError(f"x_group_by names fields that are unknown or no text: {', '.join(wrong)}", "x_group_by")


def _group_for(head: SigmaRule | SigmaCorrelationRule, keys: Mapping[str, Any]) -> timedelta:
    """Alerts of a correlation last at least its window: what is one match must not be two alerts."""
    try:
        given = duration(keys["x_group_for"]) if "x_group_for" in keys else _GROUP_FOR
    except ValueError as error:
        raise RuleMistakeError(f"x_group_for: {error}", "x_group_for") from error
    least = window(head) if isinstance(head, SigmaCorrelationRule) else timedelta()
    if given < least and "x_group_for" in keys:
        raise UnsupportedError(f"x_group_for of {given}, which is shorter than the timespan")
    return max(given, least)


def _plain(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
