"""Do the detections load, and do they keep up."""

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from acrwatch.cli.checks.result import FAIL, OK, WARN, Result
from acrwatch.cli.health import waiting, waiting_words
from acrwatch.cli.session import Session
from acrwatch.core.wording import counted

if TYPE_CHECKING:
    from detections.detection import Detection
    from storage.query import Reader
    from storage.state.runs import Cursor

# Rows that wait for a pass in normal running: those of a few commits.
_BEHIND: Final = 100_000
CASES_SECONDS: Final = 5.0
"""All shipped cases take 10 to 30 s of one core, which is what `acrwatch rules test` is for."""


def detections(session: Session, *, cases: bool) -> Iterator[Result]:
    """Check what is in use and, if asked to, run its own cases for up to CASES_SECONDS; name the files that are broken.

    Raises ConfigError.
    """
    from detections.behavioural import needing_places
    from detections.case import case_mistakes

    found = session.rules.detections
    for broken in session.rules.mistakes:
        yield Result("rules", FAIL, f"not in use: {broken}", f"`acrwatch rules lint {broken.file}` once it is mended")
    mistakes = [f"{slug}: {mistake}" for slug, one in found.items() for mistake in case_mistakes(one)]
    for mistake in mistakes:
        yield Result("detections", FAIL, mistake, "See `acrwatch rules lint`")
    if not mistakes:
        yield Result("detections", OK, f"{len(found)} load: {', '.join(sorted(found))}")
    if without := sorted(needing_places() - found.keys()):
        yield Result("detections", OK, f"not run without a GeoIP file (detections.geoip): {', '.join(without)}")
    if cases and not mistakes:
        yield from tried(found, until=time.monotonic() + CASES_SECONDS)


def tried(found: "Mapping[str, Detection]", *, until: float) -> Iterator[Result]:
    """Run the cases of these detections, none of which begins after `until` (monotonic)."""
    from acrwatch.cli.rules import tried as outcomes

    total = sum(len(one.metadata.tests) for one in found.values())
    results = [one for _, detection in sorted(found.items()) for one in outcomes(detection, until=until)]
    failures = [one for one in results if not one["passed"]]
    for one in failures:
        what = f"{one['rule']} fails its own case {one['case']!r}: {'; '.join(one['differences'])}"
        yield Result("cases", FAIL, what, f"Do not rely on this rule here; `acrwatch rules test {one['rule']}`")
    if len(results) < total:
        tried_so_far = f"{len(results)} of {counted(total, 'case')} tried within {CASES_SECONDS:.0f} s"
        yield Result("cases", OK, f"{tried_so_far}; `acrwatch rules test` tries all")
    elif not failures:
        yield Result("cases", OK, f"all {total} cases of the rules go as they should")


def progress(session: Session) -> Iterator[Result]:
    """Tell which detections stand behind what is stored. Raises AcrWatchError."""
    from storage.lake import Lake
    from storage.query import Reader
    from storage.state import runs

    with session.database() as database, database.connect() as connection:
        stored = runs.load(connection)
        running = session.judging(connection)
        unseen = waiting(session, connection)
    cursors = {slug: cursor for slug, cursor in stored.items() if slug in running}
    missing = sorted(running - cursors.keys())
    if unseen is not None:
        yield Result("judged", WARN, *waiting_words(session, unseen))
    elif not stored:
        yield Result("judged", WARN, "no detection ever ran", "`acrwatch run` runs them, or `acrwatch detect`")
    if stored and missing:
        yield Result(
            "judged", WARN, f"never ran: {', '.join(missing)}", "`acrwatch run` runs them, or `acrwatch detect`"
        )
    with Reader(Lake.open(session.config.store.path).snapshot()) as reader:
        behind = {slug: _waiting(reader, cursor) for slug, cursor in sorted(cursors.items())}
    for slug, rows in behind.items():
        if rows > _BEHIND:
            yield Result("judged", WARN, f"{slug} has at least {rows:,} events to judge", "Is `acrwatch run` running?")
    if unseen is None and cursors and max(behind.values()) <= _BEHIND:
        yield Result("judged", OK, f"at most {counted(max(behind.values()), 'event')} waiting for a detection")


def _waiting(reader: "Reader", cursor: "Cursor") -> int:
    return reader.slice_after(cursor.positions, cursor.hint).rows
