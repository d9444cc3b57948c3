"""Who acted: what kind of principal an identity is, by its shape."""

import re
from collections.abc import Collection
from typing import Final

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
