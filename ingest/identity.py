"""Who acted: what kind of principal an identity is, and how to read one out of a claims object."""

import re
from collections.abc import Collection
from typing import Any, Final

ADMIN: Final = "admin"
USER: Final = "user"
OBJECT_ID: Final = "object_id"
TOKEN: Final = "token"  # noqa: S105  # a kind of identity, not a secret
ANONYMOUS: Final = "anonymous"
UNKNOWN: Final = "unknown"

_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
# Letters beyond f are let in: Microsoft's own example of a Defender scanner's identity ends in `434cg6`.
_GUID_LIKE: Final = re.compile(
    r"[0-9a-z]{8}-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{12}", re.ASCII | re.IGNORECASE
)
# Token names are letters, digits and hyphens, 5 to 50; the rest is room for what Azure might allow later.
_NAME: Final = re.compile(r"[\w.~+:/\\-]{1,256}")

# Last segment of a claim's name, folded; the first present wins. A person's name before an object id before an
# application id: the first two are what the audit log itself writes for the same principals.
_CLAIMS: Final = ("upn", "preferred_username", "unique_name", "oid", "objectidentifier", "appid", "azp")


def identity_kind(registry: str, identity: str | None, admins: Collection[str]) -> str:
    """Return which kind of principal an identity is, by its shape alone; the log has no field that says so.

    `admin`: the registry's own name or one of `admins` (both case folded), unless it looks like an e-mail address or
    an object id. `user`: shaped like an e-mail address. `object_id`: a GUID or alike, so managed identities and service
    principals. `token`: any other name a registry could issue. `anonymous`: none. `unknown`: a text that is
    no name at all, such as a claims object nothing could be read from.
    """
    if identity is None:
        return ANONYMOUS
    if _EMAIL.fullmatch(identity):
        return USER
    if _GUID_LIKE.fullmatch(identity):
        return OBJECT_ID
    folded = identity.casefold()
    if folded == registry or folded in admins:
        return ADMIN
    return TOKEN if _NAME.fullmatch(identity) else UNKNOWN


def identity_in(claims_object: dict[str, Any]) -> str | None:
    """Return the principal named in an identity object of Azure's common schema, or None where it names none.

    Claims stand directly in the object or under `claims` or `claim`; their names may be full URIs.
    """
    claims: dict[str, str] = {}
    for container in (claims_object, *_nested(claims_object)):
        for name, value in container.items():
            if isinstance(value, str) and value:
                claims.setdefault(name.rpartition("/")[2].casefold(), value)
    return next((claims[name] for name in _CLAIMS if name in claims), None)


def _nested(claims_object: dict[str, Any]) -> list[dict[str, Any]]:
    return [v for k, v in claims_object.items() if k.casefold() in {"claims", "claim"} and isinstance(v, dict)]
