"""What the database drivers can throw, turned into our errors: what happened, where, what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from acrwatch.core.errors import (
    AcrWatchError,
    AuthError,
    ConfigError,
    ConflictError,
    RemoteUnreachableError,
    StateUnavailableError,
    StoreError,
)

_MIGRATE: Final = "Run `acrwatch db migrate`"
_HELD: Final = "Another process holds a write transaction: look for a stuck acrwatch process, end it and try again"
_FULL: Final = "Free some space; work goes on by itself then"
_READONLY: Final = "Give the acrwatch user write access to the file and its folder"

# SQLite's primary result codes, by name: https://www.sqlite.org/rescode.html
_SQLITE: Final[dict[str, tuple[type[AcrWatchError], str, str]]] = {
    "SQLITE_BUSY": (StateUnavailableError, "stayed locked", _HELD),
    "SQLITE_LOCKED": (StateUnavailableError, "stayed locked", _HELD),
    "SQLITE_FULL": (StateUnavailableError, "cannot grow: the disk is full", _FULL),
    "SQLITE_READONLY": (StateUnavailableError, "is read-only", _READONLY),
    "SQLITE_CANTOPEN": (ConfigError, "cannot be opened", "Check that the folder exists and who may write to it"),
    "SQLITE_PERM": (ConfigError, "cannot be opened", "Check who may read and write the file"),
    "SQLITE_IOERR": (StateUnavailableError, "met a disk error", "Check the disk and the system log"),
    "SQLITE_CORRUPT": (StoreError, "is damaged", "Stop acrwatch and restore the file from a backup"),
    "SQLITE_NOTADB": (ConfigError, "is not an SQLite database", "Point store.database at another file"),
}

# PostgreSQL's codes, longest match first: https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRESQL: Final[dict[str, tuple[type[AcrWatchError], str, str]]] = {
    "25006": (StateUnavailableError, "is read-only", "Is it a standby? Point store.database at the primary"),
    "3D000": (ConfigError, "does not exist", "Create it: CREATE DATABASE ... OWNER ..."),
    "40001": (ConflictError, "was changed by another process first", "Try again"),
    "40P01": (ConflictError, "was changed by another process first", "Try again"),
    "42501": (AuthError, "refuses our user a right", "Grant the user CREATE and USAGE on the schema"),
    "42703": (StoreError, "lacks a column", _MIGRATE),
    "42P01": (StoreError, "lacks a table", _MIGRATE),
    "53100": (StateUnavailableError, "cannot grow: its disk is full", "Free some space on the database server"),
    "53300": (RemoteUnreachableError, "has no connection left", "Raise max_connections, or run fewer processes"),
    "55P03": (StateUnavailableError, "stayed locked", _HELD),
    "08": (RemoteUnreachableError, "closed the connection", "Check that the server runs; we try again"),
    "53": (StateUnavailableError, "has run out of memory or another resource", "Look at the server and its log"),
    "58": (StateUnavailableError, "met an error of its disk or system", "Look at the server and its log"),
    "25P03": (RemoteUnreachableError, "ended a transaction that stood still", "Nothing: it is tried again"),
    "28": (AuthError, "refuses our user or password", "Check the user and password in store.database"),
    "57": (RemoteUnreachableError, "ended our connection", "Check that the server runs; we try again"),
}


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Turn whatever SQLAlchemy raises inside the block into one of our errors about the database called `name`.

    Raises StoreError, of that StateUnavailableError (full, locked: whoever asks) and ConflictError (try again),
    RemoteUnreachableError (waiting may help), AuthError or ConfigError.
    """
    try:
        yield
    except UnicodeEncodeError as error:  # where whoever took the text did not look
        text = error.object[max(0, error.start - 20) : error.start + 20]
        raise ConfigError(
            f"the text {text!r} holds half of a character, which the state database {name} cannot keep",
            remedy="Write it in UTF-8",
        ) from error
    except PoolTimeoutError as error:
        raise StoreError(
            f"no connection to the state database {name} came free", remedy="Fewer threads must use it at once"
        ) from error
    except DBAPIError as error:
        raise _explain(error, name) from error
    except SQLAlchemyError as error:
        raise StoreError(f"the state database {name} refused a statement: {error}") from error


def _explain(error: DBAPIError, name: str) -> AcrWatchError:
    # Only the driver's own words: SQLAlchemy's would add the statement with its values.
    words = " ".join(str(error.orig).split())
    known = _known(error, words)
    if known is None:
        return StoreError(f"the state database {name} refused a statement: {words}")
    kind, what, remedy = known
    return kind(f"the state database {name} {what} ({words})", remedy=remedy)


def _known(error: DBAPIError, words: str) -> tuple[type[AcrWatchError], str, str] | None:
    code = getattr(error.orig, "sqlite_errorname", None)
    if code is not None:
        for what in ("table", "column"):
            if words.startswith(f"no such {what}"):
                return StoreError, f"lacks a {what}", _MIGRATE
        return next((_SQLITE[key] for key in _SQLITE if code == key or code.startswith(key + "_")), None)
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return _POSTGRESQL.get(state) or _POSTGRESQL.get(state[:2])
    if error.connection_invalidated or type(error.orig).__name__ == "OperationalError":
        return RemoteUnreachableError, "did not answer", "Check the address and that the server runs; we try again"
    return None
