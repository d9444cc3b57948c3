"""A detection in a notebook: the code that judges in production, over a frame of events."""

import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from acrwatch.choosing import nearest
from acrwatch.core.clock import Clock
from acrwatch.core.errors import AcrWatchError, NotFoundError
from acrwatch.notebook.alert_frame import alert_frame
from acrwatch.notebook.known import Known
from acrwatch.notebook.rows import rows_of
from acrwatch.notebook.spans import Moment, moment_of
from acrwatch.notebook.warning import BlindWarning, warn
from detections import built_in
from detections.context import Context
from detections.detection import Detection, Metadata
from detections.needs import NOTHING, unmet
from detections.rule_activity import ActivityRule
from detections.trial import Trial, try_rules
from storage.activity import CATEGORY
from storage.alert_table import TRIED, alert_table
from storage.query import Reader
from storage.scratch import scratch_snapshot
from storage.state.database import Database

_TICK: Final = timedelta(microseconds=1)


class Rule:
    """One detection, with what is known of the registries."""

    def __init__(self, detection: Detection, known: Known, database: Database | None, clock: Clock) -> None:
        self._detection = detection
        self._known = known
        self._database = database
        self._clock = clock

    def __repr__(self) -> str:
        return f"<rule {self.about.slug}: {self.about.level}, {self.about.title}>"

    @property
    def about(self) -> Metadata:
        """What the detection says of itself: title, level, description, runbook, blind spots and more."""
        return self._detection.metadata

    def run(self, events: pd.DataFrame, *, since: Moment = None) -> pd.DataFrame:
        """Return the alerts that would stand had these events arrived, earliest first, with the columns of alerts that
        were not opened.

        `events` is a frame as `Client.events` returns it, or rows of one. Those before `since` are history that a
        baseline may learn from, and raise nothing. Nothing is stored. Warns (BlindWarning) of what keeps the detection
        from judging them. Raises ConfigError where columns are missing, AcrWatchError where the detection fails.
        """
        slug = self.about.slug
        rows = rows_of(events)
        context = self._known.context(self._database, now=self._clock.now())
        for obstacle in self._obstacles(rows, context):
            warn(f"{slug} cannot fire: {obstacle}", BlindWarning)
        trial = self._tried(rows, context, since)
        if trial.error is not None:
            raise AcrWatchError(f"{slug} failed on these events: {trial.error}")
        if trial.unjudged:
            warn(f"{slug} could not judge {trial.unjudged:,} of {rows.num_rows:,} events", BlindWarning)
        query = {
            "rule": slug,
            "rule_version": self.about.version,
            "context_version": context.version(),
            "events": rows.num_rows,
            "matched": trial.matched,
            "unjudged": trial.unjudged,
        }
        return alert_frame(alert_table(trial.alerts).select(TRIED), query)

    def _tried(self, rows: pa.Table, context: Context, since: Moment) -> Trial:
        if not rows.num_rows:
            return Trial(self.about.slug, (), 0, 0, 0.0)
        bounds = pc.min_max(rows.column("event_time")).as_py()
        begin = moment_of(since, self._clock.now()) or bounds["min"]
        detections, end = {self.about.slug: self._detection}, bounds["max"] + _TICK
        with (
            tempfile.TemporaryDirectory(prefix="acrwatch-frame-") as folder,
            Reader(scratch_snapshot(Path(folder), rows)) as reader,
        ):
            (trial,) = try_rules(detections, reader, context, begin, end, lateness=self._known.lateness)
        return trial

    def _obstacles(self, rows: pa.Table, context: Context) -> Iterator[str]:
        for names in unmet(getattr(self._detection, "needs", NOTHING), context):
            yield f"no registry has {names} configured (open the lake with config=FILE)"
        if isinstance(self._detection, ActivityRule) and CATEGORY not in pc.unique(rows.column("category")).to_pylist():
            yield 'it judges the control plane, of which the frame has no record (c.sql("SELECT * FROM activity"))'


def rule_of(slug: str, known: Known, database: Database | None, clock: Clock) -> Rule:
    """Return the detection of this name. Raises NotFoundError with the nearest one, ConfigError for what is no rule."""
    found = known.rules.detections
    if slug not in found:
        built_in.refuse(slug)
        broken = next((f": {one}" for one in known.rules.mistakes if one.file.stem == slug), "")
        raise NotFoundError(f"there is no rule {slug!r}{broken}", remedy=nearest(slug, sorted(found)))
    return Rule(found[slug], known, database, clock)
