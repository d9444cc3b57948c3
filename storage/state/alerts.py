"""Alerts: what stands, what it rests on, and who changed it when."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, case, func, insert, or_, select, update

from acrwatch.core.errors import ConflictError, NotFoundError
from storage.state.tables import alert_history, alerts

NEW: Final = "new"
ACTIVE: Final = "active"
CLOSED: Final = "closed"
# Alerts that nobody is told of: kept apart from the others, so that they neither hide nor delay any of them. Building
# blocks alone of them count towards the risk of an entity (docs/decisions/0019).
SUPPRESSED: Final = "suppressed"
STAGED: Final = "staged"
BUILDING_BLOCK: Final = "building-block"
SET_APART: Final = (SUPPRESSED, STAGED, BUILDING_BLOCK)

# Why the engine closes an alert; any other close reason is a person's verdict.
MERGED: Final = "merged"
SUPERSEDED: Final = "superseded"
RECOVERED: Final = "recovered"
EXPIRED: Final = "expired"
# A person's word on an alert about acrwatch itself, by `acrwatch incidents ack`.
ACKNOWLEDGED: Final = "acknowledged"
ENGINE_REASONS: Final = frozenset({MERGED, SUPERSEDED, RECOVERED, EXPIRED, ACKNOWLEDGED})

# What notes, histories and JSON call that `count` is the least it can be; absent from the first two where it is exact.
MINIMUM: Final = "count_is_minimum"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. Times are aware UTC; `evidence` is [[ISO time, event id in hex], ...], earliest first and capped."""

    id: str
    rule: str
    rule_id: str
    rule_version: str
    context_version: str | None
    title: str
    severity: str
    tags: Sequence[str]
    group_key: str
    entities: Sequence[Mapping[str, str]]
    registries: Sequence[str]
    status: str
    close_reason: str | None
    merged_into: str | None
    historical: bool
    first_seen: datetime
    last_seen: datetime
    count: int
    evidence: Sequence[Sequence[str]]
    evidence_rows: Sequence[Any]
    facts: Mapping[str, Any]
    reason: str
    revision: int
    created_at: datetime
    updated_at: datetime
    raised_at: datetime
    closed_at: datetime | None
    changed_after_close: bool
    assignee: str | None = None
    acked_at: datetime | None = None
    suppressed_by: int | None = None

    @property
    def standing(self) -> bool:
        """Whether it is the engine's present word on its events, open or closed by a person."""
        return self.close_reason not in (MERGED, SUPERSEDED)

    @property
    def count_is_minimum(self) -> bool:
        """Whether more events may have matched than `count`: its parts share events and do not keep all of theirs."""
        return bool(self.facts.get("notes", {}).get(MINIMUM, False))

    @property
    def evidence_truncated(self) -> bool:
        """Whether more events matched, or may have, than `evidence` has."""
        return self.count > len(self.evidence) or self.count_is_minimum


@dataclass(frozen=True, slots=True, order=True)
class Lane:
    """Which alerts of a rule and group a match may join: those people are told of, or one kind of those set apart."""

    status: str = NEW
    suppressed_by: int | None = None

    @classmethod
    def of(cls, alert: Alert) -> "Lane":
        """Return the lane of an alert."""
        return cls(alert.status, alert.suppressed_by) if alert.status in SET_APART else LIVE

    @property
    def condition(self) -> ColumnElement[bool]:
        """What its alerts have in common, in SQL."""
        if self.status not in SET_APART:
            return alerts.c.status.not_in(SET_APART)
        return and_(alerts.c.status == self.status, alerts.c.suppressed_by.is_not_distinct_from(self.suppressed_by))


LIVE: Final = Lane()
BLOCKS: Final = Lane(BUILDING_BLOCK)

# SQLite takes at most 32,766 variables in one statement.
_KEYS_AT_ONCE: Final = 500
# As many alerts are named where a beginning of an id is that of several.
_NAMED: Final = 5

_COLUMNS: Final = [alerts.c[field.name] for field in fields(Alert)]


def new_id(now: datetime) -> str:
    """Return an alert id: milliseconds since 1970 and 48 random bits, in hex, so that ids sort by age.

    A first start on a long history may make 100,000 alerts in one millisecond: with 32 bits two of them would be
    likely to share an id, with 48 the chance is 1 in 50,000.
    """
    return f"{int(now.timestamp() * 1000):012x}{secrets.token_hex(6)}"


def insert_alert(connection: Connection, alert: Alert) -> None:
    """Store a new alert."""
    connection.execute(insert(alerts), _row(alert))


