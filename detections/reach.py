"""Could a detection fire on the traffic at hand, or is it blind to it whatever happens."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from detections.actions import OF_ACTION
from detections.binding import bound
from detections.context import Context
from detections.detection import Detection
from detections.fields import DERIVED
from detections.needs import NOTHING, unmet
from detections.placeholders import MARK, in_admins
from detections.rule_activity import ActivityRule
from storage.activity import COLUMNS
from storage.query import Reader
from storage.schema import BY_NAME

_FIELD: Final = re.compile(r"\be\.([a-z_]+)")
# `e.operation = lower('push')` and `e.operation IN (lower('push'), lower('import'))`, as `detections.compile` has them.
_OPERATIONS: Final = re.compile(r"\be\.operation (?:= |IN \()((?:lower\('[a-z]+'\)(?:, )?)+)")
_NAME: Final = re.compile(r"'([a-z]+)'")
# A detection that is no rule says nowhere which columns it reads; the shipped one compares who came from where.
_BEHAVIOURAL_FIELDS: Final = frozenset({"identity", "ip_key"})


@dataclass(frozen=True, slots=True)
class Reach:
    """What the traffic offers one detection: rows that meet its condition (None: not a condition), and what keeps it
    from ever firing, empty if nothing does."""

    slug: str
    matching: int | None
    obstacles: tuple[str, ...]


def reaches(
    detections: Mapping[str, Detection], reader: Reader, context: Context, present: Mapping[str, int]
) -> list[Reach]:
    """Judge each detection by the view `live` of this reader, whose non-empty values per column `present` counts; those
    on the control plane by its view `live_activity`.

    The views must have the derived fields, and `recent` to tell which rows count. Raises StoreError.
    """
    for name, table in context.tables().items():
        reader.register(name, table)
    return [_reach(slug, detection, reader, context, present) for slug, detection in sorted(detections.items())]


def derived() -> Mapping[str, str]:
    """Return the derived fields that the view `live` must have: name to SQL."""
    return DERIVED


def derived_of_activity() -> Mapping[str, str]:
    """Return those that the view `live_activity`, over records of the control plane, must have."""
    return {**DERIVED, **COLUMNS, **OF_ACTION}


def _reach(slug: str, detection: Detection, reader: Reader, context: Context, present: Mapping[str, int]) -> Reach:
    if isinstance(detection, ActivityRule):
        return _of_control_plane(slug, detection, reader, context)
    where = getattr(detection, "where", None)
    named = _BEHAVIOURAL_FIELDS if where is None else frozenset(_FIELD.findall(where))
    obstacles = [f"{name} is absent from every event" for name in sorted(named & BY_NAME.keys()) if not present[name]]
    if where is None:
        return Reach(slug, None, tuple(obstacles))
    met = bound(where, context)
    matching = reader.query(f"SELECT count(*) AS n FROM live e WHERE e.recent AND {met}").to_pylist()[0]["n"]
    obstacles += _not_configured(detection, context)
    if not matching and not _any_admin(reader, where, context):
        obstacles.append("no event's identity is taken for an admin user (see admin_usernames)")
    wanted = {name for texts in _OPERATIONS.findall(where) for name in _NAME.findall(texts)}
    if wanted and not matching and not _any_operation(reader, wanted):
        obstacles.append(f"no event is classified as {' or '.join(sorted(wanted))}")
    return Reach(slug, matching, tuple(obstacles))


def _of_control_plane(slug: str, rule: ActivityRule, reader: Reader, context: Context) -> Reach:
    met = bound(rule.where, context)
    sql = f"SELECT count(*) FILTER ({met}) AS matching, count(*) AS records FROM live_activity e WHERE e.recent"
    (found,) = reader.query(sql).to_pylist()
    obstacles = [] if found["records"] else ["no record of the Activity Log about a registry is stored"]
    return Reach(slug, found["matching"], (*obstacles, *_not_configured(rule, context)))


def _not_configured(detection: Detection, context: Context) -> list[str]:
    missing = unmet(getattr(detection, "needs", NOTHING), context)
    return [f"no registry has {names} configured" for names in missing]


def _any_admin(reader: Reader, where: str, context: Context) -> bool:
    """Return whether an event names an admin user in each field in which a condition asks for one, whatever else the
    condition asks for."""
    marks = [found for found in MARK.finditer(where) if found["name"] == "admin_usernames"]
    asked = {found["words"] for found in marks if found["kind"] == "values"}
    if not asked:
        return True
    met = " AND ".join(f"bool_or({bound(in_admins(words), context)})" for words in sorted(asked))
    (found,) = reader.query(f"SELECT {met} AS named FROM live e WHERE e.recent").to_pylist()
    return bool(found["named"])


def _any_operation(reader: Reader, wanted: set[str]) -> bool:
    found = reader.query("SELECT DISTINCT operation FROM live WHERE recent").to_pylist()
    return any(row["operation"] in wanted for row in found)
