"""One record of the Activity Log, of any shape it is known in: from a hub or archive (diagnostic setting), as a row of
Log Analytics' `AzureActivity`, or as `az monitor activity-log list` prints it.

No member's spelling is taken for granted, and none but those named here is stored: claims, headers and whatever else a
record holds stay out.
"""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from ingest.activity.bodies import body_of
from ingest.identity import identity_in
from ingest.json_object import object_in
from ingest.rows import TEXT_LIMIT, UnfitError, shown
from ingest.values import EPOCH, MICROSECOND, parse_status, parse_time
from storage import activity
from storage.activity_row import ControlRecord

# The category of the diagnostic setting, and those that the log profiles before it wrote.
_CATEGORIES: Final = frozenset({activity.CATEGORY.casefold(), "write", "delete", "action"})
_REGISTRY: Final = re.compile(r"/.*/providers/microsoft\.containerregistry/registries/([^/\s]+)(?:/.*)?", re.DOTALL)
_RESULTS: Final = {
    "start": activity.START, "started": activity.START, "begin": activity.START,
    "accept": "Accept", "accepted": "Accept",
    "success": activity.SUCCESS, "succeeded": activity.SUCCESS,
    "failure": "Failure", "failed": "Failure",
}  # fmt: skip
_STATUS: Final = {status.phrase.replace(" ", "").casefold(): int(status) for status in HTTPStatus}
# Answers are kept of writes alone: those of other calls are what they hand out, credentials among it.
_WRITE: Final = "/write"

_TIME: Final = ("time", "eventtimestamp", "timegenerated")
_OPERATION: Final = ("operationname", "operationnamevalue")
_RESOURCE: Final = ("resourceid", "_resourceid", "resourceuri")
_RESULT: Final = ("resulttype", "activitystatusvalue", "activitystatus", "status")
_SIGNATURE: Final = ("resultsignature", "activitysubstatusvalue", "substatus")


def is_control(members: Mapping[str, Any]) -> bool:
    """Return whether a record, its members by folded name, is one of the Activity Log's administrative kind."""
    category = _text(members, ("categoryvalue", "category"), strict=False)
    return category is not None and category.casefold() in _CATEGORIES and any(name in members for name in _OPERATION)


def read_control(record: Mapping[str, Any]) -> ControlRecord | str:
    """Return what is kept of an administrative record; the name of a counter where it is about no registry.

    Raises UnfitError where a required member is absent or of another type.
    """
    top = _by_folded_name(record)
    operation = _required(top, _OPERATION, "operationName")
    resource_id = _required(top, _RESOURCE, "resourceId")
    found = _REGISTRY.fullmatch(resource_id.casefold().rstrip("/"))
    if found is None:
        return f"activity:{shown(operation.casefold().partition('/')[0]).strip(chr(39))}"
    inner = _by_folded_name(_object(top.get("properties")) or _object(top.get("properties_d")) or {})
    claims = _claims(top)
    signature = _text(top, _SIGNATURE)
    result = _text(top, _RESULT)
    return ControlRecord(
        time=EPOCH + parse_time(_required(top, _TIME, "time")) * MICROSECOND,
        resource_id=resource_id,
        registry=found[1],
        operation_name=operation,
        result=_RESULTS.get(result.casefold(), result) if result else None,
        signature=signature,
        status=_status(inner, signature),
        identity=identity_in(claims) or _text(top, ("caller",)),
        caller_ip_address=_text(top, ("calleripaddress",)) or _client(top),
        correlation_id=_text(top, ("correlationid",)),
        region=_text(top, ("location",), strict=False),
        extra=_extra(operation, claims, inner),
    )


def _by_folded_name(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name.casefold(): value for name, value in reversed(list(members.items()))}


def _object(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else object_in(value)


def _claims(top: Mapping[str, Any]) -> dict[str, str]:
    """Return the caller's claims by the last part of their names, folded."""
    identity = _by_folded_name(_object(top.get("identity")) or {})
    given = _object(identity.get("claims")) or _object(top.get("claims")) or _object(top.get("claims_d")) or {}
    return {
        name.rpartition("/")[2].casefold(): value for name, value in given.items() if isinstance(value, str) and value
    }


def _client(top: Mapping[str, Any]) -> str | None:
    return _text(_by_folded_name(_object(top.get("httprequest")) or {}), ("clientipaddress",))


def _text(members: Mapping[str, Any], names: Sequence[str], *, strict: bool = True) -> str | None:
    """Return the first present text of these names; `az` prints some as an object with a `value`."""
    for name in names:
        value = members.get(name)
        if isinstance(value, dict):
            value = value.get("value")
        if value is None or value == "":
            continue
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and len(value) <= TEXT_LIMIT:
            return value
        if strict:
            raise UnfitError("wrong_type", f"{name} is {shown(value)} where a text of at most {TEXT_LIMIT} is expected")
    return None


def _required(members: Mapping[str, Any], names: Sequence[str], wire: str) -> str:
    found = _text(members, names)
    if found is None:
        raise UnfitError("missing_member", f"{wire} is absent, and no record of the Activity Log can be without it")
    return found


def _status(inner: Mapping[str, Any], signature: str | None) -> int | None:
    """Return the HTTP status, which the log spells `Created`, or `Succeeded.Created`, or as a number."""
    for text in (_text(inner, ("statuscode",), strict=False), (signature or "").rpartition(".")[2]):
        if text and (found := parse_status(text) or _STATUS.get(text.replace(" ", "").casefold())):
            return found
    return None


def _extra(operation: str, claims: Mapping[str, str], inner: Mapping[str, Any]) -> str | None:
    """Return what a row keeps beside its columns; a body too long for it is left out, the answer first."""
    writes = operation.casefold().endswith(_WRITE)
    object_id, app_id = claims.get("objectidentifier") or claims.get("oid"), claims.get("appid")
    request = body_of(inner.get("requestbody"))
    response = body_of(inner.get("responsebody")) if writes else None
    for asked, answered in ((request, response), (request, None), (None, None)):
        extra = activity.members(object_id=object_id, app_id=app_id, request=asked, response=answered)
        if extra is None or len(extra) <= TEXT_LIMIT:
            return extra
    return None