def save(connection: Connection, alert: Alert) -> None:
    """Store the next revision of an alert, by compare-and-swap: whoever changes one adds 1 to the revision they read.

    Raises ConflictError where another change made that revision first; read the alert again, and decide anew.
    """
    before = and_(alerts.c.id == alert.id, alerts.c.revision == alert.revision - 1)
    if connection.execute(update(alerts).where(before).values(**_row(alert))).rowcount != 1:
        raise ConflictError(
            f"alert {alert.id} was changed by another before its revision {alert.revision} was stored",
            remedy="Look at it again, then repeat the change if it still applies",
        )


def _row(alert: Alert) -> dict[str, Any]:
    """Not by `asdict`, which copies every value of the evidence: a third of what storing an alert took."""
    given = {column.name: getattr(alert, column.name) for column in _COLUMNS}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}


def record(
    connection: Connection, alert_id: str, change: str, detail: Mapping[str, Any], *, actor: str, now: datetime
) -> None:
    """Add one line to an alert's history. History is never rewritten.

    What people change stands in `detail` as {"fields": {name: {"from", "to"}}}, and what they said as "comment".
    """
    connection.execute(
        insert(alert_history),
        {"alert_id": alert_id, "at": now, "actor": actor, "change": change, "detail": dict(detail)},
    )


def history(connection: Connection, alert_id: str) -> list[dict[str, Any]]:
    """Return an alert's history, oldest first: at, actor, change, detail."""
    rows = connection.execute(
        select(alert_history).where(alert_history.c.alert_id == alert_id).order_by(alert_history.c.id)
    )
    return [dict(row) for row in rows.mappings()]


def changes(connection: Connection, since: datetime, until: datetime, *, but: str) -> list[dict[str, Any]]:
    """Return what was done to any alerts from `since` until before `until` by others than the actor `but`, oldest
    first: alert_id, at, actor, change, detail."""
    within = and_(alert_history.c.at >= since, alert_history.c.at < until, alert_history.c.actor != but)
    rows = connection.execute(select(alert_history).where(within).order_by(alert_history.c.at, alert_history.c.id))
    return [dict(row) for row in rows.mappings()]


def standing(
    connection: Connection,
    rule: str,
    group_key: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    lane: Lane | None = LIVE,
) -> list[Alert]:
    """Return the standing alerts of one rule, group and lane (None: all lanes) whose interval touches [since, until],
    oldest id first.

    Held until the write transaction ends, so that on PostgreSQL no person changes one between reading and saving, which
    `save` would refuse. SQLite has one writer at a time anyway.
    """
    conditions: list[ColumnElement[bool]] = [alerts.c.rule == rule, alerts.c.group_key == group_key, is_standing()]
    if since is not None:
        conditions.append(alerts.c.last_seen >= since)
    if until is not None:
        conditions.append(alerts.c.first_seen <= until)
    if lane is not None:
        conditions.append(lane.condition)
    return _read(connection, *conditions, hold=True)


def open_near(connection: Connection, rule: str, *, since: datetime, until: datetime) -> list[Alert]:
    """Return the alerts of one rule, of whatever group, that stand open and whose interval touches [since, until]."""
    within = and_(alerts.c.last_seen >= since, alerts.c.first_seen <= until)
    return _read(connection, alerts.c.rule == rule, alerts.c.closed_at.is_(None), within, is_standing())


def closed_by_people(connection: Connection, rule: str, group_keys: Sequence[str]) -> list[Alert]:
    """Return the alerts of a rule and any of these groups that a person closed."""
    found: list[Alert] = []
    for start in range(0, len(group_keys), _KEYS_AT_ONCE):
        these = alerts.c.group_key.in_(group_keys[start : start + _KEYS_AT_ONCE])
        found += _read(connection, alerts.c.rule == rule, these, alerts.c.closed_at.is_not(None), is_standing())
    return found


