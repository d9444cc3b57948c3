"""Bringing a state database to the schema that this version of the code expects."""

import threading
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from acrwatch.core.errors import ConfigError
from storage.migrations import LOCATION

# Any fixed number will do, as long as nothing else on the server uses it: "acrwatch" in ASCII.
_LOCK_KEY: Final = int.from_bytes(b"acrwatch"[:7])
# Alembic keeps its running context in a module variable: one migration at a time per process.
_one_at_a_time: Final = threading.Lock()


def is_current(connection: Connection, name: str) -> bool:
    """Return whether the schema is exactly the one this code expects.

    Raises ConfigError when it is a newer one.
    """
    scripts = ScriptDirectory.from_config(_config())
    present = set(MigrationContext.configure(connection).get_current_heads())
    unknown = present - {script.revision for script in scripts.walk_revisions()}
    if unknown:
        raise ConfigError(
            f"the state database {name} has schema {', '.join(sorted(unknown))}, which this version of acrwatch does "
            f"not know (it knows up to {scripts.get_current_head()})",
            remedy="A newer acrwatch has used it: install that version or a later one, or restore a backup",
        )
    return present == set(scripts.get_heads())


def upgrade(connection: Connection, name: str) -> None:
    """Run the missing migrations inside the caller's write transaction; several processes may do so at once.

    On SQLite the transaction itself is the lock; on PostgreSQL an advisory lock is held until it ends.
    Raises ConfigError when the schema is newer than the code.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
    if is_current(connection, name):
        return
    config = _config()
    config.attributes["connection"] = connection
    with _one_at_a_time:
        command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    # The option passes through ConfigParser, which takes % for interpolation.
    config.set_main_option("script_location", str(LOCATION).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
