"""What judging needs of the profile of anomalous-source-ip: light rows, and only from the dates that are asked for.

What a reader here costs follows the dates asked for and does not grow with the history before them. No sample is read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Subquery,
    and_,
    bindparam,
    case,
    func,
    select,
    update,
)

from storage.state.tables import network_days

# SQLite takes at most 32,766 variables in one statement.
_KEYS_AT_ONCE: Final = 500

Judgement = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Before:
    """The latest date before another on which an identity used a network, and why that date matched, if it did."""

    day: date
    judgement: Judgement | None


@dataclass(frozen=True, slots=True)
class Visit:
    """What a judgement needs of one network day. `before` is None on the first day of this identity and network, and
    only there `registries` are named: those it was used on, in order of name."""

    identity_key: str
    network: str
    day: date
    first_time: datetime
    judgement: Judgement | None
    before: Before | None
    registries: Sequence[str]


@dataclass(frozen=True, slots=True)
class PastUse:
    """One network day of an identity. `matched` says whether it did, `told` that it did as the first of its network."""

    network: str
    day: date
    matched: bool
    told: bool


@dataclass(frozen=True, slots=True)
class Stay:
    """The matching days of one identity in one network: first and last date, the time that the last one began, and of
    the day that followed without matching, if there is one, its date and the time that it began."""

    identity_key: str
    network: str
    first_day: date
    last_day: date
    last_time: datetime
    next_day: date | None
    next_time: datetime | None


def visits_since(connection: Connection, identities: Sequence[str], since: date) -> list[Visit]:
    """Return the network days of these identities on and after a UTC date, by identity and date."""
    return [
        _visit(row) for some in _portions(identities) for row in connection.execute(_visits(some, since.isoformat()))
    ]


def _visits(identities: Sequence[str], since: str) -> Select[Any]:
    day, last, any_before = network_days.alias(), network_days.alias(), network_days.alias()
    same = and_(any_before.c.identity_key == day.c.identity_key, any_before.c.network == day.c.network)
    before = select(func.max(any_before.c.date)).where(same, any_before.c.date < day.c.date).scalar_subquery()
    at_last = and_(
        last.c.identity_key == day.c.identity_key, last.c.network == day.c.network, last.c.date == before
    )  # fmt: skip
    registries = case((last.c.date.is_(None), day.c.sample["facts", "samples", "registry"]))
    columns = (day.c.identity_key, day.c.network, day.c.date, day.c.first_time, day.c.judgement)
    return (
        select(*columns, last.c.date, last.c.judgement, registries)
        .select_from(day.outerjoin(last, at_last))
        .where(day.c.identity_key.in_(identities), day.c.date >= since)
        .order_by(day.c.identity_key, day.c.date)
    )


def _visit(row: Sequence[Any]) -> Visit:
    identity, network, day, first_time, judgement, last_day, last_judgement, registries = row
    before = None if last_day is None else Before(date.fromisoformat(last_day), last_judgement)
    return Visit(identity, network, date.fromisoformat(day), first_time, judgement, before, registries or ())


def first_day(connection: Connection, identity: str) -> date | None:
    """Return the first UTC date of an identity; None where it has none."""
    earliest = select(func.min(network_days.c.date)).where(network_days.c.identity_key == identity)
    found = connection.execute(earliest).scalar()
    return None if found is None else date.fromisoformat(found)


def uses_before(connection: Connection, identity: str, day: date, *, dates: int, since: date) -> list[PastUse]:
    """Return the network days of an identity before a UTC date, in order of date: those of the last `dates` dates with
    a day that did not match, and whatever else lies after these began; at least all on and after `since`."""
    mine = (network_days.c.identity_key == identity, network_days.c.date < day.isoformat())
    used = select(network_days.c.date).where(*mine, network_days.c.judgement.is_(None)).distinct()
    latest = used.order_by(network_days.c.date.desc()).limit(1).offset(dates - 1)
    floor = min(connection.execute(latest).scalar() or "", since.isoformat())
    earlier = network_days.alias()
    same = and_(earlier.c.identity_key == network_days.c.identity_key, earlier.c.network == network_days.c.network)
    returned = select(earlier.c.date).where(same, earlier.c.date < network_days.c.date).exists()
    matched = network_days.c.judgement.is_not(None)
    columns = (network_days.c.network, network_days.c.date, matched, and_(matched, ~returned))
    query = select(*columns).where(*mine, network_days.c.date >= floor).order_by(network_days.c.date)
    return [
        PastUse(network, date.fromisoformat(when), bool(matched), bool(told))
        for network, when, matched, told in connection.execute(query)
    ]


def stays_of(connection: Connection, identities: Sequence[str]) -> list[Stay]:
    """Return the stays of these identities, by identity and network."""
    return [_stay(row) for some in _portions(identities) for row in connection.execute(_stays(some))]


def _stays(identities: Sequence[str]) -> Select[Any]:
    key = (network_days.c.identity_key, network_days.c.network)
    bounds = (func.min(network_days.c.date), func.max(network_days.c.date))
    stay = (
        select(*key, bounds[0].label("first_day"), bounds[1].label("last_day"))
        .where(network_days.c.identity_key.in_(identities), network_days.c.judgement.is_not(None))
        .group_by(*key)
        .subquery()
    )
    last, following, any_after = network_days.alias(), network_days.alias(), network_days.alias()
    after = select(func.min(any_after.c.date)).where(
        any_after.c.identity_key == stay.c.identity_key,
        any_after.c.network == stay.c.network,
        any_after.c.date > stay.c.last_day,
    )
    times = (last.c.first_time, following.c.date, following.c.first_time)
    return (
        select(*stay.c, *times)
        .select_from(stay)
        .join(last, _at(last, stay, stay.c.last_day))
        .outerjoin(following, _at(following, stay, after.scalar_subquery()))
        .order_by(stay.c.identity_key, stay.c.network)
    )


def _at(days: FromClause, stay: Subquery, day: ColumnElement[Any]) -> ColumnElement[bool]:
    return and_(days.c.identity_key == stay.c.identity_key, days.c.network == stay.c.network, days.c.date == day)


def _stay(row: Sequence[Any]) -> Stay:
    identity, network, first_day, last_day, last_time, next_day, next_time = row
    return Stay(
        identity,
        network,
        date.fromisoformat(first_day),
        date.fromisoformat(last_day),
        last_time,
        None if next_day is None else date.fromisoformat(next_day),
        next_time,
    )


def save_judgements(connection: Connection, visits: Iterable[Visit]) -> None:
    """Replace the judgements of days that are kept already by those of these visits."""
    rows = [
        {"who": visit.identity_key, "where": visit.network, "day": visit.day.isoformat(), "why": visit.judgement}
        for visit in visits
    ]
    if not rows:
        return
    mine = and_(
        network_days.c.identity_key == bindparam("who"),
        network_days.c.network == bindparam("where"),
        network_days.c.date == bindparam("day"),
    )
    connection.execute(update(network_days).where(mine).values(judgement=bindparam("why")), rows)


def _portions(identities: Sequence[str]) -> Iterable[Sequence[str]]:
    return (identities[start : start + _KEYS_AT_ONCE] for start in range(0, len(identities), _KEYS_AT_ONCE))
