"""Reading a principal out of a claims object; what kind of principal it is, the core tells."""

from typing import Any, Final

# Last segment of a claim's name, folded; the first present wins. A person's name before an object id before an
# application id: the first two are what the audit log itself writes for the same principals.
_CLAIMS: Final = ("upn", "preferred_username", "unique_name", "oid", "objectidentifier", "appid", "azp")


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
