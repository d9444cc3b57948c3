"""Which alerts speak of which entity: derived from the alerts, kept so that one entity's are found by index."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, bindparam, delete, exists, insert, select, update

from storage.state import alerts as store
from storage.state.alerts import Alert
from storage.state.dialect import alone
from storage.state.tables import alerts, entity_alerts

# "risk" in ASCII: what those who judge it wait for each other by.
_LOCK_KEY: Final = int.from_bytes(b"risk")


@dataclass(frozen=True, slots=True, order=True)
class Entity:
    """Who a risk is about. `kind` is `identity` or `ip`; `value` as `detections.risk` spells it."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Span:
    """An alert of an entity, and when its events were."""

    alert_id: str
    first: datetime
    last: datetime


def waiting(connection: Connection) -> bool:
    """Return whether any alert changed since the risk of its entities was judged."""
    return bool(connection.execute(select(exists().where(_changed()))).scalar_one())


def changed(connection: Connection, *, limit: int) -> list[Alert]:
    """Return alerts that changed since the risk of their entities was judged, by id. Others who ask wait until the
    caller's transaction ends."""
    alone(connection, _LOCK_KEY)
    query = select(alerts.c.id).where(_changed()).order_by(alerts.c.id).limit(limit)
    return store.some(connection, list(connection.execute(query).scalars()))


def judged(connection: Connection, changed: Collection[Alert]) -> None:
    """Note that the risk of these alerts' entities was judged by the alerts as they were read; a later change counts
    anew."""
    if changed:
        note = update(alerts).where(alerts.c.id == bindparam("judged")).values(risk_revision=bindparam("read"))
        connection.execute(note, [{"judged": alert.id, "read": alert.revision} for alert in changed])


def place(connection: Connection, alert_entities: Mapping[Span, Collection[Entity]]) -> list[tuple[Entity, Span]]:
    """Keep that each of these alerts speaks of its entities and of no others; return those that they spoke of, with
    when."""
    if not alert_entities:
        return []
    mine = entity_alerts.c.alert_id.in_([span.alert_id for span in alert_entities])
    columns = [entity_alerts.c[name] for name in ("kind", "entity", "alert_id", "first_seen", "last_seen")]
    found = connection.execute(select(*columns).where(mine))
    before = [(Entity(kind, value), Span(*span)) for kind, value, *span in found]
    connection.execute(delete(entity_alerts).where(mine))
    rows = [
        {
            "kind": one.kind,
            "entity": one.value,
            "alert_id": span.alert_id,
            "first_seen": span.first,
            "last_seen": span.last,
        }
        for span, entities in alert_entities.items()
        for one in sorted(entities)
    ]
    if rows:
        connection.execute(insert(entity_alerts), rows)
    return before


def spans(connection: Connection, entity: Entity) -> Sequence[Span]:
    """Return the alerts that speak of an entity, earliest first."""
    columns = (entity_alerts.c.alert_id, entity_alerts.c.first_seen, entity_alerts.c.last_seen)
    query = select(*columns).where(entity_alerts.c.kind == entity.kind, entity_alerts.c.entity == entity.value)
    return [Span(*row) for row in connection.execute(query.order_by(entity_alerts.c.first_seen))]


def _changed() -> ColumnElement[bool]:
    return alerts.c.risk_revision != alerts.c.revision
