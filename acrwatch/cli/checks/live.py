"""`acrwatch check --live`: what real audit records look like, from the lake alone, and without anyone's name in it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from acrwatch.cli.checks import traffic
from acrwatch.cli.checks.questions import answers
from acrwatch.cli.output import Column, bullets, cell, note, render, table, write_json
from acrwatch.cli.session import Session
from acrwatch.core.errors import NotFoundError
from acrwatch.core.wording import counted

if TYPE_CHECKING:
    from rich.console import RenderableType

    from storage.query import Reader

_QUERIES: Final = {
    "operations": traffic.OPERATIONS,
    "statuses": traffic.STATUSES,
    "identities": traffic.IDENTITIES,
    "addresses": traffic.ADDRESSES,
    "delays_seconds": traffic.DELAYS,
    "unknown_members": traffic.UNKNOWN,
    "control_plane": traffic.CONTROL_PLANE,
}
# More rejects than this say no more about their reasons.
_REJECTS: Final = 10_000
_HEADINGS: Final = {
    "operations": "Operations, and what they are taken for (`other`: no rule knows this name)",
    "statuses": "Status codes",
    "identities": "Identities: kind and shape (a: letters, 9: digits; never the identity itself)",
    "addresses": "Addresses",
    "delays_seconds": "Delays, in seconds",
    "unknown_members": "Members that no column knows",
    "control_plane": "Records of the Activity Log about registries, and how many hold what was asked for",
    "rejects": "Records refused in this time, by reason",
    "not_stored": "Read but not stored on these dates, or counted otherwise",
}


def show(session: Session, since: timedelta, *, as_json: bool) -> None:
    """Print what the events of the last `since` look like. Raises NotFoundError where nothing is stored of it."""
    found = report(session, since)
    if as_json:
        write_json(found)
        return
    render(cell(f"{counted(found['events'], 'event')} since {found['since']}", "bold"))
    for name, heading in _HEADINGS.items():
        render(cell(""), cell(heading, "bold"), _table(found[name]))
    render(cell(""), cell("Columns by the share of events that lack them", "bold"), _table(found["absent"]))
    render(cell(""), cell("Could each detection fire on this traffic", "bold"))
    render(bullets([_sentence(one) for one in found["detections"]]))
    render(cell(""), cell("What no documentation says, answered by this traffic", "bold"))
    render(table(found["questions"], _QUESTION_COLUMNS))
    note("Nothing above names a person, an address or a repository. docs/live-test.md says which calls fill the gaps.")


_QUESTION_COLUMNS: Final = (
    Column("QUESTION", lambda item: item["question"], wrap=True),
    Column("SEEN", lambda item: item["answer"], wrap=True),
)


def report(session: Session, since: timedelta) -> dict[str, Any]:
    """Return the whole report as JSON values. Raises NotFoundError, StoreError."""
    from detections.reach import derived, derived_of_activity, reaches
    from storage.activity import ACTIVITY
    from storage.lake import Lake
    from storage.query import Reader

    begin = session.clock.now() - since
    if not Path(session.config.store.path).exists():
        raise NotFoundError(f"there is no lake at {session.config.store.path}", remedy="Bring events in first")
    snapshot = Lake.open(session.config.store.path).snapshot()
    files = [file for file in snapshot.files if file.date >= begin.date()]
    recent = f"event_time >= TIMESTAMPTZ '{begin.isoformat()}'"
    with Reader(snapshot) as reader:
        fields = {**derived(), "recent": recent}
        reader.view("live", reader.whole(), files, lateness=timedelta(days=1), derived=fields)
        control = {**derived_of_activity(), "recent": recent}
        part, day = reader.whole(), timedelta(days=1)
        reader.view("live_activity", part, files, lateness=day, derived=control, where=ACTIVITY)
        (signs,) = _rows(reader, traffic.SIGNS)
        if not signs["events"]:
            raise NotFoundError(f"no event since {begin:%Y-%m-%d %H:%M}Z is stored", remedy="Say more with --since 30d")
        (present,) = _rows(reader, traffic.PRESENT)
        return {
            "since": f"{begin:%Y-%m-%dT%H:%M:%SZ}",
            "events": signs["events"],
            **{name: _rows(reader, sql) for name, sql in _QUERIES.items()},
            "absent": _absent(present, signs["events"]),
            "rejects": _rejects(session, begin),
            "not_stored": _not_stored(session, begin),
            "detections": [
                {**asdict(one), "could_fire": not one.obstacles}
                for one in reaches(session.rules.detections, reader, session.context(), present)
            ],
            "questions": answers(signs),
        }


def _absent(present: Mapping[str, int], events: int) -> list[dict[str, Any]]:
    """Return the columns that some event lacks, the emptiest first."""
    from storage.schema import BY_NAME

    found = [
        {"column": name, "absent": f"{1 - present[name] / events:.1%}"} for name in BY_NAME if present[name] < events
    ]
    return sorted(found, key=lambda item: (present[item["column"]], item["column"]))


def _rejects(session: Session, begin: datetime) -> list[dict[str, Any]]:
    from storage.state import rejects

    with session.database() as database, database.connect() as connection:
        found = [one.reason for one in rejects.recent(connection, limit=_REJECTS) if one.rejected_at >= begin]
    return [{"reason": reason, "records": count} for reason, count in sorted(Counter(found).items())]


def _not_stored(session: Session, begin: datetime) -> list[dict[str, Any]]:
    """Return what was read but not stored on the dates since `begin`, duplicates among it, by name."""
    from storage.state import counts

    total: Counter[str] = Counter()
    with session.database() as database, database.connect() as connection:
        for names in counts.read(connection, begin.date(), session.clock.now().date()).values():
            total.update(names)
    return [{"name": name, "number": number} for name, number in sorted(total.items())]


def _sentence(one: Mapping[str, Any]) -> str:
    if one["obstacles"]:
        return f"{one['slug']}: could not fire: {'; '.join(one['obstacles'])}"
    matching = "" if one["matching"] is None else f"; events that meet its condition: {one['matching']}"
    return f"{one['slug']}: could fire{matching}"


def _rows(reader: "Reader", sql: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = reader.query(sql).to_pylist()
    return rows


def _table(rows: Sequence[Mapping[str, Any]]) -> "RenderableType":
    if not rows:
        return cell("  none")
    return table(rows, [Column(name.upper(), _shown(name)) for name in rows[0]])


def _shown(name: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda row: str(row[name])
