"""Entra-style tokens: what the issuer makes, what it refuses, and what the credentials hand out."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from acrwatch.core.errors import AuthError, ConfigError
from acrwatch.devhub import OWNER, RECEIVER, SENDER, AsyncLocalCredential, LocalCredential
from acrwatch.devhub.auth import Right
from acrwatch.devhub.entra import AUDIENCE, SCOPE, TokenIssuer

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=59)
ISSUER = TokenIssuer()


def _claims(token: str) -> dict[str, object]:
    part = token.split(".")[1]
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(part + "==="))
    return found


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("roles", "rights"),
    [
        ([RECEIVER], {Right.LISTEN}),
        ([SENDER], {Right.SEND}),
        ([OWNER], {Right.LISTEN, Right.SEND}),
        ([RECEIVER, SENDER], {Right.LISTEN, Right.SEND}),
        ([], set()),
    ],
)
def test_a_token_gives_the_rights_of_its_roles_where_it_was_put(roles: list[str], rights: set[Right]) -> None:
    grant = ISSUER.verify(ISSUER.issue(roles, NOW), LATER, "acr-audit")
    assert {right for right in Right if grant.allows("acr-audit/partitions/0", right, LATER)} == rights
    assert not any(grant.allows("other", right, LATER) for right in Right)


def test_a_grant_ends_with_its_token() -> None:
    grant = ISSUER.verify(ISSUER.issue([OWNER], NOW), NOW, "acr-audit")
    assert not grant.allows("acr-audit", Right.LISTEN, NOW + timedelta(hours=1))


def test_the_audience_may_end_in_a_slash_as_the_double_slash_of_the_scope_makes_it() -> None:
    assert ISSUER.verify(ISSUER.issue([OWNER], NOW, audience=f"{AUDIENCE}/"), NOW, "acr-audit")


def _unsigned() -> str:
    return f"{_part({'alg': 'none'})}.{ISSUER.issue([OWNER], NOW).split('.')[1]}."


def _raised_to_owner() -> str:
    header, _, signature = ISSUER.issue([RECEIVER], NOW).split(".")
    return f"{header}.{ISSUER.issue([OWNER], NOW).split('.')[1]}.{signature}"


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (TokenIssuer().issue([OWNER], NOW), "not signed by an issuer"),
        (_unsigned(), "not signed by an issuer"),
        (_raised_to_owner(), "not signed by an issuer"),
        ("", "not signed by an issuer"),
        ("a.b.é", "not signed by an issuer"),
        (ISSUER.issue([OWNER], NOW, audience="https://vault.azure.net"), "is for 'https://vault.azure.net'"),
        (ISSUER.issue([OWNER], NOW + timedelta(hours=1)), "not valid yet"),
        (ISSUER.issue([OWNER], NOW - timedelta(hours=1)), "expired"),
    ],
)
def test_any_other_token_is_refused(token: str, reason: str) -> None:
    with pytest.raises(AuthError, match=reason):
        ISSUER.verify(token, NOW, "acr-audit")


def test_an_unknown_role_is_an_error() -> None:
    with pytest.raises(ConfigError, match="'Reader' is no role"):
        ISSUER.issue(["Reader"], NOW)


def test_a_credential_tells_the_expiry_of_its_token() -> None:
    token = LocalCredential(lambda: ISSUER.issue([OWNER], NOW)).get_token(SCOPE)
    assert token.expires_on == _claims(token.token)["exp"] == NOW.timestamp() + 3600


def test_a_credential_has_no_token_for_other_scopes() -> None:
    with pytest.raises(AuthError, match="no tokens for https://vault"):
        LocalCredential(lambda: ISSUER.issue([OWNER], NOW)).get_token("https://vault.azure.net/.default")


def test_the_asyncio_credential_does_the_same() -> None:
    async def tokens() -> list[str]:
        async with AsyncLocalCredential(lambda: ISSUER.issue([OWNER], NOW)) as credential:
            await credential.get_token(SCOPE)
            await credential.get_token(SCOPE, enable_cae=True)
            return credential.scopes

    assert asyncio.run(tokens()) == [SCOPE, SCOPE]
