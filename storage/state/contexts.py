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
    """Return the document of a version. Raises NotFoundError."""
    document = connection.execute(select(contexts.c.document).where(contexts.c.version == version)).scalar_one_or_none()
    if document is None:
        raise NotFoundError(f"No context has the version {version}")
    return dict(document)