def find(
    connection: Connection,
    *,
    status: str | None = None,
    rule: str | None = None,
    historical: bool | None = None,
    assignee: str | None = None,
    blocks: bool = False,
    include_withdrawn: bool = False,
    severities: Sequence[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
) -> list[Alert]:
    """Return alerts, newest first. Merged and superseded ones only when asked for, as those set apart are, by their
    status; with `blocks` building blocks are among the others. `assignee` "" is nobody. `since` and `until` (not
    included): alerts with events in between, or around it."""
    conditions = _wanted(status, rule, historical, assignee, include_withdrawn, severities, since, until, blocks)
    query = select(*_COLUMNS).where(*conditions).order_by(alerts.c.created_at.desc(), alerts.c.id.desc()).limit(limit)
    return [Alert(**row) for row in connection.execute(query).mappings()]


def how_many(
    connection: Connection,
    *,
    status: str | None = None,
    rule: str | None = None,
    severities: Sequence[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> int:
    """Return how many alerts `find` would return."""
    conditions = _wanted(status, rule, None, None, False, severities, since, until)
    return connection.execute(select(func.count()).select_from(alerts).where(*conditions)).scalar_one()


def _wanted(
    status: str | None,
    rule: str | None,
    historical: bool | None,
    assignee: str | None,
    include_withdrawn: bool,
    severities: Sequence[str] | None,
    since: datetime | None,
    until: datetime | None,
    blocks: bool = False,
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [] if include_withdrawn else [is_standing()]
    shown = or_(LIVE.condition, BLOCKS.condition) if blocks else LIVE.condition
    conditions += [] if status in SET_APART else [shown]
    assigned = func.coalesce(alerts.c.assignee, "")
    wanted = ((alerts.c.status, status), (alerts.c.rule, rule), (alerts.c.historical, historical), (assigned, assignee))
    conditions += [column == value for column, value in wanted if value is not None]
    conditions += [] if severities is None else [alerts.c.severity.in_(severities)]
    conditions += [] if since is None else [alerts.c.last_seen >= since]
    conditions += [] if until is None else [alerts.c.first_seen < until]
    return conditions


def count(connection: Connection, *, historical: bool | None = None) -> int:
    """Return how many alerts stand that are not set apart."""
    conditions = [is_standing(), LIVE.condition]
    conditions += [] if historical is None else [alerts.c.historical == historical]
    return connection.execute(select(func.count()).select_from(alerts).where(*conditions)).scalar_one()


def unlisted(connection: Connection, *, since: datetime) -> dict[str, int]:
    """Return how many alerts created since a moment a list leaves out unless it is asked for them: by the status of
    those set apart, and of the others `historical`, and `withdrawn` where they do not stand any more."""
    withdrawn = (~is_standing(), "withdrawn")
    why = case((alerts.c.status.in_(SET_APART), alerts.c.status), withdrawn, (alerts.c.historical, "historical"))
    query = select(why, func.count()).where(alerts.c.created_at >= since).group_by(why)
    return {reason: number for reason, number in connection.execute(query) if reason is not None}


def hidden_by(connection: Connection, *, since: datetime | None = None) -> dict[int, tuple[int, int]]:
    """Return, by suppression, the number of its standing alerts created since a moment, and of their events."""
    suppressed = [alerts.c.status == SUPPRESSED, is_standing()]
    suppressed += [] if since is None else [alerts.c.created_at >= since]
    query = select(alerts.c.suppressed_by, func.count(), func.sum(alerts.c.count)).where(*suppressed)
    rows = connection.execute(query.group_by(alerts.c.suppressed_by))
    return {one: (number, int(events)) for one, number, events in rows if one is not None}


def seen_since(connection: Connection, since: datetime) -> list[Alert]:
    """Return the standing alerts, none set apart, whose last event is not before a moment, newest first."""
    found = [is_standing(), LIVE.condition, alerts.c.last_seen >= since]
    return sorted(_read(connection, *found), key=lambda alert: alert.first_seen, reverse=True)


def touching(connection: Connection, since: datetime, until: datetime) -> list[Alert]:
    """Return the standing alerts, those set apart too, that were raised from `since` until before `until` or have
    events then, earliest event first."""
    raised = and_(alerts.c.created_at >= since, alerts.c.created_at < until)
    seen = and_(alerts.c.last_seen >= since, alerts.c.first_seen < until)
    return sorted(_read(connection, is_standing(), or_(raised, seen)), key=lambda alert: (alert.first_seen, alert.id))


def rules(connection: Connection) -> set[str]:
    """Return the rules that ever raised an alert, whatever became of it."""
    return set(connection.execute(select(alerts.c.rule).distinct()).scalars())


def registries(connection: Connection) -> set[str]:
    """Return the registries that any alert names, whatever became of it."""
    return {name for names in connection.execute(select(alerts.c.registries)).scalars() for name in names}


def left_open(connection: Connection, before: datetime) -> list[Alert]:
    """Return the alerts, none set apart or historical, that were raised and seen last before a moment and are open
    still, oldest first."""
    ended = and_(alerts.c.created_at < before, alerts.c.last_seen < before, alerts.c.closed_at.is_(None))
    return _read(connection, is_standing(), LIVE.condition, ended, alerts.c.historical.is_(False))


def some(connection: Connection, ids: Sequence[str]) -> list[Alert]:
    """Return the alerts with these ids, by id."""
    starts = range(0, len(ids), _KEYS_AT_ONCE)
    found = (_read(connection, alerts.c.id.in_(ids[start : start + _KEYS_AT_ONCE])) for start in starts)
    return [alert for part in found for alert in part]


def kinds_of(connection: Connection, ids: Sequence[str]) -> set[tuple[str, str, bool]]:
    """Return the rules and severities of those of these alerts that stand, none set apart but building blocks, and
    whether they are such."""
    found: set[tuple[str, str, bool]] = set()
    block = (alerts.c.status == BUILDING_BLOCK).label("block")
    for start in range(0, len(ids), _KEYS_AT_ONCE):
        counted = or_(LIVE.condition, BLOCKS.condition)
        these = [alerts.c.id.in_(ids[start : start + _KEYS_AT_ONCE]), is_standing(), counted]
        query = select(alerts.c.rule, alerts.c.severity, block).where(*these).distinct()
        found.update((rule, severity, bool(is_block)) for rule, severity, is_block in connection.execute(query))
    return found


def get(connection: Connection, alert_id: str, *, hold: bool = False) -> Alert:
    """Return one alert by id or by an unambiguous beginning of it. Raises NotFoundError.

    With `hold`, in a write transaction, nobody else changes it until that ends: for those who then `save`.
    """
    found = _read(connection, alerts.c.id.startswith(alert_id, autoescape=True), hold=hold)
    if not found:
        raise NotFoundError(
            f"no alerts have an id that begins with {alert_id!r}",
            remedy="`acrwatch alerts list --all` lists alerts; those set apart need --building-blocks, --staged or "
            "--suppressed",
        )
    if len(found) > 1:
        some = ", ".join(f"{alert.id} ({alert.rule})" for alert in found[:_NAMED])
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise NotFoundError(
            f"{len(found)} alerts have an id that begins with {alert_id!r}: {some}{more}", remedy="Write more of the id"
        )
    return found[0]


def is_standing() -> ColumnElement[bool]:
    """Return the condition that an alert is the engine's present word on its events."""
    return func.coalesce(alerts.c.close_reason, "").not_in([MERGED, SUPERSEDED])


def _read(connection: Connection, *conditions: ColumnElement[bool], hold: bool = False) -> list[Alert]:
    query = select(*_COLUMNS).where(*conditions).order_by(alerts.c.id)
    rows = connection.execute(query.with_for_update() if hold else query)
    return [Alert(**row) for row in rows.mappings()]


def as_json(alert: Alert, *, public_url: str = "") -> dict[str, Any]:
    """Return the alert as webhooks, the CLI and the API give it; times are ISO 8601 in UTC.

    `evidence` lists the ids of the earliest matching events; `evidence_truncated` says that there are, or may be,
    more. `parts` are the ids of the alerts it is made of, where it is one about an entity's risk; where those share
    events and do not keep all of theirs, `count_is_minimum` is true.
    """
    times = ("first_seen", "last_seen", "created_at", "updated_at", "raised_at", "acked_at", "closed_at")
    plain = {name: _iso(getattr(alert, name)) for name in times}
    kept = ("id", "rule", "rule_id", "rule_version", "context_version", "title", "severity", "status", "reason")
    more = (
        "historical",
        "entities",
        "registries",
        "count",
        "tags",
        "revision",
        "close_reason",
        "merged_into",
        "assignee",
        "suppressed_by",
    )
    return {
        **{name: getattr(alert, name) for name in kept},
        "url": f"{public_url.rstrip('/')}/alerts/{alert.id}",
        **{name: getattr(alert, name) for name in more},
        **plain,
        "changed_after_close": alert.changed_after_close,
        "parts": [part["id"] for part in made_of(alert)],
        "evidence": [event_id for _, event_id in alert.evidence],
        "evidence_truncated": alert.evidence_truncated,
        MINIMUM: alert.count_is_minimum,
        "evidence_rows": [
            {"event_time": time.replace("+00:00", "Z"), "event_id": event_id, **row}
            for (time, event_id), row in alert.evidence_rows
        ],
    }


def made_of(alert: Alert) -> Sequence[Mapping[str, Any]]:
    """Return the alerts that one about an entity's risk is made of, as they were then: `id`, `rule`, `severity` and
    `first_seen` (ISO 8601). Of any other alert there are none."""
    found: Sequence[Mapping[str, Any]] = alert.facts.get("notes", {}).get("parts", ())
    return found


def history_as_json(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return one line of an alert's history as the CLI and the API give it."""
    return {"at": _iso(line["at"]), **{name: line[name] for name in ("actor", "change", "detail")}}


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
