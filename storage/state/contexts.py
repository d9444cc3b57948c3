"""The contexts that alerts were judged by, each kept once under its version."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from acrwatch.core.errors import NotFoundError
from storage.state.dialect import insert
from storage.state.tables import contexts


def remember(connection: Connection, document: Mapping[str, Any], version: str, *, now: datetime) -> str:
    """Keep a context document under its version, once; return the version."""
    row = {"version": version, "document": dict(document), "created_at": now}
    connection.execute(insert(connection, contexts).values(**row).on_conflict_do_nothing())
    return version


def load(connection: Connection, version: str) -> dict[str, Any]:
    """Return the document of a version, or of the only one that begins so. Raises NotFoundError."""
    begins = contexts.c.version.startswith(version, autoescape=True)
    found = connection.execute(select(contexts.c.document).where(begins).limit(2)).scalars().all()
    if len(found) != 1:
        raise NotFoundError(f"{'More than one' if found else 'No'} context has a version that begins with {version}")
    return dict(found[0])
