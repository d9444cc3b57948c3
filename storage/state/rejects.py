"""Records that could not become events: kept with their bytes and a reason, to be replayed after a fix."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Final

from sqlalchemy import Connection, case, delete, func, select, tuple_, update

from acrwatch.core.errors import NotFoundError
from acrwatch.core.model import Reject
from storage.state import counts
from storage.state.dialect import insert
from storage.state.tables import ingest_counts, rejects

MAX_BODY_BYTES: Final = 64 * 1024
MAX_DETAIL_CHARACTERS: Final = 2_000
# A flood of garbage must not fill the disk that alerts need. What comes after this much is only counted.
MAX_TOTAL_BYTES: Final = 256 * 1024 * 1024
# Names in ingest_counts. The bytes are kept per date so that expiring a date gives its share back.
DROPPED: Final = "rejects_dropped"
_BYTES: Final = "rejects_bytes"
_CROWDED: Final = 0.9  # of MAX_TOTAL_BYTES: old rejects then make room for new ones
_ROW_BYTES: Final = 200  # a row without its body and detail takes about this much, with its indexes

Key = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class StoredReject:
    """A reject as it was kept. `body` holds the first 64 KiB of `body_length` bytes; times are aware UTC."""

    stream: str
    sequence_number: int
    ordinal: int
    reason: str
    detail: str
    body: bytes
    body_length: int
    enqueued_time: datetime | None
    rejected_at: datetime
    replayed_at: datetime | None

    @property
    def whole(self) -> bool:
        """Whether the body was kept whole: only then it can be replayed."""
        return len(self.body) == self.body_length


def store(connection: Connection, found: Sequence[Reject], *, now: datetime) -> int:
    """Keep rejects, each once per (stream, sequence number, ordinal); return how many were new and kept.

    Storing one again changes nothing. Past MAX_TOTAL_BYTES a reject is dropped and counted as `rejects_dropped` of
    the UTC date of `now` (again each time it comes back).
    """
    present = _present(connection, found)
    new = {_key(reject): reject for reject in found if _key(reject) not in present}
    room = MAX_TOTAL_BYTES - _total_bytes(connection) if new else 0
    rows: list[dict[str, Any]] = []
    used = 0
    for reject in new.values():
        row = _row(reject, now)
        size = _ROW_BYTES + len(row["body"]) + len(row["detail"])
        if used + size <= room:
            used += size
            rows.append(row)
    if rows:
        connection.execute(insert(connection, rejects).on_conflict_do_nothing(), rows)
    tally = {_BYTES: used, DROPPED: len(new) - len(rows)}
    counts.add(connection, now.astimezone(UTC).date(), {name: count for name, count in tally.items() if count})
    return len(rows)


def recent(
    connection: Connection, *, limit: int, reason: str | None = None, pending_only: bool = False
) -> Sequence[StoredReject]:
    """Return the latest rejects, newest first; with `pending_only` just those not yet replayed."""
    query = select(rejects).order_by(
        rejects.c.rejected_at.desc(), rejects.c.stream, rejects.c.sequence_number.desc(), rejects.c.ordinal
    )
    if reason is not None:
        query = query.where(rejects.c.reason == reason)
    if pending_only:
        query = query.where(rejects.c.replayed_at.is_(None))
    return [StoredReject(**row) for row in connection.execute(query.limit(limit)).mappings()]


def counted(connection: Connection, since: datetime, until: datetime) -> dict[str, tuple[int, int]]:
    """Return, by reason, how many records were refused from `since` until before `until`, and how many of those have
    not become events since."""
    within = rejects.c.rejected_at >= since, rejects.c.rejected_at < until
    waiting = func.sum(case((rejects.c.replayed_at.is_(None), 1), else_=0))
    query = select(rejects.c.reason, func.count(), waiting).where(*within).group_by(rejects.c.reason)
    return {
        reason: (number, int(left)) for reason, number, left in connection.execute(query.order_by(rejects.c.reason))
    }


def get(connection: Connection, key: Key) -> StoredReject:
    """Return one reject by (stream, sequence number, ordinal). Raises NotFoundError."""
    row = connection.execute(select(rejects).where(_is(key))).mappings().one_or_none()
    if row is None:
        raise NotFoundError(
            f"no reject {key[2]} at {key[1]} of {key[0]}", remedy="See `acrwatch rejects list` for those that exist"
        )
    return StoredReject(**row)


def mark_replayed(connection: Connection, keys: Iterable[Key], *, now: datetime) -> None:
    """Note that these rejects have become events."""
    for key in keys:
        connection.execute(update(rejects).where(_is(key)).values(replayed_at=now))


def expire(connection: Connection, before: date) -> int:
    """Delete the rejects of UTC dates before `before`, make their room free again; return how many there were."""
    midnight = datetime.combine(before, time(), UTC)
    gone = connection.execute(delete(rejects).where(rejects.c.rejected_at < midnight))
    connection.execute(
        delete(ingest_counts).where(ingest_counts.c.name == _BYTES, ingest_counts.c.date < before.isoformat())
    )
    return gone.rowcount


def forget_replayed(connection: Connection, *, before: datetime, limit: int) -> int:
    """Delete up to `limit` rejects that became events before a moment, make their room free again; return how many."""
    key = rejects.c.stream, rejects.c.sequence_number, rejects.c.ordinal
    size = (_ROW_BYTES + func.length(rejects.c.body) + func.length(rejects.c.detail)).label("size")
    old = select(*key, rejects.c.rejected_at, size).where(rejects.c.replayed_at < before).order_by(*key).limit(limit)
    freed: dict[date, int] = {}
    found = connection.execute(old).all()
    for stream, number, ordinal, rejected_at, size_of_row in found:
        connection.execute(delete(rejects).where(_is((stream, number, ordinal))))
        day = rejected_at.astimezone(UTC).date()
        freed[day] = freed.get(day, 0) + size_of_row
    for day, size_of_day in sorted(freed.items()):
        counts.add(connection, day, {_BYTES: -size_of_day})
    return len(found)


def is_crowded(connection: Connection) -> bool:
    """Return whether so much is kept that there is soon, or already, no room for more."""
    return _total_bytes(connection) > MAX_TOTAL_BYTES * _CROWDED


def dropped(connection: Connection, since: date, until: date) -> int:
    """Return how many rejects of these UTC dates, both included, were only counted for lack of room."""
    return sum(names.get(DROPPED, 0) for names in counts.read(connection, since, until).values())


def _key(reject: Reject) -> Key:
    return reject.stream, reject.sequence_number, reject.ordinal


def _is(key: Key) -> Any:
    return tuple_(rejects.c.stream, rejects.c.sequence_number, rejects.c.ordinal) == key


def _present(connection: Connection, found: Sequence[Reject]) -> set[Key]:
    spans: dict[str, tuple[int, int]] = {}
    for reject in found:
        number = reject.sequence_number
        low, high = spans.get(reject.stream, (number, number))
        spans[reject.stream] = min(low, number), max(high, number)
    present: set[Key] = set()
    for stream, (low, high) in spans.items():
        query = select(rejects.c.stream, rejects.c.sequence_number, rejects.c.ordinal).where(
            rejects.c.stream == stream, rejects.c.sequence_number.between(low, high)
        )
        present.update(connection.execute(query))
    return present


def _total_bytes(connection: Connection) -> int:
    total = select(func.coalesce(func.sum(ingest_counts.c.count), 0)).where(ingest_counts.c.name == _BYTES)
    return int(connection.execute(total).scalar_one())


def _row(reject: Reject, now: datetime) -> dict[str, Any]:
    return {
        "stream": reject.stream,
        "sequence_number": reject.sequence_number,
        "ordinal": reject.ordinal,
        "reason": reject.reason,
        "detail": _storable(reject.detail)[:MAX_DETAIL_CHARACTERS],
        "body": reject.body[:MAX_BODY_BYTES],
        "body_length": reject.body_length,
        "enqueued_time": reject.enqueued_time,
        "rejected_at": now,
        "replayed_at": None,
    }


def _storable(text: str) -> str:
    # The text quotes hostile bytes: PostgreSQL takes no NUL, and neither database a lone surrogate.
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
