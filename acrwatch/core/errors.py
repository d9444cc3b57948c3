"""Every error a user can meet. Each says what was wrong, with which value, where, and what to do."""


class AcrWatchError(Exception):
    """Root of all errors raised on purpose. `exit_code` is what the CLI ends with."""

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(f"{message}. {remedy}" if remedy else message)
        self.message = message
        self.remedy = remedy


class ConfigError(AcrWatchError):
    """A setting, rule file or argument is wrong; nothing was started."""

    exit_code = 2


class NotFoundError(AcrWatchError):
    """A named thing (alert, rule, destination, file) does not exist."""

    exit_code = 3


class AuthError(AcrWatchError):
    """The other side refused our credentials. Waiting does not help; a person must act."""

    exit_code = 4


class RemoteUnreachableError(AcrWatchError):
    """The other side did not answer. Waiting may help, so callers retry with back-off."""

    exit_code = 5


class StoreError(AcrWatchError):
    """The lake or the state database refused a read or a write; nothing half-written is visible."""


class StateUnavailableError(StoreError):
    """The state database is full, locked or read-only, for whoever asks: nobody's work is at fault."""


class ConflictError(StoreError):
    """Another process changed the same thing first. Reload, re-check, try again."""
