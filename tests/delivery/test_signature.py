"""Signatures are those of Standard Webhooks: an independent implementation accepts them."""

import base64
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from acrwatch.core.errors import ConfigError
from acrwatch.delivery.signature import signed_headers, signing_keys

OLD = "whsec_" + base64.b64encode(b"old" * 8).decode()
NEW = "whsec_" + base64.b64encode(b"new" * 21 + b"!").decode()
BODY = '{"type":"alert.created","data":{"reason":"é"}}'.encode()


def _headers(secret: str, body: bytes = BODY) -> dict[str, str]:
    # The verifier compares the timestamp with the computer's clock.
    return signed_headers(signing_keys(secret), id="alr_1_1_siem_created", at=datetime.now(UTC), body=body)


def test_an_independent_verifier_accepts_the_signature() -> None:
    assert Webhook(OLD).verify(BODY, _headers(OLD)) == {"type": "alert.created", "data": {"reason": "é"}}


def test_an_independent_verifier_refuses_another_body() -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(BODY + b" ", _headers(OLD))


@pytest.mark.parametrize("separator", [" ", ",", ", "])
@pytest.mark.parametrize("held", [OLD, NEW])
def test_while_a_secret_is_changed_holders_of_either_accept(held: str, separator: str) -> None:
    Webhook(held).verify(BODY, _headers(f"{OLD}{separator}{NEW}"))


def test_the_signature_matches_a_known_one() -> None:
    """The example of the specification's reference libraries."""
    headers = signed_headers(
        signing_keys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at=datetime.fromtimestamp(1614265330, UTC),
        body=b'{"test": 2432232314}',
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize(
    ("secret", "complaint"),
    [
        ("", "is empty"),
        (" , ", "is empty"),
        ("c2VjcmV0", "does not begin with 'whsec_'"),
        ("whsec_YQ== base64!", "1 of 2 holds 1 bytes"),
        ("whsec_%%%%", "1 of 1 is not base64"),
        ("whsec_" + base64.b64encode(b"x" * 23).decode(), "holds 23 bytes; it must hold 24 to 64"),
        ("whsec_" + base64.b64encode(b"x" * 65).decode(), "holds 65 bytes"),
        (f"{OLD} whsec_YQ==", "secret 2 of 2"),
    ],
)
def test_a_secret_that_cannot_serve_is_refused_with_a_way_to_make_one(secret: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        signing_keys(secret)
    assert "openssl rand" in caught.value.remedy
    assert not secret.strip(" ,") or secret not in str(caught.value)


@pytest.mark.parametrize("length", [24, 64])
def test_the_bounds_themselves_are_allowed(length: int) -> None:
    assert [len(key) for key in signing_keys("whsec_" + base64.b64encode(b"x" * length).decode())] == [length]
