"""Questions to a workspace: the only importer of azure-monitor-query.

What its asyncio client (2.0) does to an answer, and what is done about it here:

- An answer without a body (HTTP 204, an empty workspace) raises: it is no rows.
- Part of an answer (HTTP 200 with an error beside the rows) raises nothing: it is an error.
- An absent guid becomes the text 'None': it is absent. In other columns 'None' may be a tag's name, and stays.
- JSON of another shape than an answer's raises whatever Python does there, and no tables at all raise nothing: both are
  errors (answers.py).
- Its retries wait out of our sight, and ask the very question again that took too long: they are off.
"""

import math
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, cast

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceResponseTimeoutError,
)
from azure.monitor.query import LogsQueryPartialResult
from azure.monitor.query.aio import LogsQueryClient

from acrwatch.core.errors import AcrWatchError, AuthError, RemoteUnreachableError
from ingest.eventhub.credentials import Credential, MakeTokenSource, made_by
from ingest.loganalytics import failures
from ingest.loganalytics.access import LogsAccess
from ingest.loganalytics.answers import answer_of, useless
from ingest.loganalytics.query import Answer, Query

# The service takes up to 600 s, 180 unless told otherwise. A window that needs longer than this is better halved.
SERVER_SECONDS: Final = 120
GRACE_SECONDS: Final = 15.0  # for the answer's way back
_CONNECT_SECONDS: Final = 10.0
# The service counts questions over 30 s, and keeps those that wait for their turn for 3 minutes. Who asks for more than
# this is no such limit, and silence for days would look like a workspace without events.
LONGEST_WAIT: Final = 300.0
_NOT_JSON_REMEDY: Final = "Check the endpoint: something else than Azure Monitor seems to answer there"


class LogsClient:
    """Asks workspaces of one endpoint. Belongs to the event loop it was made on; close it."""

    def __init__(
        self,
        access: LogsAccess,
        token_source: MakeTokenSource | None = None,
        *,
        seconds: int = SERVER_SECONDS,
        grace: float = GRACE_SECONDS,
    ) -> None:
        """`token_source` makes what tokens come from, where another than the access names is wanted. `seconds`: for how
        long the service may take, `grace` for how much longer to wait for its answer. Raises ConfigError where the
        credential cannot be used here."""
        self._access = access
        self._seconds = seconds
        self._patience = seconds + grace
        self._credential = Credential(token_source or made_by(access.entra))
        options: dict[str, Any] = {"audience": access.audience} if access.audience else {}
        if access.entra.ca_file is not None:
            options["connection_verify"] = str(access.entra.ca_file)
        self._client = LogsQueryClient(
            cast("Any", self._credential),
            endpoint=access.endpoint,
            retry_total=0,
            connection_timeout=_CONNECT_SECONDS,
            read_timeout=self._patience,
            **options,
        )

    async def ask(self, workspace: str, query: Query) -> Answer:
        """Return all rows that a query asks for.

        Raises AuthError, NotFoundError (NoTableError for a table that nothing was ever written to), TooMuchError,
        TooSlowError, PassingError, or another AcrWatchError.
        """
        try:
            return await self._ask(workspace, query)
        except AuthError:
            # What the credential remembers may be a token of before a role was given, or a key was replaced.
            await self._credential.renew()
            return await self._ask(workspace, query)

    async def close(self) -> None:
        """Free what is held."""
        await self._client.close()
        await self._credential.close()

    async def _ask(self, workspace: str, query: Query) -> Answer:
        where = f"workspace {workspace} at {self._access.endpoint}"
        heard: list[Any] = []
        try:
            result = await self._client.query_workspace(
                workspace,
                query.text(),
                timespan=query.timespan(),
                server_timeout=self._seconds,
                raw_response_hook=heard.append,
            )
        except (AttributeError, LookupError, TypeError) as error:
            if not heard:  # the mistake is ours
                raise
            status = heard[-1].http_response.status_code
            raise useless(where, f"answers HTTP {status} with JSON of another shape") from error
        except (AzureError, ValueError) as error:
            status = heard[-1].http_response.status_code if heard else None
            if status == 204:
                return Answer(at=_answered_at(heard))
            raise self._translated(error, where, query.table, status, heard) from error
        if isinstance(result, LogsQueryPartialResult):
            problem: Any = result.partial_error
            raise failures.partial(where, str(problem.code), f"{problem.message} {problem.details or ''}")
        return replace(answer_of(result.tables, query, where), at=_answered_at(heard))

    def _translated(
        self, error: Exception, where: str, table: str, status: int | None, heard: list[Any]
    ) -> AcrWatchError:
        if isinstance(error, HttpResponseError) and status is not None and status >= 400:
            return failures.refused(where, table, status, _words(error), _retry_after(heard[-1]))
        if isinstance(error, ClientAuthenticationError):  # the credential found no token: nothing was asked
            first = next(iter(str(error).splitlines()), type(error).__name__)
            return AuthError(
                f"there is no token for {where} ({first[:200]})",
                remedy="Sign in with `az login`, or choose another credential",
            )
        if isinstance(error, ServiceResponseTimeoutError):
            return failures.TooSlowError(f"{where} sent no answer within {self._patience:g} s: {error}")
        if isinstance(error, AzureError):
            return failures.PassingError(
                f"{where} cannot be reached: {error}",
                remedy="Check the network, a proxy, and (own authority) connection_verify",
            )
        return RemoteUnreachableError(f"{where} answers HTTP {status} without JSON", remedy=_NOT_JSON_REMEDY)


def _answered_at(heard: list[Any]) -> datetime | None:
    try:
        at = parsedate_to_datetime(heard[-1].http_response.headers["date"])
    except (IndexError, KeyError, TypeError, ValueError):
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _retry_after(response: Any) -> float | None:
    """Return for how many seconds we are asked to wait, no more than makes sense; None where that cannot be told."""
    headers = response.http_response.headers
    written = headers.get("retry-after")
    try:
        seconds = math.nan if written is None else float(written)
    except ValueError:  # a date: our own pace will do
        return None
    return min(seconds, LONGEST_WAIT) if math.isfinite(seconds) and seconds >= 0 else None


def _words(error: HttpResponseError) -> str:
    """Return what the service says. Of its nested reasons the client keeps the innermost, the one that tells."""
    said = (getattr(error.model, "code", None), getattr(error.model, "message", None))
    return " ".join(str(words) for words in said if words) or str(error.message)
