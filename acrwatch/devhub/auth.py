"""Shared access signatures: what Event Hubs accepts on `$cbs`.

A token is `SharedAccessSignature sr=<resource>&sig=<base64>&se=<unix seconds>&skn=<key name>`, and the signature is
HMAC-SHA256 with the key over `<resource as written>\\n<expiry as written>`. Source: Microsoft's page on authorising
access to Event Hubs with shared access signatures, and a run against the real client's tokens.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final
from urllib.parse import unquote_plus

from acrwatch.core.errors import AuthError

SAS_TOKEN_TYPE = "servicebus.windows.net:sastoken"  # noqa: S105  a token's type, not a token
_PREFIX = "SharedAccessSignature "


class Right(Enum):
    """What a link needs: Event Hubs' claims of a shared access policy, without Manage."""

    LISTEN = "Listen"
    SEND = "Send"


EVERYTHING: Final = frozenset(Right)


@dataclass(frozen=True, slots=True)
class Grant:
    """Rights to everything at and below a path (folded to lower case, no outer slashes) until a moment."""

    path: str
    expires_at: float  # seconds since 1970, UTC
    rights: frozenset[Right] = EVERYTHING

    def covers(self, path: str, now: datetime) -> bool:
        """Tell whether the grant still holds for `path`, whatever its rights."""
        wanted = _fold(path)
        return now.timestamp() < self.expires_at and (not self.path or f"{wanted}/".startswith(f"{self.path}/"))

    def allows(self, path: str, right: Right, now: datetime) -> bool:
        """Tell whether the grant still gives this right to `path`."""
        return right in self.rights and self.covers(path, now)


class SasVerifier:
    """Knows the one key of this endpoint and judges tokens by it. The key never leaves this object."""

    def __init__(self, key_name: str, key: str) -> None:
        self._key_name = key_name
        self._key = key.encode()

    def verify(self, token: str, now: datetime) -> Grant:
        """Return what a token grants.

        Raises:
            AuthError: malformed, unknown key name, wrong signature, or expired.
        """
        fields = _fields(token)
        signed = f"{fields['sr']}\n{fields['se']}".encode()
        expected = base64.b64encode(hmac.new(self._key, signed, hashlib.sha256).digest()).decode()
        if fields.get("skn") is None or unquote_plus(fields["skn"]) != self._key_name:
            raise AuthError("InvalidSignature: the token names a key that this endpoint does not have")
        if not hmac.compare_digest(unquote_plus(fields["sig"]).encode(), expected.encode()):
            raise AuthError("InvalidSignature: the token has an invalid signature")
        expires_at = _seconds(fields["se"])
        if expires_at <= now.timestamp():
            raise AuthError("ExpiredToken: the token has expired")
        return Grant(resource_path(unquote_plus(fields["sr"])), expires_at)


def resource_path(uri: str) -> str:
    """Return the folded path of `sb://host:port/path` or of a bare path."""
    return _fold(url_path(uri))


def url_path(uri: str) -> str:
    """Return the path of a URL whatever its host is (`urlsplit` raises for some), or a bare path as it is."""
    if "://" not in uri:
        return uri
    return re.split("[?#]", uri.partition("://")[2], maxsplit=1)[0].partition("/")[2]


def _fold(path: str) -> str:
    return path.strip("/").casefold()


def _fields(token: str) -> dict[str, str]:
    if not token.startswith(_PREFIX):
        raise AuthError("MalformedToken: a shared access signature is expected")
    pairs = [part.partition("=") for part in token.removeprefix(_PREFIX).split("&")]
    fields = {name: value for name, _, value in pairs}
    missing = [name for name in ("sr", "sig", "se") if not fields.get(name)]
    if missing:
        raise AuthError(f"MalformedToken: the shared access signature lacks {missing[0]}")
    return fields


def _seconds(text: str) -> float:
    try:
        return float(int(text))
    except ValueError:
        raise AuthError("MalformedToken: the expiry is not a number of seconds") from None
