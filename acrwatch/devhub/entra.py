"""Tokens in the shape of Entra ID's: made and checked by this endpoint itself, never by anybody else.

They are JSON Web Tokens (RFC 7519) signed with HMAC-SHA256 by a key that lives as long as the issuer. Two things differ
from Entra: it signs with RSA, and the roles of Event Hubs are no claim but role assignments that the service looks up.
Here the `roles` claim stands for them.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from acrwatch.core.errors import AuthError, ConfigError
from acrwatch.devhub.auth import EVERYTHING, Grant, Right

JWT_TOKEN_TYPE: Final = "jwt"  # noqa: S105  a token's type, not a token
AUDIENCE: Final = "https://eventhubs.azure.net"
SCOPE: Final = f"{AUDIENCE}//.default"  # with two slashes, as the client 5.15 asks for it
RECEIVER: Final = "Azure Event Hubs Data Receiver"
SENDER: Final = "Azure Event Hubs Data Sender"
OWNER: Final = "Azure Event Hubs Data Owner"
LIFETIME: Final = timedelta(hours=1)  # Entra's is 60 to 90 minutes

_RIGHTS: Final[dict[str, frozenset[Right]]] = {
    RECEIVER: frozenset({Right.LISTEN}),
    SENDER: frozenset({Right.SEND}),
    OWNER: EVERYTHING,
}
_HEADER: Final = {"alg": "HS256", "typ": "JWT"}


class TokenIssuer:
    """Makes tokens and knows its own again. The key never leaves this object."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def issue(
        self, roles: Collection[str], now: datetime, *, lifetime: timedelta = LIFETIME, audience: str = AUDIENCE
    ) -> str:
        """Return a token that is valid from `now` (aware) on for `lifetime`.

        Raises:
            ConfigError: a role that Event Hubs' data plane does not have.
        """
        for role in roles:
            if role not in _RIGHTS:
                raise ConfigError(f"'{role}' is no role for Event Hubs' data", remedy=f"Use {', '.join(_RIGHTS)}")
        start = int(now.timestamp())
        claims = {
            "aud": audience,
            "iss": "acrwatch-devhub",
            "nbf": start,
            "exp": start + int(lifetime.total_seconds()),
            "roles": sorted(roles),
        }
        signed = f"{_part(_HEADER)}.{_part(claims)}"
        return f"{signed}.{self._signature(signed)}"

    def verify(self, token: str, now: datetime, path: str, *, audience: str = AUDIENCE) -> Grant:
        """Return what a token grants at and below a folded path: roles hold for the whole namespace here.

        The algorithm is fixed and never read from the token, and nothing of it is parsed before its signature holds.

        Raises:
            AuthError: not signed by this issuer, for another audience, not valid yet or expired.
        """
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            raise AuthError("InvalidSignature: the token was not signed by an issuer that this endpoint trusts")
        claims = _parsed(signed.partition(".")[2])
        if str(claims["aud"]).rstrip("/") != audience:
            scope = SCOPE if audience == AUDIENCE else f"{audience}/.default"
            raise AuthError(f"InvalidAudience: the token is for '{claims['aud']}'", remedy=f"Ask for the scope {scope}")
        if now.timestamp() < claims["nbf"]:
            raise AuthError("InvalidToken: the token is not valid yet")
        if now.timestamp() >= claims["exp"]:
            raise AuthError("ExpiredToken: the token has expired")
        return Grant(path, float(claims["exp"]), frozenset[Right]().union(*(_RIGHTS[role] for role in claims["roles"])))

    def _signature(self, signed: str) -> str:
        return _base64(hmac.new(self._key, signed.encode(), hashlib.sha256).digest())


class AccessToken(NamedTuple):
    """What the Azure clients want of a credential; `expires_on` is seconds since 1970, UTC."""

    token: str
    expires_on: int


class LocalCredential:
    """A `TokenCredential` for the sync clients. `scopes` records what was asked for, one entry for each token."""

    def __init__(self, issue: Callable[[], str]) -> None:
        """`issue` makes a token, for instance `lambda: devhub.issue_token(RECEIVER)`."""
        self._issue = issue
        self.scopes: list[str] = []

    def get_token(self, *scopes: str, **_options: object) -> AccessToken:
        """Return a new token. Raises AuthError for any scope but Event Hubs'."""
        if scopes != (SCOPE,):
            raise AuthError(f"This credential has no tokens for {', '.join(scopes)}", remedy=f"Ask for {SCOPE}")
        self.scopes += scopes
        token = self._issue()
        return AccessToken(token, _parsed(token.split(".")[1])["exp"])

    def close(self) -> None:
        """Nothing is held open."""


class AsyncLocalCredential:
    """The same for the asyncio clients."""

    def __init__(self, issue: Callable[[], str]) -> None:
        """`issue` makes a token; it is called on the event loop."""
        self._credential = LocalCredential(issue)

    @property
    def scopes(self) -> list[str]:
        """What was asked for, one entry for each token."""
        return self._credential.scopes

    async def get_token(self, *scopes: str, **options: object) -> AccessToken:
        """Return a new token. Raises AuthError for any scope but Event Hubs'."""
        return self._credential.get_token(*scopes, **options)

    async def close(self) -> None:
        """Nothing is held open."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


def _part(value: object) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _parsed(part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
