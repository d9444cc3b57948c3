"""Where tokens come from: the only importer of azure-identity."""

import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from acrwatch.core.errors import ConfigError
from ingest.eventhub.access import DEFAULT, ENVIRONMENT, MANAGED, Access

# A credential just replaced may still be answering a call, which is given up after 20 s (hub.CALL_SECONDS).
_GENERATION_SECONDS: Final = 30.0


class TokenSource(Protocol):
    """An asyncio credential of azure-identity, or anything shaped like one."""

    async def get_token(self, *scopes: str, **options: Any) -> Any:
        """Return a token with `token` and `expires_on`."""
        ...

    async def close(self) -> None:
        """Free what is held."""
        ...


MakeTokenSource = Callable[[], TokenSource]


class Credential:
    """Hands out the tokens of a source that can be replaced by a new one, which knows none of the old tokens."""

    def __init__(self, make: MakeTokenSource) -> None:
        self._make = make
        self._current = make()
        self._former: TokenSource | None = None
        self._made = time.monotonic()

    async def get_token(self, *scopes: str, **options: Any) -> Any:
        """Return a token, perhaps one from the source's memory."""
        return await self._current.get_token(*scopes, **options)

    async def renew(self) -> None:
        """Begin with an empty memory, at most every 30 s.

        azure-identity keeps a token until shortly before its own clock says that it ends, whatever the service says.
        """
        if self._former is not None and time.monotonic() - self._made < _GENERATION_SECONDS:
            return
        spent, self._former = self._former, self._current
        self._current, self._made = self._make(), time.monotonic()
        if spent is not None:
            await spent.close()

    async def close(self) -> None:
        """Close the sources."""
        for source in (self._current, self._former):
            if source is not None:
                await source.close()


def made_by(access: Access) -> MakeTokenSource:
    """Return what makes the credential that was chosen. It raises ConfigError where its surroundings lack something."""

    def make() -> TokenSource:
        from azure.identity import aio

        made: TokenSource = _made(aio, access.credential, access.client_id)
        return made

    return make


def blocking(kind: str, client_id: str | None) -> Any:
    """Return the same credential for clients without asyncio. Raises ConfigError where its surroundings lack
    something."""
    import azure.identity

    return _made(azure.identity, kind, client_id)


def _made(library: Any, kind: str, client_id: str | None) -> Any:
    try:
        return _make(library, kind, client_id)
    except ValueError as error:
        raise ConfigError(
            f"credential = '{kind}' cannot be used here ({str(error).splitlines()[0]})",
            remedy="Workload identity needs AZURE_TENANT_ID, AZURE_CLIENT_ID (or client_id) and "
            "AZURE_FEDERATED_TOKEN_FILE, which its webhook sets; or choose another credential",
        ) from error


def _make(library: Any, kind: str, client_id: str | None) -> Any:
    """Return a credential of azure.identity or azure.identity.aio, which name them alike."""
    named: dict[str, Any] = {} if client_id is None else {"client_id": client_id}
    if kind == DEFAULT:
        return library.DefaultAzureCredential(**{f"managed_identity_{key}": value for key, value in named.items()})
    if kind == MANAGED:
        return library.ManagedIdentityCredential(**named)
    if kind == ENVIRONMENT:
        return library.EnvironmentCredential()
    return library.WorkloadIdentityCredential(**named)
