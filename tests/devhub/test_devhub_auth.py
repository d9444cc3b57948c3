"""Shared access signatures, checked against an independent construction of the token."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import quote, quote_plus

import pytest

from acrwatch.core.errors import AuthError
from acrwatch.devhub.auth import SasVerifier

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = int(NOW.timestamp()) + 60
KEY = "c2VjcmV0LWtleQ=="


def _token(resource: str = "sb://localhost/acr-audit", expiry: int = LATER, name: str = "Root", key: str = KEY) -> str:
    encoded = quote_plus(resource)
    digest = hmac.new(key.encode(), f"{encoded}\n{expiry}".encode(), hashlib.sha256).digest()
    signature = quote(base64.b64encode(digest), safe="")
    return f"SharedAccessSignature sr={encoded}&sig={signature}&se={expiry}&skn={name}"


@pytest.fixture
def verifier() -> SasVerifier:
    return SasVerifier("Root", KEY)


def test_a_right_token_grants_its_resource_and_what_lies_below(verifier: SasVerifier) -> None:
    grant = verifier.verify(_token(), NOW)
    assert grant.covers("acr-audit", NOW)
    assert grant.covers("ACR-Audit/ConsumerGroups/$Default/Partitions/0", NOW)
    assert not grant.covers("acr-audit-2", NOW)
    assert not grant.covers("other", NOW)


def test_a_token_for_the_namespace_grants_every_hub(verifier: SasVerifier) -> None:
    assert verifier.verify(_token("sb://localhost:5672/"), NOW).covers("anything", NOW)


def test_a_grant_ends_with_its_token(verifier: SasVerifier) -> None:
    grant = verifier.verify(_token(), NOW)
    assert not grant.covers("acr-audit", datetime.fromtimestamp(LATER, UTC))


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (_token(key="d3Jvbmc="), "invalid signature"),
        (_token(name="Other"), "names a key"),
        (_token(expiry=int(NOW.timestamp())), "expired"),
        (_token().replace(f"se={LATER}", f"se={LATER + 3600}"), "invalid signature"),
        (_token().replace("acr-audit", "other-hub"), "invalid signature"),
        (_token().replace("&skn=Root", ""), "names a key"),
        (_token().split("&se=")[0], "lacks se"),
        ("Bearer abc", "shared access signature is expected"),
        ("", "shared access signature is expected"),
        ("SharedAccessSignature sr=é&sig=é&se=é&skn=Root", "invalid signature"),
    ],
)
def test_any_other_token_is_refused(verifier: SasVerifier, token: str, reason: str) -> None:
    with pytest.raises(AuthError, match=reason):
        verifier.verify(token, NOW)


def test_an_expiry_that_is_no_number_is_refused_even_if_signed(verifier: SasVerifier) -> None:
    digest = hmac.new(KEY.encode(), b"sb\nsoon", hashlib.sha256).digest()
    token = f"SharedAccessSignature sr=sb&sig={quote(base64.b64encode(digest), safe='')}&se=soon&skn=Root"
    with pytest.raises(AuthError, match="not a number"):
        verifier.verify(token, NOW)
