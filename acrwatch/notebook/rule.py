"""A detection in a notebook: the code that judges in production, over a frame of events."""

from acrwatch.core.clock import Clock
from acrwatch.core.errors import NotFoundError
from acrwatch.notebook.choosing import nearest
from acrwatch.notebook.known import Known
from detections.detection import Detection
from storage.state.database import Database


class Rule:
    """One detection, with what is known of the registries."""

    def __init__(self, detection: Detection, known: Known, database: Database | None, clock: Clock) -> None:
        self._detection = detection
        self._known = known
        self._database = database
        self._clock = clock


def rule_of(slug: str, known: Known, database: Database | None, clock: Clock) -> Rule:
    """Return the detection of this name. Raises NotFoundError with the nearest one."""
    found = known.rules.detections
    if slug not in found:
        broken = next((f": {one}" for one in known.rules.mistakes if one.file.stem == slug), "")
        raise NotFoundError(f"there is no rule {slug!r}{broken}", remedy=nearest(slug, sorted(found)))
    return Rule(found[slug], known, database, clock)
