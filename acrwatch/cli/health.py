"""What must be said wherever alerts are shown: that no alerts may mean nobody is looking."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from acrwatch.cli.session import Session
from acrwatch.cli.times import ago
from acrwatch.core.errors import StoreError
from acrwatch.core.wording import counted, noun_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from storage.backlog import Backlog

_SHOWN = 3
# Rejects are counted up to here; beyond it the number says no more than that there are too many.
_COUNTED = 100
# Records refused and events that could not be judged are said for as long as someone on duty would still want to know.
_SPAN: Final = timedelta(hours=24)
# A commit wakes a pass at once, which takes seconds; where the wake is lost, `detections.every` brings the next one. An
# event that three of these have passed by waits for something else; below a minute it may be a slow disk.
_TURNS: Final = 3
_SHORTEST: Final = timedelta(minutes=1)
# What waits for a destination that was taken away waits for good: past a week it is known.
_KNOWN: Final = timedelta(days=7)


def health_lines(session: Session, connection: "Connection") -> list[str]:
    """Return all there is to say beside a list of alerts; nothing if acrwatch sees everything."""
    now = session.clock.now()
    return [
        *unwatched_lines(connection),
        *waiting_lines(session, connection),
        *incident_lines(connection, now=now),
        *unjudged_lines(connection, since=now - _SPAN),
        *rejected_lines(connection, since=now - _SPAN),
        *dropped_lines(session, connection),
        *undelivered_lines(session, connection),
    ]


def waiting(session: Session, connection: "Connection") -> "Backlog | None":
    """Return what is stored and waits to be judged for longer than a running service takes. Raises StoreError."""
    from storage.backlog import backlog
    from storage.state import runs

    before = session.clock.now() - _patience(session)
    return backlog(Path(session.config.store.path), runs.load(connection), before=before)


def waiting_words(session: Session, found: "Backlog") -> tuple[str, str]:
    """Return what waits as a sentence without its full stop, and what to do about it."""
    now = session.clock.now()
    waits = noun_of(found.events or 0, "waits", "wait")
    number = "stored events" if found.events is None else counted(found.events, "stored event")
    what = f"{'at least ' if found.more else ''}{number} {waits} to be judged"
    if found.judged_at is None:
        return f"{what}: no detection ever ran", "Run `acrwatch detect --once`, or `acrwatch run`"
    what += "" if found.since is None else f", the first stored {ago(found.since, now)}"
    if now - found.judged_at < _patience(session):
        return f"{what}; the last pass was {ago(found.judged_at, now)}", "Look again when they are judged"
    return what, "Is `acrwatch run` running? `acrwatch detect --once` judges them now"


def waiting_lines(session: Session, connection: "Connection") -> list[str]:
    """Return that events are stored which nobody has judged: no alert can tell of them yet."""
    try:
        found = waiting(session, connection)
    except StoreError as error:
        return [f"Health: whether events wait to be judged is not known: {error}"]
    if found is None:
        return []
    what, remedy = waiting_words(session, found)
    return [f"Health: {what}; alerts may be missing. {remedy}."]


def _patience(session: Session) -> timedelta:
    return max(_SHORTEST, _TURNS * session.config.detections.every)


def incident_lines(connection: "Connection", *, now: datetime) -> list[str]:
    """Return what is wrong at `now`, longest first; nothing if all is well."""
    from storage.state import incidents

    found = [incident for incident in incidents.current(connection) if not incident.aged(now)]
    if not found:
        return []
    lines = [f"Health: {counted(len(found), 'incident')} open; alerts may be missing. See `acrwatch incidents list`."]
    for incident in found[:_SHOWN]:
        remedy = f". {incident.remedy}" if incident.remedy else ""
        lines.append(f"  since {incident.since:%Y-%m-%d %H:%M}Z: {incident.message}{remedy}")
    if len(found) > _SHOWN:
        lines.append(f"  and {len(found) - _SHOWN} more.")
    return lines


def unwatched_lines(connection: "Connection") -> list[str]:
    """Return since when no `acrwatch run` looks any more, where one ever did: nothing else here would tell."""
    from storage.state import leases

    ended = leases.lapsed(connection, "watch")
    if ended is None:
        return []
    since = f"{ended:%Y-%m-%d %H:%M}Z"
    line = (
        f"Health: no `acrwatch run` has looked for silence, lag and gaps since {since}. Is it running? What came since"
    )
    return [f"{line} may be neither read nor judged."]


def unjudged_lines(connection: "Connection", *, since: datetime) -> list[str]:
    """Return which detections met events since a moment that they could not judge."""
    from storage.state import runs

    found = runs.unjudged(connection, since=since)
    return [
        f"Health: {slug} could not judge {counted(count, 'event')} of the last day; `acrwatch check --live` shows "
        "which members of the records are absent or unusable."
        for slug, count in sorted(found.items())
    ]


def rejected_lines(connection: "Connection", *, since: datetime) -> list[str]:
    """Return how many records have been refused since a moment and wait to be replayed: none of them was judged."""
    from storage.state import rejects

    found = [
        reject
        for reject in rejects.recent(connection, limit=_COUNTED, pending_only=True)
        if reject.rejected_at >= since
    ]
    if not found:
        return []
    count = f"{_COUNTED} or more" if len(found) == _COUNTED else str(len(found))
    noun = "record" if len(found) == 1 else "records"
    return [f"Health: {count} {noun} refused in the last day and not judged; see `acrwatch rejects list --pending`."]


def dropped_lines(session: Session, connection: "Connection") -> list[str]:
    """Return how many refused records of today and yesterday (UTC) could not even be kept."""
    from storage.state import rejects

    today, keep = session.clock.now().date(), session.config.store.state_retention
    number = rejects.dropped(connection, today - timedelta(days=1), today)
    if not number:
        return []
    line = (
        f"Health: {counted(number, 'refused record')} since yesterday {noun_of(number, 'was', 'were')} only counted: "
        f"{rejects.MAX_TOTAL_BYTES >> 20} MB of rejects are kept already. See `acrwatch rejects list` for who sends "
        f"them; those over {keep.days} days old make room."
    )
    return [line]


def undelivered_lines(session: Session, connection: "Connection") -> list[str]:
    """Return which destinations have not been told of alerts: whoever relies on one of them does not know."""
    now = session.clock.now()
    see = "see `acrwatch deliveries list --destination"
    return [
        f"Health: {one.words}; {see} {one.destination}`."
        for one in undelivered(session, connection)
        if now - one.since < _KNOWN
    ]


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What has waited for a destination since a time (aware UTC): in `words` without a full stop."""

    destination: str
    since: datetime
    configured: bool
    words: str


def undelivered(session: Session, connection: "Connection") -> Iterator[Undelivered]:
    """Yield what has waited for too long, for destinations that are configured or were."""
    from storage.state import outbox

    configured = {one.name for one in session.config.destinations}
    for name, (number, since) in outbox.overdue(connection, now=session.clock.now()).items():
        whose = name if name in configured else f"{name}, a destination that is not configured,"
        waits = noun_of(number, "waits", "wait")
        words = f"{counted(number, 'notice')} for {whose} {waits} since {since:%Y-%m-%d %H:%M}Z"
        yield Undelivered(name, since, name in configured, words)
