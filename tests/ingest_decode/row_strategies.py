"""Rows of Log Analytics as hypothesis makes them: as queries and exports write them, or odd in a place or two."""

import json
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from hypothesis import strategies as st

from storage.schema import CATEGORIES

Row: TypeAlias = dict[str, Any]
Shape: TypeAlias = Callable[[list[Row]], bytes]

_ABSENT: Final = st.sampled_from([None, "", "<nil>"])
_LETTERS: Final = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
_TEXTS: Final = _ABSENT | st.sampled_from(["v1", "null", "None", "{", "<nil> "]) | st.text(_LETTERS, max_size=12)
_GUIDS: Final = _ABSENT | st.sampled_from(["None", "null", "00000000-0000-0000-0000-000000000021"])
_DIGITS: Final = st.integers(0, 10**7 - 1).map(lambda number: f"{number:07d}")
_TIMES: Final = st.one_of(
    _DIGITS.map(lambda digits: f"2025-01-30T14:19:15.{digits}Z"),
    _DIGITS.map(lambda digits: f"2025-01-30T23:59:59.{digits[:6]}Z"),
    st.sampled_from(["2025-01-30T14:19:15Z", "2025-01-30 14:19:15.5", "2025-01-30T14:19:15.193173+02:00"]),
)
_IDS: Final = st.sampled_from(["contoso", "Example", "a/"]).map(
    lambda name: f"/subscriptions/s/resourcegroups/r/providers/microsoft.containerregistry/registries/{name}"
)
_NEEDED: Final = {
    "TimeGenerated": _TIMES,
    "Category": st.sampled_from(CATEGORIES),
    "OperationName": st.sampled_from(["Pull", "Login", "importImage", "é"]),
    "_ResourceId": _IDS,
}
_COLUMNS: Final = {
    "LoginServer": _TEXTS,
    "Identity": st.one_of(_ABSENT, st.sampled_from(["user@example.com", "null"]), st.text("ab@. é", max_size=9)),
    "CallerIpAddress": _ABSENT | st.sampled_from(["192.0.2.7", "[2001:db8::1]:443", "::ffff:203.0.113.18", "x"]),
    "UserAgent": _TEXTS,
    "Region": _TEXTS,
    "CorrelationId": _GUIDS,
    "ResultType": _TEXTS,
    "ResultDescription": st.sampled_from(["200", "404", "200.0", "OK", "", None]),
    "DurationMs": _ABSENT | st.sampled_from(["38.212784", "0", "-0.0", "1e3", " 1 ", "1_0"]),
    "JwtId": _GUIDS,
    "Repository": _TEXTS,
    "Tag": _TEXTS,
    "Digest": _TEXTS,
    "MediaType": _TEXTS,
    "ArtifactType": _TEXTS,
    "Size": _ABSENT | st.integers(0, 10**18 - 1) | st.sampled_from(["0", "528", "9223372036854775807"]),
    "UserTenantId": _GUIDS,
}
_OWN: Final = {
    "TenantId": _TEXTS,
    "SourceSystem": st.sampled_from(["Azure", "", None]),
    "MG": _TEXTS,
    "ManagementGroupName": _TEXTS,
    "Type": st.sampled_from([*CATEGORIES, "another", "", None]),
    "TableName": _TEXTS,
    "_ItemId": _TEXTS,
    "_TimeReceived": _TEXTS,
    "_SubscriptionId": _TEXTS,
    "_BilledSize": st.none() | st.integers(0, 10**18 - 1) | st.floats(0, 1e300) | st.just("931"),
    "_IsBillable": st.sampled_from([True, False, "True", None]),
    "_Internal_WorkspaceResourceId": _TEXTS,
}
_QUERIED: Final = st.fixed_dictionaries(_NEEDED, optional=_COLUMNS)
_EXPORTED: Final = st.fixed_dictionaries(_NEEDED, optional={**_COLUMNS, **_OWN})
_TYPED: Final = st.fixed_dictionaries(
    {name: values for name, values in _NEEDED.items() if name != "Category"} | {"Type": st.sampled_from(CATEGORIES)},
    optional={**_COLUMNS, **{name: values for name, values in _OWN.items() if name != "Type"}},
)
USUAL: Final = _QUERIED | _EXPORTED | _TYPED
"""Rows that the fast path takes, as long as each list of them agrees on what rows say of themselves."""

_NAMES: Final = st.sampled_from(
    [*_NEEDED, *_COLUMNS, *_OWN, "time", "category", "resourceId", "ResourceId", "tenantId", "tag", "operationName",
     "properties", "Properties", "records", "RegionStamp", "metricName", "CategoryValue", "identity", "NewColumn", ""]
)  # fmt: skip
_SCALARS: Final = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(10**20), 10**20), st.floats(), st.floats(-1e4, 1e4).map(str),
    st.text(st.characters(), max_size=12),
    st.sampled_from(
        ["<nil>", "null", "None", "200", "{}", "[]", '{"upn":"a@b"}', '{"claims":{"appid":"x"}}', '{"tag":"\\u0000"}',
         "nan", "inf", "-1", "1e400", "2025-02-30T00:00:00.000000Z", "1969-12-31T23:59:59.999999Z", "é" * 27,
         "2025-01-30T24:00:00.0000000Z", "2025-01-30T23:59:60.000000Z", "2026-01-30T00:00:00.000000Z", "Login",
         "2020-01-30T00:00:00.000000Z", "2025-01-30T00:00:00.00000\u0660Z", "administrative",
         "containerregistryloginevents", "a" * 700, "\x01" * 700, "a" * 65_536, "a" * 65_537, *CATEGORIES]
    ),
)  # fmt: skip
_VALUES: Final = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_NAMES, inner, max_size=3), max_leaves=4
)
ODD: Final = st.builds(
    lambda row, changes, lacking: {
        name: value for name, value in {**row, **changes}.items() if name not in lacking
    },
    USUAL, st.dictionaries(_NAMES, _VALUES, max_size=3), st.sets(st.sampled_from(list(_NEEDED)), max_size=1),
)  # fmt: skip


def _lines(rows: list[Row]) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in rows)


def _spoken(rows: list[Row]) -> bytes:
    return b"\r\n".join(json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass") for row in rows) + b"\n"


def _listed(rows: list[Row]) -> bytes:
    return json.dumps(rows, indent=1).encode()


def _enveloped(rows: list[Row]) -> bytes:
    return json.dumps({"records": rows}, separators=(",", ":")).encode()


SHAPES: Final = st.sampled_from([_lines, _spoken, _listed, _enveloped])
