"""Standard Webhooks signatures, version 1: HMAC-SHA256 over `id.timestamp.body`, keyed by a shared secret.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from acrwatch.core.errors import ConfigError

PREFIX: Final = "whsec_"
# The specification's bounds: below 24 bytes a secret can be guessed, above 64 the HMAC gains nothing.
MIN_KEY_BYTES: Final = 24
MAX_KEY_BYTES: Final = 64
_REMEDY: Final = 'Make one with: echo "whsec_$(openssl rand -base64 32)"'


def signing_keys(text: str) -> tuple[bytes, ...]:
    """Return the keys of one `whsec_...` secret, or of several separated by spaces or commas.

    Several serve to change the secret without a gap: each body is signed with all of them. Raises ConfigError, which
    never shows the secret.
    """
    written = text.replace(",", " ").split()
    if not written:
        raise ConfigError("the webhook secret is empty", remedy=_REMEDY)
    return tuple(_key(one, f"{number} of {len(written)}") for number, one in enumerate(written, start=1))


def signed_headers(keys: Sequence[bytes], *, id: str, at: datetime, body: bytes) -> dict[str, str]:  # noqa: A002
    """Return the three Standard Webhooks headers for one attempt, made at the aware time `at`."""
    timestamp = str(int(at.timestamp()))
    return {
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_sign(key, f"{id}.{timestamp}.".encode() + body) for key in keys),
    }


def _sign(key: bytes, content: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()


def _key(secret: str, which: str) -> bytes:
    if not secret.startswith(PREFIX):
        raise ConfigError(f"webhook secret {which} does not begin with {PREFIX!r}", remedy=_REMEDY)
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ConfigError(f"webhook secret {which} is not base64 after {PREFIX!r}", remedy=_REMEDY) from None
    if not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
        raise ConfigError(
            f"webhook secret {which} holds {len(key)} bytes; it must hold {MIN_KEY_BYTES} to {MAX_KEY_BYTES}",
            remedy=_REMEDY,
        )
    return key
