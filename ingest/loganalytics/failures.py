"""What the answers of the query API mean that are none: each becomes an error that says what to do, or what to ask."""

import re
from typing import Final

from acrwatch.core.errors import AcrWatchError, AuthError, NotFoundError, RemoteUnreachableError

# Words of the service's errors for an answer beyond its limits of rows (500,000), bytes (some 100 MB) or memory.
_TOO_LARGE: Final = re.compile(
    r"TOO_LARGE|too large|size limit|record count limit|exceeded the (?:allowed|maximum) (?:size|limits)|"
    r"LOW_MEMORY|RUNAWAY|ResponsePayload|ResponseSize",
    re.IGNORECASE,
)
_SHOWN: Final = 300


class TooMuchError(AcrWatchError):
    """The answer was larger than the service gives; a smaller question helps."""


class TooSlowError(RemoteUnreachableError):
    """The service, or the client, gave up waiting for the answer; a smaller question may help."""


class PassingError(RemoteUnreachableError):
    """Waiting helps. `status` is that of the answer, None where there was none; `after` for how many seconds the
    service asked us to wait, None where it did not say."""

    def __init__(self, message: str, *, remedy: str, status: int | None = None, after: float | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status
        self.after = after


class NoTableError(NotFoundError):
    """The workspace has no such table: no record of it has come yet, or we have no right to this table alone."""


def partial(where: str, code: str, words: str) -> AcrWatchError:
    """Return the error for an answer that holds a part of the rows only: never to be taken for all of them."""
    message = f"{where} answered in part: {_shown(words) or code}"
    return TooMuchError(message) if _TOO_LARGE.search(f"{code} {words}") else TooSlowError(message)


def refused(where: str, table: str, status: int, words: str, after: float | None) -> AcrWatchError:
    """Return the error for an answer with this HTTP status and these words."""
    said = f" ({_shown(words)})" if words else ""
    if status in (401, 403):
        return AuthError(
            f"{where} refused our credentials: HTTP {status}{said}",
            remedy="The identity needs the role Log Analytics Reader on the workspace; a new assignment takes minutes",
        )
    if status == 404:
        return NotFoundError(
            f"there is no {where}{said}",
            remedy="Check the workspace's id (customerId, not its name), and the endpoint of your cloud",
        )
    if status == 429:
        return PassingError(
            f"{where} throttles us: HTTP 429{said}", remedy="Wait, or ask less beside it", status=status, after=after
        )
    if status == 504:
        return TooSlowError(f"{where} gave up on the query: HTTP 504{said}")
    if _TOO_LARGE.search(words):
        return TooMuchError(f"{where} refused to answer: {_shown(words)}")
    if status == 400 and re.search(rf"failed to resolve table.*\b{table}\b", words, re.IGNORECASE | re.DOTALL):
        return NoTableError(f"{where} has no table {table}")
    if status >= 500 or status == 408:
        return PassingError(
            f"{where} answers HTTP {status}{said}", remedy="Look at Azure's status page", status=status, after=after
        )
    return AcrWatchError(f"{where} refused the query: HTTP {status}{said}", remedy="Report it, with this message")


def _shown(words: str) -> str:
    return " ".join(words.split())[:_SHOWN]
