"""Alembic's entry point. It only ever runs on the connection, and inside the transaction, that the caller hands in."""

from alembic import context

from storage.state.tables import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise RuntimeError("run migrations with `acrwatch db migrate`: it takes the lock that makes them safe")
context.configure(connection=connection, target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
