from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from acrwatch.core.identity import identity_kind
from detections.fields import SMALL_LETTERS
from ingest.identity import identity_in

Record: TypeAlias = dict[str, Any]
GUID = "b21cb118-5a59-4628-bab0-3c3f0e434c00"


@pytest.mark.parametrize(
    ("identity", "kind"),
    [
        ("contoso", "admin"),
        ("CONTOSO", "admin"),
        ("breakglass", "admin"),
        ("user@example.com", "user"),
        ("guest_example.com#EXT#@contoso.onmicrosoft.com", "user"),
        (GUID, "object_id"),
        (GUID.upper(), "object_id"),
        ("b21cb118-5a59-4628-bab0-3c3f0e434cg6", "object_id"),
        ("ci-token", "token"),
        ("contoso2", "token"),
        (None, "anonymous"),
        ('{"authorization":{}}', "unknown"),
        ("two words", "unknown"),
    ],
)
def test_the_kind_of_an_identity_follows_from_its_shape(identity: str | None, kind: str) -> None:
    assert identity_kind("contoso", identity, {"breakglass"}) == kind


def test_an_admin_name_shaped_like_an_address_or_object_id_is_not_taken_for_the_admin_user() -> None:
    assert identity_kind("contoso", GUID, {GUID}) == "object_id"
    assert identity_kind("contoso", "a@example.com", {"a@example.com"}) == "user"


UPN = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"
OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"claims": {"appid": "app", OBJECT_ID: GUID, UPN: "user@example.com"}}, "user@example.com"),
        ({"claim": {OBJECT_ID: GUID, "appid": "app"}}, GUID),
        ({"claims": {"appid": "app"}}, "app"),
        ({"oid": GUID}, GUID),
        ({"Claims": {"UPN": "user@example.com"}}, "user@example.com"),
        ({"claims": {"upn": "", "oid": GUID}}, GUID),
        ({"claims": {"upn": 7}}, None),
        ({"claims": "upn"}, None),
        ({}, None),
    ],
)
def test_a_claims_object_names_a_person_before_an_object_before_an_application(
    claims: dict[str, object], expected: str | None
) -> None:
    assert identity_in(claims) == expected


def test_what_rules_take_for_small_letters_is_derived_in_small_letters(
    pull: Callable[..., Record], event: Callable[..., Record]
) -> None:
    row = event(pull(operationName="PURGE", identity="EXAMPLE"))
    assert [row[name] for name in sorted(SMALL_LETTERS)] == ["admin", "purge", "example"]
