"""Names that somebody has heard of: without them, a mistyped registry or rule looks like one where nothing happened.

Registries are what arrives: one may be right and its first event yet to come. Rules are what is installed.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from acrwatch.core.errors import NotFoundError
from acrwatch.core.registry import EVERY

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from storage.lake.snapshot import Snapshot
    from storage.state.database import Database


def unknown_registry(
    asked: Iterable[str], configured: Iterable[str], snapshot: "Snapshot", database: "Database | None"
) -> NotFoundError | None:
    """Return what to tell, or to raise, where one of these names (folded) is of no registry that is configured or
    imported, of which a record is stored, or that an alert names; None where all are. Raises StoreError.

    For a name that is not configured a column of the whole lake is read: ask where an answer is empty.
    """
    from acrwatch.choosing import nearest
    from storage import lookup
    from storage.query import Reader
    from storage.state import alerts, registry_facts

    wanted, known = list(asked), {name for name in configured if name != EVERY}
    if known.issuperset(wanted):
        return None
    with Reader(snapshot) as reader:
        known.update(lookup.registries(reader))
    if database is not None and not known.issuperset(wanted):
        with database.connect() as connection:
            known.update(alerts.registries(connection))
            known.update(one.registry for one in registry_facts.newest(connection))
    unknown = next((name for name in wanted if name not in known), None)
    if unknown is None:
        return None
    return NotFoundError(
        f"nothing is known of a registry {unknown!r}: it is not configured, and no event or alert of it is stored",
        remedy=nearest(unknown, sorted(known)) if known else "No registry is known yet",
    )


def unknown_rule(slug: str, installed: Iterable[str], connection: "Connection") -> NotFoundError | None:
    """Return what to raise where no rule of this name is installed, and no alert of one was ever raised."""
    from acrwatch.choosing import nearest
    from detections.built_in import BUILT_IN
    from storage.state import alerts

    known = {*installed, *BUILT_IN}
    if slug in known or slug in alerts.rules(connection):
        return None
    return NotFoundError(f"there is no rule {slug!r}, and no alert of one", remedy=nearest(slug, sorted(known)))
