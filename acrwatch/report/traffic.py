"""What the events of a span say in figures: how many, who, from where, on what, and how late they came."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pyarrow as pa

from acrwatch.report.scope import Scope
from detections.fields import DERIVED
from storage.query import Reader, span_of
from storage.state.runs import Cursor

TOP: Final = 15
"""How many identities, networks and registries are shown; the page says how many there are."""

_COLUMNS: Final = (
    "event_id, event_time, registry, identity, identity_kind, caller_ip, network, operation, succeeded, status_code, "
    "repository, tag, digest, user_agent, source, sequence_number, late, "
    "epoch_us(coalesce(enqueued_time, ingested_at)) - epoch_us(event_time) AS delay"
)
_COUNTS: Final = (
    "count(*) AS events, count(*) FILTER (NOT succeeded) AS failed, "
    "count(*) FILTER (operation = 'pull' AND succeeded) AS pulls, "
    "count(*) FILTER (operation IN ('push', 'import') AND succeeded) AS pushes, "
    "count(*) FILTER (operation IN ('delete', 'untag', 'purge') AND succeeded) AS removals, "
    "count(DISTINCT identity) AS identities, count(DISTINCT network) AS networks, "
    "count(DISTINCT repository) AS repositories, min(event_time) AS first_seen, max(event_time) AS last_seen"
)
# What the removals are, by operation, as alerts on them say it.
_REMOVED: Final = ", ".join(
    f"count(*) FILTER (operation = '{name}' AND succeeded) AS {name}" for name in ("delete", "untag", "purge")
)
# Azure's own word for how late records come is minutes; the 95th of a hundred tells a backlog from one straggler.
_DELAYS: Final = "quantile_cont(delay, 0.5) AS typical, quantile_cont(delay, 0.95) AS slow, max(delay) AS slowest"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class About:
    """Whose events: those by any of these identities (case ignored) or from any of these addresses."""

    identities: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Traffic:
    """Events in figures. Rows are dicts; times in them are aware UTC.

    `totals`: counts of all, `removals` also as the `delete`, `untag` and `purge` they are. `by_time`: per step and
    operation. `identities`, `networks`, `registries`: the TOP of each by events, `counted` in each row being how many
    there are, as `totals` counts them; events that name none are one more row, the last. `presence`: per step for those
    identities.
    """

    totals: Row
    by_time: Sequence[Row]
    identities: Sequence[Row]
    networks: Sequence[Row]
    registries: Sequence[Row]
    presence: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Arrival:
    """How the events came. `delays`: per registry the `typical`, `slow` (95 of 100 are faster) and `slowest` time from
    event to arrival, and when it was `last_seen`. `waiting`: by detection, how many of the events it has not judged
    yet; under "" where none has ever judged any."""

    events: int
    delays: Sequence[Row]
    waiting: Mapping[str, int]


def figures(reader: Reader, scope: Scope) -> Traffic:
    """Return the figures of the events that `hold` read. Raises StoreError."""
    (totals,) = _rows(reader, f"SELECT {_COUNTS}, {_REMOVED}, count(*) FILTER (late) AS late FROM report_events")
    step, since = scope.step // timedelta(microseconds=1), _epoch(scope.since)
    bucket = f"make_timestamptz({since} + (epoch_us(event_time) - {since}) // {step} * {step})"
    # One name may be the admin of one registry and a token of another; it is one identity here, as in the totals.
    identities = _top(reader, "identity", "string_agg(DISTINCT identity_kind, ', ' ORDER BY identity_kind)")
    return Traffic(
        totals,
        _rows(
            reader,
            f"SELECT {bucket} AS at, operation, count(*) AS events, "
            "count(*) FILTER (NOT succeeded) AS failed FROM report_events GROUP BY ALL ORDER BY ALL",
        ),
        identities,
        _top(reader, "network"),
        _top(reader, "registry"),
        _presence(reader, bucket, [row["identity"] for row in identities]),
    )


def arrival(reader: Reader, cursors: Mapping[str, Cursor], judging: Collection[str] | None = None) -> Arrival:
    """Return how the events that `hold` read came, and which detections have not judged them: of those in `judging`,
    for the cursor of one that is retired or not installed any more stands still for ever. Raises StoreError."""
    standing = {slug: one for slug, one in cursors.items() if judging is None or slug in judging}
    delays = _rows(
        reader,
        f"SELECT registry, count(*) AS events, {_DELAYS}, max(event_time) AS last_seen "
        "FROM report_events GROUP BY registry ORDER BY registry",
    )
    return Arrival(sum(row["events"] for row in delays), delays, _waiting(reader, standing))


def hold(reader: Reader, scope: Scope, *, lateness: timedelta, about: About | None = None) -> None:
    """Read the events of a scope once, of some callers alone where `about` says so, for the many questions of a report.
    Raises StoreError."""
    part = span_of(reader.snapshot, scope.since, scope.until)
    reader.view("report_span", part, part.files, lateness=lateness, derived=DERIVED)
    reader.register("report_registries", _texts(scope.registries))
    wanted = ["e.is_new"]
    if scope.registries:
        wanted.append("e.registry IN (FROM report_registries)")
    if about is not None:
        reader.register("report_identities", _texts([name.lower() for name in about.identities]))
        reader.register("report_addresses", _texts(about.addresses))
        wanted.append("(lower(e.identity) IN (FROM report_identities) OR e.caller_ip IN (FROM report_addresses))")
    reader.hold(
        "report_events",
        f"SELECT {_COLUMNS} FROM report_span e WHERE {' AND '.join(wanted)}",
    )


def sequence(reader: Reader, evidence: Sequence[str], *, limit: int) -> tuple[Sequence[Row], int]:
    """Return what was done, in order, and how many lines there are in all: what the same caller did in the same place
    with the same outcome, with nothing else between, is one line.

    Of the events that `hold` read. `evidence` are event ids in hex; each line counts its own as `proven`. Of more than
    `limit` lines those with evidence come before others.
    """
    reader.register("report_evidence", pa.table({"id": pa.array(map(bytes.fromhex, evidence), pa.binary())}))
    rows = _rows(
        reader,
        "WITH ordered AS (SELECT *, struct_pack(registry, identity, caller_ip, operation, repository, status_code) AS "
        "deed FROM report_events), "
        "marked AS (SELECT *, CASE WHEN deed IS DISTINCT FROM lag(deed) OVER (ORDER BY event_time, event_id) "
        "THEN 1 ELSE 0 END AS fresh FROM ordered), "
        "numbered AS (SELECT *, sum(fresh) OVER (ORDER BY event_time, event_id) AS run FROM marked), "
        "lines AS (SELECT min(event_time) AS first_seen, max(event_time) AS last_seen, any_value(deed) AS deed, "
        "count(*) AS events, count(*) FILTER (event_id IN (FROM report_evidence)) AS proven, "
        "arg_min(tag, event_time) AS tag, arg_min(digest, event_time) AS digest, any_value(user_agent) AS user_agent "
        "FROM numbered GROUP BY run), "
        "chosen AS (SELECT *, count(*) OVER () AS lines FROM lines "
        "ORDER BY proven = 0, first_seen LIMIT $1) SELECT * FROM chosen ORDER BY first_seen, last_seen",
        [limit],
    )
    return [{**row, **row["deed"]} for row in rows], rows[0]["lines"] if rows else 0


def _top(reader: Reader, column: str, kind: str = "NULL") -> Sequence[Row]:
    return _rows(
        reader,
        f"SELECT {column}, {kind} AS kind, {_COUNTS}, count({column}) OVER () AS counted FROM report_events "
        f"GROUP BY {column} "
        f"QUALIFY row_number() OVER (PARTITION BY {column} IS NULL ORDER BY count(*) DESC, {column}) <= {TOP} "
        f"ORDER BY {column} IS NULL, events DESC, {column}",
    )


def _presence(reader: Reader, bucket: str, identities: Sequence[str | None]) -> Sequence[Row]:
    reader.register("report_top", _texts([name for name in identities if name is not None]))
    return _rows(
        reader,
        f"SELECT {bucket} AS at, identity, count(*) AS events FROM report_events "
        "WHERE identity IN (FROM report_top) GROUP BY ALL ORDER BY ALL",
    )


def _waiting(reader: Reader, cursors: Mapping[str, Cursor]) -> Mapping[str, int]:
    """Most detections stand at the same place: it is asked once for each place."""
    places: dict[tuple[tuple[str, int], ...], list[str]] = {}
    for slug, cursor in cursors.items():
        places.setdefault(tuple(sorted(cursor.positions.items())), []).append(slug)
    found: dict[str, int] = {}
    for place, slugs in places.items() or [((), [""])]:
        columns = {"source": pa.array([source for source, _ in place], pa.string())}
        columns["position"] = pa.array([number for _, number in place], pa.int64())
        reader.register("report_judged", pa.table(columns))
        (row,) = _rows(
            reader,
            "SELECT count(*) AS events FROM report_events e LEFT JOIN report_judged p ON p.source = e.source "
            "WHERE p.position IS NULL OR e.sequence_number > p.position",
        )
        found.update((slug, row["events"]) for slug in slugs if row["events"])
    return found


def _rows(reader: Reader, sql: str, parameters: Sequence[Any] = ()) -> Sequence[Row]:
    return [
        {name: _plain(name, value) for name, value in row.items()} for row in reader.query(sql, parameters).to_pylist()
    ]


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return timedelta(microseconds=float(value)) if name in ("typical", "slow", "slowest") else value


def _epoch(moment: datetime) -> int:
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


def _texts(values: Sequence[str]) -> pa.Table:
    return pa.table({"value": pa.array(values, pa.string())})
