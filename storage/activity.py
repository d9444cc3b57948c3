"""Control-plane records: the rows of the one table that come from the Azure Activity Log, and their own columns.

They lie in the table of events, told apart by their category, so that one commit carries both kinds of record of a
message together with its position (docs/decisions/0012). What such a row holds beside the columns of events stands in
`extra`, as the JSON object that `members` makes; the columns here are read out of it. Bodies have their names case
folded, `properties` lifted to the top, and no secret in them (`ingest/activity/bodies.py`).

`events` are the rows that are not of this kind, `activity` those that are.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

CATEGORY: Final = "Administrative"
EVENTS: Final = f"e.category <> '{CATEGORY}'"
ACTIVITY: Final = f"e.category = '{CATEGORY}'"

SUCCESS: Final = "Success"
START: Final = "Start"

# What a request to Azure may set, each with its place in the body. A rule names these; a place that a body lacks is
# absent, and so is every one where the log holds no request.
SETTINGS: Final[Mapping[str, str]] = {
    "admin_user_enabled": "adminuserenabled",
    "anonymous_pull_enabled": "anonymouspullenabled",
    "public_network_access": "publicnetworkaccess",
    "default_action": "networkruleset.defaultaction",
    "ip_rules": "networkruleset.iprules",
    "bypass": "networkrulebypassoptions",
    "export_policy": "policies.exportpolicy.status",
    "role": "roledefinitionid",
    "principal_id": "principalid",
    "source_registry": "source.registryuri",
    "source_resource": "source.resourceid",
    "source_image": "source.sourceimage",
    "target_tags": "targettags",
    "token_status": "status",
    "scope_map_id": "scopemapid",
    "scope_actions": "actions",
    "service_uri": "serviceuri",
    "lock_level": "level",
    "workspace_id": "workspaceid",
    "storage_account_id": "storageaccountid",
    "event_hub_rule_id": "eventhubauthorizationruleid",
}


# Built-in roles that open a registry, by the last segment of their definitions' ids; the same in every tenant.
ROLES: Final[Mapping[str, str]] = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": "Reader",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": "User Access Administrator",
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": "AcrPull",
    "8311e382-0749-4cb8-b61a-304f252e45ec": "AcrPush",
    "c2f4ef07-c644-48eb-af81-4b1b4947fb11": "AcrDelete",
    "6cef56e8-d556-48e5-a04f-b8e64114680f": "AcrImageSigner",
}


def _text(path: str) -> str:
    return f"json_extract_string(e.extra, '$.{path}')"


def _setting(name: str, body: str) -> str:
    value = _text(f"{body}.{SETTINGS[name]}")
    if name != "role":
        return value
    segment = f"lower(regexp_extract({value}, '([^/]+)/?$', 1))"
    known = " ".join(f"WHEN '{guid}' THEN '{role}'" for guid, role in ROLES.items())
    return f"CASE {segment} {known} ELSE {segment} END"


def _listed(body: str) -> str:
    """Return the SQL of all settings of one body in one text; empty where it has none."""
    each = (f"'{name}=' || {_setting(name, body)}" for name in SETTINGS)
    return f"concat_ws('; ', {', '.join(each)})"


_ASKED: Final = f"nullif({_listed('request')}, '')"
_ANSWERED: Final = f"'after it: ' || nullif({_listed('response')}, '')"

# Columns of one record by itself. What each is stands in docs/control-plane.md.
COLUMNS: Final[Mapping[str, str]] = {
    "action": "coalesce(e.correlation_id, lower(hex(e.event_id)))",
    "result": "lower(e.result_type)",
    "resource_name": "regexp_extract(e.resource_id, '([^/]+)/?$', 1)",
    "object_id": _text("object_id"),
    "app_id": _text("app_id"),
    "request": "json_extract_string(e.extra, '$.request')",
    "response": "json_extract_string(e.extra, '$.response')",
    **{name: _setting(name, "request") for name in SETTINGS},
    "details": f"coalesce({_ASKED}, {_ANSWERED})",
}


def members(
    *,
    object_id: str | None = None,
    app_id: str | None = None,
    request: Mapping[str, Any] | None = None,
    response: Mapping[str, Any] | None = None,
) -> str | None:
    """Return `extra` of a control-plane row; bodies must be without secrets, their names folded. None for nothing."""
    given = {"object_id": object_id, "app_id": app_id, "request": request, "response": response}
    held = {name: value for name, value in given.items() if value is not None}
    return msgspec.json.encode(held, order="sorted").decode() if held else None
